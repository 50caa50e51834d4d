"""The requests of `starter.explain.explain`."""

from starter.explain.explain import explain_decisions
from starter.remote.registration import Request, get, over_http, path


@over_http(explain_decisions)
def _explain(user: str, campaign: str | None = None) -> Request:
    return get(path("/v1/users/{id}/explain", id=user), campaign=campaign)
