"""The request of `starter.operations.resending`; repeated, it changes nothing."""

from starter.operations.resending import send_again
from starter.remote.registration import Request, act_over_http, path


@act_over_http(send_again)
def _send_again(
    follow_up_id: str, *, channel: str | None = None, note: str | None = None, dry_run: bool = False
) -> Request:
    body = {"channel": channel, "note": note, "dry_run": dry_run}
    return Request("POST", path("/v1/follow-ups/{id}/resend", id=follow_up_id), body=body, is_repeatable=True)
