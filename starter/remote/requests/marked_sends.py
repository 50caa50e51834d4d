"""The requests of `starter.operations.marked_sends`."""

from starter.operations.marked_sends import send_test
from starter.operations.preview_choice import Choice
from starter.remote.registration import Request, act_over_http, path


@act_over_http(send_test)
def _send(choice: Choice, address: str, *, reason: str | None = None) -> Request:
    given = {"address": address, **({} if reason is None else {"reason": reason})}
    return Request("POST", path("/v1/campaigns/{id}/send-test", id=choice.campaign), body=choice.as_body() | given)
