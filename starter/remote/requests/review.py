"""The request of `starter.operations.review`."""

from starter.operations.review import review_campaign
from starter.remote.registration import LONG_SECONDS, Request, get, over_http, path


@over_http(review_campaign)
def _review(id: str) -> Request:
    return get(path("/v1/campaigns/{id}/review", id=id), seconds=LONG_SECONDS)
