"""Origins of requests: CORS for the routes of web pages, and access without a key on loopback."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import Request
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from starter.api.access.key_schemes import USER_TOKEN_HEADER
from starter.api.requests.errors import ApiError

_INBOX = re.compile(r"/v1/(inbox|pushes)/.+|/v1/users/[^/]+/inbox")
_REPORTS = re.compile(r"/v1/(interactions|track|identify|page|screen|group|batch)")
_HEADERS = ("Authorization", "Content-Type", "Content-Encoding", USER_TOKEN_HEADER, "AnonymousId")
"""The headers that web pages may send; RudderStack's SDK sends the last one."""
_READABLE_HEADERS = ("Retry-After", "X-Request-Id")
_MAX_AGE_SECONDS = 600


class AllowedOrigins:
    """Middleware that answers CORS requests of the routes that web pages may call, and leaves all others closed.

    Preflight requests need no key. Cookies are never allowed, and no origin but the listed ones.

    Args:
        inbox: exact origins, such as https://shop.example, of pages that may use the inbox.
        client: exact origins of pages that may use the inbox and report, by a key with the scope `client`.
    """

    def __init__(self, app: ASGIApp, inbox: Sequence[str], client: Sequence[str]) -> None:
        self._app = app
        self._routes = ((_INBOX, _allowing(app, [*inbox, *client])), (_REPORTS, _allowing(app, client)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"] if scope["type"] == "http" else ""
        app = next((allowing for pattern, allowing in self._routes if pattern.fullmatch(path)), self._app)
        await app(scope, receive, send)


def _allowing(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=_HEADERS,
        expose_headers=_READABLE_HEADERS,
        max_age=_MAX_AGE_SECONDS,
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_web_pages(request: Request) -> None:
    """Refuse requests that may come from a web page: by DNS rebinding or across origins.

    Raises:
        ApiError: 403.
    """
    if not _is_from_this_machine(request):
        raise ApiError(403, "forbidden", "without a key, only programs on this machine may call, by a loopback address")


def _is_from_this_machine(request: Request) -> bool:
    origin = request.headers.get("origin")
    try:
        hosts = [request.url.hostname, *([urlsplit(origin).hostname] if origin else [])]
    except ValueError:  # not a URL
        return False
    return all(host is not None and is_loopback(host) for host in hosts)
