"""The requests of `starter.explain.follow_up`."""

from starter.explain.follow_up import explain_follow_up
from starter.remote.registration import Request, get, over_http, path


@over_http(explain_follow_up)
def _explain(id_or_workflow: str) -> Request:
    return get(path("/v1/follow-ups/{id}", id=id_or_workflow))
