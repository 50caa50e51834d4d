"""The requests of `starter.operations.user_logs`."""

from starter.operations.user_logs import read_user_log
from starter.remote.registration import Request, get, over_http, path


@over_http(read_user_log)
def _read(user: str, since: str) -> Request:
    return get(path("/v1/users/{id}/timeline", id=user), since=since)
