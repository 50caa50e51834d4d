"""The requests of `starter.operations.overview`."""

from starter.operations.overview import read_overview
from starter.remote.registration import Request, get, over_http


@over_http(read_overview)
def _read(*, search: str | None = None, after: str | None = None, limit: int = 100) -> Request:
    return get("/v1/overview", search=search, after=after, limit=limit)
