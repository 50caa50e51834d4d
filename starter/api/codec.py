"""The codec server: Temporal's remote codec protocol, for its Web UI and the `temporal` program.

Callers need a key: with `read` they decode, with `manage` they encode, which only starting and signalling workflows by
hand needs. A browser has no way to send a key with the UI's requests, except the one that it remembers for this server:
the page `/` asks for it by Basic authentication.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from starlette.middleware.cors import CORSMiddleware
from temporalio.api.common.v1 import Payload

from connector.rules.model.api_keys import Scope
from connector.settings.application import Settings
from connector.temporal.codec import EncryptionCodec, PayloadUnreadable
from starter.api.access.scopes import Keys, caller_of, needs
from starter.api.requests.admission import Admission
from starter.api.requests.body import JsonObject
from starter.api.requests.errors import ApiError, install_error_handlers
from starter.api.requests.middleware import NO_TELEMETRY, RequestMiddleware

_Convert = Callable[[Sequence[Payload]], list[Payload]]

MAX_PAYLOADS = 10_000
_HEADERS = ("Authorization", "Authorization-Extras", "Content-Type", "X-Namespace")
_MAX_AGE_SECONDS = 600
_BASIC = {"WWW-Authenticate": 'Basic realm="Campaign Connector, key as the user name", charset="UTF-8"'}
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Codec server</title>
<p>This browser may decode payloads now. In Temporal's Web UI, open the settings of the codec server, enter this
page's address without the slash at its end, and switch on <b>Include cross-origin credentials</b>.</p></html>
"""


def create_codec_app(settings: Settings, keys: Keys, origins: Sequence[str]) -> FastAPI:
    """Create the application.

    Args:
        keys: who may call.
        origins: the origins of the Web UIs whose pages may call.
    """
    title = "Campaign Connector's codec server"
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None, telemetry=NO_TELEMETRY)
    app.state.keys = keys
    codec = EncryptionCodec(settings.codec.keys)
    app.add_api_route("/", _sign_in, methods=["GET"])
    app.add_api_route("/healthz", _answer_health, methods=["GET"])
    for path, convert, scope in (("/decode", codec.decrypt, Scope.READ), ("/encode", codec.encrypt, Scope.MANAGE)):
        # The route's dependencies come before those of its function: without the scope no body is read.
        app.add_api_route(path, _converting(convert), methods=["POST"], dependencies=[Depends(needs(scope))])
    install_error_handlers(app)
    app.add_middleware(Admission, limits=settings.api_limits)
    app.add_middleware(RequestMiddleware)
    app.add_middleware(  # the outermost, so that the UI can read refusals too
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["POST"],
        allow_headers=_HEADERS,
        allow_credentials=True,
        max_age=_MAX_AGE_SECONDS,
    )
    return app


async def _sign_in(request: Request) -> Response:
    """Ask the browser for a key with `read`, which it then sends with the requests of the UI."""
    try:
        await caller_of(request, Scope.READ)
    except ApiError as error:
        if error.status == 401:
            error.headers = _BASIC
        raise
    return HTMLResponse(_PAGE)


async def _answer_health() -> dict[str, str]:
    return {"status": "ok"}


def _converting(convert: _Convert) -> Callable[..., Any]:
    """Return the handler that converts the payloads of a request."""

    async def answer(body: JsonObject) -> dict[str, Any]:
        return await asyncio.to_thread(_converted, convert, body)

    return answer


def _converted(convert: _Convert, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the response.

    Raises:
        ApiError: 422 for other than at most 10,000 payloads in JSON, or one that cannot be decrypted.
    """
    given = body.get("payloads")
    if not isinstance(given, list) or len(given) > MAX_PAYLOADS:
        raise ApiError(422, "invalid", f'the body must be {{"payloads": [...]}}, at most {MAX_PAYLOADS} of them')
    try:
        payloads = convert([ParseDict(one, Payload()) for one in given])
    except PayloadUnreadable as error:
        raise ApiError(422, "unreadable", str(error)) from None
    except (ParseError, TypeError, ValueError, AttributeError):
        raise ApiError(422, "invalid", "a payload has metadata and data, each value in base64") from None
    return {"payloads": [MessageToDict(one) for one in payloads]}
