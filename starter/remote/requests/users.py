"""The requests of `starter.operations.users`."""

from starter.operations.users import find_users, read_user
from starter.remote.registration import Request, get, over_http, path


@over_http(find_users)
def _find(*, text: str) -> Request:
    return get("/v1/users", text=text)


@over_http(read_user)
def _read(id: str) -> Request:
    return get(path("/v1/users/{id}", id=id))
