"""The request of `starter.explain.timeline`."""

from starter.explain.timeline import read_timeline
from starter.remote.registration import Request, get, over_http, path


@over_http(read_timeline)
def _read(user: str, *, limit: int = 50, after: str | None = None) -> Request:
    return get(path("/v1/users/{id}/history", id=user), limit=limit, after=after)
