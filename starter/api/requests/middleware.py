"""The outermost middleware: request id, log line, metrics, and a response whatever happens."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector import tracing
from starter.api.requests.errors import ApiError, unavailable
from starter.api.requests.metrics import requests_answered

REQUEST_ID = "X-Request-Id"

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response that does not set them itself: no cache keeps it, no page shows it in a frame."""

NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False}
"""For FastAPI, whose own spans and logs would export whole URLs and the texts of errors (guarantee 8)."""

_log = structlog.get_logger("api")
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ABORTED = 499
"""The status in logs and metrics of a request whose caller has gone away; nginx's."""
_QUIET = {"/healthz", "/readyz", "/metrics"}


class RequestMiddleware:
    """Gives every request an id, a log line and a metric. Logs have the route, not the path: it may hold a user id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = _id_of(scope)
        status = 0
        began = time.perf_counter()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id), _request_span(scope) as span:
            try:
                await self._app(scope, receive, note)
            except ClientDisconnect:
                status = status or _ABORTED
            except asyncio.CancelledError:  # this process ends, and does not wait for the request any longer
                if status:
                    raise
                await unavailable("shutting_down", "this server ends; try again").response()(scope, receive, note)
            except Exception as error:
                span.fail(type(error).__name__)
                _log.exception("request_failed", route=_route_of(scope), **_key_of(scope))
                if status:
                    raise
                await _internal(request_id)(scope, receive, note)
            span.rename(f"{_method_of(scope)} {_route_of(scope)}")
            span.add({"http.route": _route_of(scope), "http.response.status_code": status})
            _record(scope, status, time.perf_counter() - began)


def _request_span(scope: Scope) -> AbstractContextManager[tracing.Span]:
    """Return the span of a request, which continues its caller's trace; its name is the route, not the path."""
    if scope["path"] in _QUIET:
        return tracing.no_span()
    parent = tracing.read_traceparent(Headers(scope=scope).get("traceparent"))
    return tracing.span("request", "server", {"http.request.method": _method_of(scope)}, parent=parent)


def _internal(request_id: str) -> ASGIApp:
    return ApiError(500, "internal", f"internal error; the log has it under {request_id}").response()


def _record(scope: Scope, status: int, seconds: float) -> None:
    route = _route_of(scope)
    method = _method_of(scope)
    requests_answered.labels(method, route, status).observe(seconds)
    if route not in _QUIET:
        milliseconds = round(seconds * 1000)
        _log.info("request", method=method, route=route, status=status, milliseconds=milliseconds, **_key_of(scope))


def _method_of(scope: Scope) -> str:
    """Return the method, which a caller may invent: `other` unless the API knows it."""
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route_of(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "none")


def _key_of(scope: Scope) -> dict[str, str]:
    """Return the id of the caller's key for the log; never the key."""
    caller = scope.get("state", {}).get("caller")
    return {} if caller is None or caller.id is None else {"key": caller.id}


def _id_of(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID, "")
    return given if _GIVEN_ID.fullmatch(given) else uuid4().hex
