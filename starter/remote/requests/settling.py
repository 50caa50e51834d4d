"""The request of `starter.operations.settling`; repeated, it changes nothing."""

from starter.operations.settling import settle
from starter.remote.registration import Request, act_over_http, path


@act_over_http(settle)
def _settle(follow_up_id: str, *, was_sent: bool, channel: str | None, note: str) -> Request:
    body = {"sent": was_sent, "channel": channel, "note": note}
    return Request("POST", path("/v1/follow-ups/{id}/resolve", id=follow_up_id), body=body, is_repeatable=True)
