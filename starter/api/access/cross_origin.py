"""Which web pages may use the inbox from the browser: those of the configured origins, and no other route."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_FOR_PAGES = re.compile(r"/v1/(inbox|pushes)/.+|/v1/users/[^/]+/inbox")
_MAX_AGE_SECONDS = 600


class InboxOrigins:
    """Answers the browser's questions for the inbox's routes; others are as closed to web pages as before.

    Args:
        origins: exact ones, like https://shop.example.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._for_pages = CORSMiddleware(
            app,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            max_age=_MAX_AGE_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        concerned = scope["type"] == "http" and _FOR_PAGES.fullmatch(scope["path"])
        await (self._for_pages if concerned else self._app)(scope, receive, send)
