"""The requests of `starter.operations.preview_messages`."""

from starter.operations.preview_choice import Choice
from starter.operations.preview_messages import preview_messages
from starter.remote.registration import Request, over_http, path


@over_http(preview_messages)
def _preview(choice: Choice) -> Request:
    campaign = path("/v1/campaigns/{id}/preview", id=choice.campaign)
    return Request("POST", campaign, body=choice.as_body(), is_repeatable=True)
