"""This machine alone: addresses that nobody else reaches, and web pages that reach them through a browser here."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from fastapi import Request

from starter.api.requests.errors import ApiError


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_web_pages(request: Request) -> None:
    """A page in the developer's browser can reach loopback too, by its own name for it or across origins.

    Raises:
        ApiError: 403.
    """
    if not _is_from_here(request):
        raise ApiError(403, "forbidden", "without a key, only programs on this machine may call, by a loopback address")


def _is_from_here(request: Request) -> bool:
    origin = request.headers.get("origin")
    try:
        hosts = [request.url.hostname, *([urlsplit(origin).hostname] if origin else [])]
    except ValueError:  # not an address at all
        return False
    return all(host is not None and is_loopback(host) for host in hosts)
