"""The requests of `starter.operations.status`."""

from starter.operations.status import read_campaign_status, read_status
from starter.remote.registration import LONG_SECONDS, Request, get, over_http, path


@over_http(read_status)
def _all() -> Request:
    return get("/v1/status", seconds=LONG_SECONDS)


@over_http(read_campaign_status)
def _one(campaign: str) -> Request:
    return get(path("/v1/campaigns/{id}/status", id=campaign), seconds=LONG_SECONDS)
