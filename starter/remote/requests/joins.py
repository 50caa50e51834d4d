"""The requests of `starter.operations.joins`."""

from starter.operations.joins import split_user
from starter.remote.registration import Request, act_over_http, path


@act_over_http(split_user)
def _split(id: str, *, reason: str | None = None) -> Request:
    return Request("POST", path("/v1/users/{id}/split", id=id), {"reason": reason})
