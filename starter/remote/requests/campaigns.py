"""The requests of `starter.operations.campaigns`."""

from __future__ import annotations

from connector.rules.catalogue.catalogue import Lifecycle
from starter.operations.campaigns import list_campaigns, read_campaign
from starter.remote.registration import Request, get, over_http, path


@over_http(list_campaigns)
def _list(
    *, state: Lifecycle | None = None, search: str | None = None, after: str | None = None, limit: int = 100
) -> Request:
    return get("/v1/campaigns", state=state, search=search, after=after, limit=limit)


@over_http(read_campaign)
def _read(campaign: str) -> Request:
    return get(path("/v1/campaigns/{id}", id=campaign))
