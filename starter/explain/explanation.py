"""The explanation of one user's decisions, as JSON for programs and as text for people.

It is the same on the command line and over HTTP. The JSON keys are stable; times are UTC with `Z`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from connector.rules.explaining.wording import WAYS_OUT, describe_state, format_value
from connector.rules.model.reasons import NOTED, OPEN_STATES

_OPEN = {state.value for state in OPEN_STATES}


class Evidence(BaseModel):
    """One fact that a decision depended on: its name, its value, and a sentence."""

    name: str
    value: Any
    words: str


class InteractionView(BaseModel):
    """What the user did. `type`, `properties` and `arrived_at` are null if it is not logged any more."""

    id: str
    type: str | None
    campaign: str | None
    card: str | None
    properties: dict[str, Any] | None
    happened_at: str
    arrived_at: str | None


class DeliveryView(BaseModel):
    """One message on one channel. `fault` is a code; `detail` says where a template failed, and why.

    `resend` is 0 for the channel's first message, and else the number of the resend that made this one. `revision` is
    the campaign's revision by which it was rendered; null if none was.
    """

    channel: str
    resend: int = 0
    revision: int | None = None
    state: str
    reason: str | None
    words: str
    fault: str | None
    detail: str | None
    claimed_at: str | None
    decided_at: str | None
    looked_at: list[Evidence]


class Decision(BaseModel):
    """The outcome of one interaction: a follow-up, a refusal, or a late exception (`noted`).

    `follow_up`, `due_at` and `next_at` are null for refusals and late exceptions; `reason` is null if a message was
    sent or the follow-up is open; `decided_at` is null while it is open. `workflow_id` is that of the workflow in
    Temporal, null if a launch sends the message.
    """

    interaction: InteractionView
    state: str
    reason: str | None
    words: str
    looked_at: list[Evidence]
    key: Any
    follow_up: str | None
    workflow_id: str | None
    revision: int | None
    due_at: str | None
    next_at: str | None
    decided_at: str | None
    messages: list[DeliveryView]


class CampaignExplanation(BaseModel):
    """The decisions of one campaign about the user, oldest event first."""

    campaign: str
    state: str
    first_published_at: str | None
    chapters: list[Decision]


class NoDecision(BaseModel):
    """A campaign without a decision: the interaction that came nearest to its trigger, and why it did not count.

    `nearest` and `shortfall` are null if none came near.
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
    """Every decision about one user.

    `user_key` is the user's name in Temporal and in the audit trail. `is_cut` is true if there are older decisions,
    which are left out. `unreachable` has the channels on which the
    user's current address is suppressed.
    """

    user: str
    user_key: str
    as_of: str
    is_cut: bool
    unreachable: list[str]
    campaigns: list[CampaignExplanation]
    nothing_happened: list[NoDecision]


def render_explanation(shown: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of an explanation as JSON values, for people."""
    return render_text(Explanation.model_validate(shown))


def render_text(explanation: Explanation) -> Iterator[str]:
    """Yield the lines of an explanation for people."""
    yield f"{explanation.user}, as of {explanation.as_of}, user key {explanation.user_key}"
    if explanation.is_cut:
        yield "older decisions are left out; name one campaign with --campaign to see more of its decisions"
    if explanation.unreachable:
        yield f"a provider reported that the user's address takes no messages: {', '.join(explanation.unreachable)}"
    for campaign in explanation.campaigns:
        yield from _campaign_lines(campaign)
    for no_decision in explanation.nothing_happened:
        yield from _no_decision_lines(no_decision)
    if not explanation.campaigns and not explanation.nothing_happened:
        yield ""
        yield "no decision was made: no reported interaction of this user comes near the trigger of a live follow-on"


def _campaign_lines(campaign: CampaignExplanation) -> Iterator[str]:
    published = f", first published at {campaign.first_published_at}" if campaign.first_published_at else ""
    yield ""
    yield f"{campaign.campaign} ({campaign.state}{published})"
    for decision in campaign.chapters:
        yield f"  {interaction_line(decision.interaction)}"
        yield from (f"    {line}" for line in decision_lines(decision))


def decision_lines(decision: Decision) -> Iterator[str]:
    """Yield the lines of one decision for people."""
    if decision.follow_up is not None:
        key = f" for {format_value(decision.key)}" if decision.key is not None else ""
        yield f"began the follow-up {decision.follow_up}{key}, due at {decision.due_at}"
    if decision.workflow_id is not None:
        yield f"  workflow {decision.workflow_id}"
    yield _outcome_line(decision)
    yield from (f"  {evidence.words}" for evidence in decision.looked_at)
    for message in decision.messages:
        yield message_line(message)
        way_out, is_newest = WAYS_OUT.get(message.reason or ""), message is _newest(decision, message)
        if way_out is not None and decision.state not in _OPEN and is_newest:
            yield f"  {way_out.format(id=decision.follow_up)}"
        if message.reason != decision.reason or not is_newest:
            yield from (f"  {evidence.words}" for evidence in message.looked_at)


def _newest(decision: Decision, message: DeliveryView) -> DeliveryView:
    """Return the newest message of a message's channel: the earlier ones were sent again."""
    return [one for one in decision.messages if one.channel == message.channel][-1]


def _outcome_line(decision: Decision) -> str:
    state = describe_state(decision.state)
    if decision.state in _OPEN:
        return decision.words
    at = f" at {decision.decided_at}" if decision.follow_up is not None and decision.decided_at else ""
    if decision.reason is None:
        return f"{state}{at}"
    return f"{state if decision.state != NOTED else 'noted'}{at}: {decision.words} ({decision.reason})"


def message_line(message: DeliveryView) -> str:
    """Return the line of one message for people."""
    at = message.claimed_at or message.decided_at
    fault = message.fault or (message.detail if message.reason is None else None)  # of a reason, the evidence says it
    fault = f" [{fault}]" if fault else ""
    code = f" ({message.reason})" if message.reason else ""
    again = ", sent again" if message.resend else ""
    return f"{message.channel}{again}: {message.words}{code}{f' at {at}' if at else ''}{fault}"


def interaction_line(item: InteractionView) -> str:
    """Return the line of what a user did, with its time, for people."""
    arrived = f", arrived at {item.arrived_at}" if item.arrived_at not in (None, item.happened_at) else ""
    return f"{item.happened_at}  {_describe(item)} ({item.id}){arrived}"


def _describe(item: InteractionView) -> str:
    if item.type is None:
        return "an interaction that is not logged any more"
    target = item.campaign or item.card
    properties = ", ".join(f"{name}: {format_value(value)}" for name, value in (item.properties or {}).items())
    return f"{item.type}{f' of {target}' if target else ''}{f' [{properties}]' if properties else ''}"


def _no_decision_lines(no_decision: NoDecision) -> Iterator[str]:
    yield ""
    yield f"{no_decision.campaign} ({no_decision.state}): no decision"
    if no_decision.nearest is None:
        yield f"  {no_decision.words}"
        return
    yield "  nearest to its trigger:"
    yield f"  {interaction_line(no_decision.nearest)}"
    shortfall = f" ({no_decision.shortfall})" if no_decision.shortfall else ""
    yield f"    it did not count: {no_decision.words}{shortfall}"
