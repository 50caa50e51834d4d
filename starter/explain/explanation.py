"""The answer of `explain`, the same on the command line and over HTTP. Its keys are stable; times are UTC with `Z`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class Evidence(BaseModel):
    """One thing that was looked at: its name, its value, and the same in words."""

    name: str
    value: Any
    words: str


class InteractionView(BaseModel):
    """What the user did. `arrived_at` is null where it is not logged any more; so are `properties` of a refusal."""

    id: str
    type: str | None
    campaign: str | None
    card: str | None
    properties: dict[str, Any] | None
    happened_at: str
    arrived_at: str | None


class DeliveryView(BaseModel):
    """One message on one channel."""

    channel: str
    state: str
    reason: str | None
    words: str
    fault: str | None
    claimed_at: str | None
    decided_at: str | None
    looked_at: list[Evidence]


class Decision(BaseModel):
    """What came of one interaction: a follow-up, a refusal, or a late exception (`noted`).

    `follow_up`, `due_at` and `next_at` are null on the latter two; `reason` is null where something was sent or still
    waits; `decided_at` is null while it waits.
    """

    interaction: InteractionView
    state: str
    reason: str | None
    words: str
    looked_at: list[Evidence]
    key: Any
    follow_up: str | None
    revision: int | None
    due_at: str | None
    next_at: str | None
    decided_at: str | None
    messages: list[DeliveryView]


class CampaignExplanation(BaseModel):
    """What was decided about the user for one campaign, oldest event first."""

    campaign: str
    state: str
    first_published_at: str | None
    chapters: list[Decision]


class NoDecision(BaseModel):
    """A campaign for which nothing was decided: the interaction that came nearest, and why it did not count.

    `nearest` and `shortfall` are null where none came near.
    """

    campaign: str
    state: str
    nearest: InteractionView | None
    shortfall: str | None
    name: str | None
    wanted: Any
    had: Any
    words: str


class Explanation(BaseModel):
    """Every decision about one user. `is_cut` says that there are older ones, which are not told.

    `unreachable` has the channels whose present address takes no messages, as a provider told.
    """

    user: str
    as_of: str
    is_cut: bool
    unreachable: list[str]
    campaigns: list[CampaignExplanation]
    nothing_happened: list[NoDecision]
