"""The requests of `starter.operations.provider_events`."""

from connector.rules.provider_events.attribution import Unmatched
from starter.operations.provider_events import list_provider_events, match_provider_events
from starter.remote.registration import LONG_SECONDS, Request, act_over_http, get, over_http


@over_http(list_provider_events)
def _list(
    *, provider: str | None = None, reason: Unmatched | None = None, limit: int = 100, after: str | None = None
) -> Request:
    return get("/v1/provider-events", provider=provider, reason=reason, limit=limit, after=after, seconds=LONG_SECONDS)


@act_over_http(match_provider_events)
def _match(*, provider: str | None = None, note: str | None = None, after: str | None = None) -> Request:
    body = {"provider": provider, "note": note, "after": after}
    return Request("POST", "/v1/provider-events/match", body=body, seconds=LONG_SECONDS)
