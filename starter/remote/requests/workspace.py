"""The request of `starter.operations.workspace`."""

from __future__ import annotations

from starter.operations.workspace import read_workspace
from starter.remote.registration import Request, get, over_http


@over_http(read_workspace)
def _read() -> Request:
    return get("/v1/workspace")
