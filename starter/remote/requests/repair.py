"""The requests of `starter.operations.repair`; repeated, they change nothing."""

from starter.operations.repair import send_again, settle
from starter.remote.registration import Request, act_over_http, path


@act_over_http(settle)
def _settle(follow_up_id: str, *, was_sent: bool, channel: str | None, note: str) -> Request:
    body = {"sent": was_sent, "channel": channel, "note": note}
    return Request("POST", path("/v1/follow-ups/{id}/resolve", id=follow_up_id), body=body, is_repeatable=True)


@act_over_http(send_again)
def _send_again(
    follow_up_id: str, *, channel: str | None = None, note: str | None = None, dry_run: bool = False
) -> Request:
    body = {"channel": channel, "note": note, "dry_run": dry_run}
    return Request("POST", path("/v1/follow-ups/{id}/resend", id=follow_up_id), body=body, is_repeatable=True)
