"""Ids in paths are opaque: `/v1/users/a%2Fb` names the user `a/b`, whatever the id consists of.

A path is split at its slashes before its segments are decoded, and is matched in one encoded form. Without this, a
`%2F` in an id would begin another segment, and a request about `a/` would reach the user `a`.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, unquote_to_bytes

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from starter.api.requests.errors import ApiError

SDK_PATHS = {
    "/v1/t": "/v1/track",
    "/v1/i": "/v1/identify",
    "/v1/p": "/v1/page",
    "/v1/s": "/v1/screen",
    "/v1/g": "/v1/group",
    "/v1/a": "/v1/alias",
    "/v1/b": "/v1/batch",
}
"""The paths of Segment's SDKs for browsers and phones: other names of the same routes, for the same callers."""

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class EncodedPaths:
    """Middleware that routes by the path as it was sent, each segment percent-encoded in its one canonical form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; 422 if its path cannot be decoded without loss."""
        if scope["type"] == "http":
            try:
                path = _canonical_path(scope["raw_path"])
                scope["path"] = SDK_PATHS.get(path, path)
            except ValueError:
                return await _undecodable().response()(scope, receive, send)
        await self._app(scope, receive, send)


async def decode_path_parameters(request: Request) -> None:
    """Decode the parameters of the path. It is the application's first dependency, so that routes see plain ids."""
    request.scope["path_params"] = {name: unquote(value) for name, value in request.path_params.items()}


def _canonical_path(raw_path: bytes) -> str:
    """Raise ValueError if an escape is broken, or if a segment is not UTF-8: two paths must never be one id."""
    if b"%" not in raw_path:
        return raw_path.decode("ascii")
    if _BROKEN_ESCAPE.search(raw_path):
        raise ValueError
    segments = (unquote_to_bytes(segment).decode() for segment in raw_path.split(b"/"))
    return "/".join(quote(segment, safe="") for segment in segments)


def _undecodable() -> ApiError:
    message = "the path cannot be decoded; percent-encode each id in it as UTF-8, also `%` itself (as %25)"
    return ApiError(422, "invalid", message)
