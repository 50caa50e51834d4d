"""The requests of `starter.operations.acts`."""

from datetime import datetime, timedelta

from connector.rules.model.values import format_duration, format_instant
from starter.operations.acts import cancel, postpone, send_now
from starter.remote.registration import Request, act_over_http, path


@act_over_http(send_now)
def _send_now(id: str, *, note: str | None = None) -> Request:
    return Request("POST", path("/v1/follow-ups/{id}/send-now", id=id), body={"note": note})


@act_over_http(postpone)
def _postpone(
    id: str, *, until: datetime | None = None, by: timedelta | None = None, note: str | None = None
) -> Request:
    body = {"until": format_instant(until), "by": None if by is None else format_duration(by), "note": note}
    return Request("POST", path("/v1/follow-ups/{id}/postpone", id=id), body=body)


@act_over_http(cancel)
def _cancel(id: str, *, note: str | None = None) -> Request:
    return Request("POST", path("/v1/follow-ups/{id}/cancel", id=id), body={"note": note})
