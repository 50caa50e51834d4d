"""Origins of requests: CORS for the inbox routes, and access without a key on loopback."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import Request
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from starter.api.requests.errors import ApiError

_FOR_PAGES = re.compile(r"/v1/(inbox|pushes)/.+|/v1/users/[^/]+/inbox")
_MAX_AGE_SECONDS = 600


class InboxOrigins:
    """Middleware that answers CORS requests of the inbox routes and leaves all other routes closed to web pages.

    Args:
        origins: exact origins, such as https://shop.example.
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
