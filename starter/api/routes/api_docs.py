"""`/docs`: the API's description as a page, with Swagger UI's files from this server and no script inside the page."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

_FILES = Path(fastapi_offline.__file__).parent / "static"
_CACHED = {"Cache-Control": "public, max-age=3600"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Campaign Connector API</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis], validatorUrl: null,
});
"""

router = APIRouter(tags=["operation"], include_in_schema=False)


@router.get("/docs")
async def show_docs() -> Response:
    """Return the page."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/start.js")
async def read_start_script() -> Response:
    """Return the script that shows the description."""
    return Response(_START, media_type="text/javascript", headers=_CACHED)


@router.get("/docs/swagger-ui-bundle.js")
async def read_swagger_script() -> Response:
    """Return Swagger UI's script."""
    return Response(_read_file("swagger-ui-bundle.js"), media_type="text/javascript", headers=_CACHED)


@router.get("/docs/swagger-ui.css")
async def read_swagger_style() -> Response:
    """Return Swagger UI's style sheet."""
    return Response(_read_file("swagger-ui.css"), media_type="text/css", headers=_CACHED)


@cache
def _read_file(name: str) -> bytes:
    return (_FILES / name).read_bytes()
