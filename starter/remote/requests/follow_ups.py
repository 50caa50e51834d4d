"""The requests of `starter.operations.follow_ups`."""

from connector.rules.model.values import format_instant
from starter.operations.follow_ups import Criteria, read_follow_ups
from starter.remote.registration import Request, get, over_http


@over_http(read_follow_ups)
def _read(criteria: Criteria, limit: int, after: str | None = None) -> Request:
    times = {"since": format_instant(criteria.since), "until": format_instant(criteria.until)}
    return get("/v1/follow-ups", limit=limit, after=after, **(vars(criteria) | times))
