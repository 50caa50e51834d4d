"""The requests of `starter.operations.results`."""

from datetime import datetime
from typing import Literal

from connector.rules.model.values import format_instant
from starter.operations.results import read_results
from starter.remote.registration import LONG_SECONDS, Request, get, over_http, path


@over_http(read_results)
def _read(
    id: str, *, since: datetime | None = None, until: datetime | None = None, by: Literal["day"] | None = None
) -> Request:
    times = {"since": format_instant(since), "until": format_instant(until)}
    return get(path("/v1/campaigns/{id}/results", id=id), by=by, seconds=LONG_SECONDS, **times)
