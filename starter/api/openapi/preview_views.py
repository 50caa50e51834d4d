"""Models of the responses about previews and timelines of users; `views` has the others."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from connector.rules.catalogue.catalogue import Lifecycle
from starter.api.openapi.views import ResponseModel
from starter.explain.explanation import Evidence

_Outcome = Literal["passes", "refused", "dropped", "held", "control", "paused"]


class PreviewedUserView(ResponseModel):
    """The user; `id` is null if the user was invented."""

    id: str | None
    is_invented: bool


class PreviewedTriggerView(ResponseModel):
    """The item that triggers; `is_sample`: it was invented from the campaign's first condition."""

    id: str
    type: str
    campaign: str | None
    card: str | None
    properties: dict[str, Any]
    is_sample: bool


class RuleCheckView(ResponseModel):
    """One rule's result, with its evidence; `until` is the end of a hold."""

    rule: str
    outcome: _Outcome
    reason: str | None
    until: datetime | None
    words: str
    looked_at: list[Evidence]


class PreviewFaultView(ResponseModel):
    """Why the message cannot be sent: its template failed or aborted it (W7), or the channel would refuse it."""

    reason: str
    code: str
    words: str
    detail: str | None


class MissingView(ResponseModel):
    """A variable without a value for this user, which renders as nothing or as its default, and the text's key."""

    key: str
    variable: str


class TrackedLinkView(ResponseModel):
    """A link that is sent tracked."""

    number: int
    url: str
    alias: str | None


class TrackingView(ResponseModel):
    """What tracking replaces, if it is configured: links, and whether opens are seen."""

    links: list[TrackedLinkView]
    opens: bool


class PreviewedMessageView(ResponseModel):
    """One message. `outcome` is what would become of it, by the first rule that objects, then by its template.

    `form` is what the provider gets: of an email `subject`, `html`, `text`, `sent_html`, `headers` and `bytes`; of a
    text message `text`, `sent_text`, `encoding`, `units`, `segments` and `links`; of a push and a webhook `request`; of
    the others `content`.
    """

    channel: str
    outcome: Literal["sent", "failed", "refused", "dropped", "held", "control", "paused"]
    reason: str | None
    until: datetime | None
    words: str
    content: dict[str, Any] | None
    form: dict[str, Any] | None
    tracking: TrackingView | None
    fault: PreviewFaultView | None
    missing: list[MissingView]
    checks: list[RuleCheckView]
    checks_now: list[RuleCheckView]


class PreviewView(ResponseModel):
    """The messages that a user would get now. `revision` is null for an edited definition, `trigger` for a launch."""

    campaign: str
    revision: int | None
    state: Lifecycle | None = Field(description="The campaign's real state.")
    as_of: datetime
    user: PreviewedUserView
    trigger: PreviewedTriggerView | None
    due_at: datetime
    variant: str | None
    control: bool
    checks: list[RuleCheckView]
    messages: list[PreviewedMessageView]


class SentTestView(ResponseModel):
    """A test message that its provider accepted. `id` is ours, `provider_id` the provider's, if it gave one.

    `is_printed`: the channel has no provider, and `connector dev` prints its messages instead of sending them.
    """

    campaign: str
    channel: str
    id: str
    provider_id: str | None
    is_printed: bool


class TimelineLineView(ResponseModel):
    """A line of a timeline: an item in wire form, and when it arrived."""

    at: datetime
    interaction: dict[str, Any]


class TimelineSendView(ResponseModel):
    """A message that was sent or may have been sent."""

    campaign: str
    channel: str
    follow_up: str
    at: datetime


class TimelineReceiptView(ResponseModel):
    """When the user last received a campaign under a key ("" without one)."""

    campaign: str
    key: str
    at: datetime


class TimelineView(ResponseModel):
    """What a user did and was sent; `is_cut` is true if there are older interactions, which are left out."""

    user: dict[str, Any] = Field(description="The profile, as of `GET /v1/users/{id}`.")
    since: datetime
    as_of: datetime
    before: list[TimelineLineView]
    interactions: list[TimelineLineView]
    sends: list[TimelineSendView]
    receipts: list[TimelineReceiptView]
    is_cut: bool
