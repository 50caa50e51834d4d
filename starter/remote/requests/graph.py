"""The requests of `starter.operations.graph`."""

from starter.operations.graph import read_graph
from starter.remote.registration import Request, get, over_http


@over_http(read_graph)
def _read(*, around: str | None = None, search: str | None = None, depth: int = 1, limit: int = 100) -> Request:
    return get("/v1/graph", around=around, search=search, depth=depth, limit=limit)
