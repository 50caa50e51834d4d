"""What the rules decide about a user who triggers a campaign now, rule by rule: for previews, which change nothing.

Every rule of both ordered lists is evaluated, also after one that objects, so that all obstacles are seen at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from connector.rules.explaining.context import DecisionContext, EvidenceItem
from connector.rules.explaining.evidence import collect_evidence
from connector.rules.explaining.wording import REASON_TEXTS
from connector.rules.model.campaigns import Campaign
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason, State
from connector.rules.model.values import format_instant
from connector.rules.sending.decisions import Recipient
from connector.rules.sending.due_list import (
    AT_THE_DUE_TIME,
    Control,
    Drop,
    DueFacts,
    Hold,
    Pause,
    Verdict,
    quiet_hours_of,
)
from connector.rules.sending.launching import is_in_launch
from connector.rules.timing.caps import CAPPED_CHANNELS
from connector.rules.triggering.trigger_list import AT_THE_TRIGGER, TriggerFacts

_OUTSIDE = Reason.NOT_IN_AUDIENCE
Outcome = Literal["passes", "refused", "dropped", "held", "control", "paused"]


@dataclass(frozen=True)
class RuleCheck:
    """One rule's result. `until` is the end of a hold, UTC; `reason` is the one that a follow-up would get."""

    rule: str
    outcome: Outcome
    words: str
    reason: Reason | None = None
    until: datetime | None = None
    evidence: Sequence[EvidenceItem] = ()


def forecast_trigger(facts: TriggerFacts, context: DecisionContext) -> list[RuleCheck]:
    """Return the results of the rules at the trigger; those that the campaign does not use are left out.

    Args:
        context: of the trigger, without a reason.
    """
    checks: list[RuleCheck] = []
    for step in AT_THE_TRIGGER:
        rule, reason = _rule_of(step), step(facts)
        if reason is not None:
            evidence = collect_evidence(replace(context, reason=reason))
            checks.append(RuleCheck(rule, "refused", REASON_TEXTS[reason], reason, evidence=evidence))
        elif rule in _AT_THE_TRIGGER and _AT_THE_TRIGGER[rule][1](facts):
            checks.append(RuleCheck(rule, "passes", _AT_THE_TRIGGER[rule][0]))
    return checks


def forecast_launch(
    follow_up: FollowUp, campaign: Campaign, recipient: Recipient, context: DecisionContext
) -> list[RuleCheck]:
    """Return whether a launch now would add a user: by the audience, an earlier receipt, and the user's own time.

    Args:
        follow_up: as the launch would begin it.
        context: of the launch, without a reason.
    """
    reasons = {
        "audience": None if is_in_launch(campaign, replace(recipient, receipts={}), context.decided_at) else _OUTSIDE,
        "eligibility": Reason.NOT_ELIGIBLE_AGAIN if recipient.receipts else None,
        "staleness": Reason.STALE if follow_up.reason is Reason.STALE else None,
    }
    return [
        RuleCheck(rule, "passes", _AT_THE_TRIGGER[rule][0])
        if reason is None
        else RuleCheck(rule, "refused", REASON_TEXTS[reason], reason, evidence=collect_evidence(explained))
        for rule, reason in reasons.items()
        for explained in [replace(context, reason=reason, follow_up=follow_up if rule == "staleness" else None)]
        if reason is not None or rule != "staleness"
    ]


def forecast_message(facts: DueFacts, context: DecisionContext) -> list[RuleCheck]:
    """Return the results of the rules at the due time, as of `facts.now`; unused rules are left out.

    Args:
        context: of the message: its follow-up and channel, without a reason.
    """
    checks: list[RuleCheck] = []
    for step in AT_THE_DUE_TIME:
        rule, verdict = _rule_of(step), step(facts)
        if verdict is not None:
            checks += _objection(rule, verdict, replace(context, decided_at=facts.now))
        elif rule in _AT_THE_DUE_TIME and _AT_THE_DUE_TIME[rule][1](facts):
            checks.append(RuleCheck(rule, "passes", _AT_THE_DUE_TIME[rule][0]))
    return checks


def first_objection(checks: Sequence[RuleCheck]) -> RuleCheck | None:
    """Return the check that decides: the first that objects, as in the ordered lists; None if all pass."""
    return next((check for check in checks if check.outcome != "passes"), None)


def _objection(rule: str, verdict: Verdict, context: DecisionContext) -> Iterator[RuleCheck]:
    match verdict:
        case Drop(reason):
            evidence = collect_evidence(replace(context, reason=reason))
            yield RuleCheck(rule, "dropped", REASON_TEXTS[reason], reason, evidence=evidence)
        case Hold(until):
            assert context.follow_up is not None  # noqa: S101 - a message has one
            held = replace(context.follow_up, state=State.HELD, next_at=until)
            evidence = collect_evidence(replace(context, reason=None, follow_up=held))
            yield RuleCheck(rule, "held", f"is held until {format_instant(until)}", until=until, evidence=evidence)
        case Control():
            reason = Reason.CONTROL_GROUP
            evidence = collect_evidence(replace(context, reason=reason))
            yield RuleCheck(rule, "control", REASON_TEXTS[reason], reason, evidence=evidence)
        case Pause():
            yield RuleCheck(rule, "paused", "is paused: the campaign is stopped")


def _rule_of(step: Callable[..., object]) -> str:
    return step.__name__.removeprefix("check_")


_AT_THE_TRIGGER: Mapping[str, tuple[str, Callable[[TriggerFacts], bool]]] = {
    "target": ("the campaign or card that it is about is live", lambda facts: facts.logged.item.target is not None),
    "start": ("the campaign has started", lambda facts: facts.follow_on.start is not None),
    "audience": ("the user is in the audience", lambda facts: True),
    "eligibility": ("the user may receive the campaign", lambda facts: True),
    "single_wait": ("no other follow-up of the campaign is in the way", lambda facts: True),
}
"""The words of rules that pass, and whether the rule is worth a line."""

_AT_THE_DUE_TIME: Mapping[str, tuple[str, Callable[[DueFacts], bool]]] = {
    "duration": (
        "it is within the campaign's `start` and `end`",
        lambda facts: facts.follow_on is not None and (facts.follow_on.start or facts.follow_on.end) is not None,
    ),
    "time_of_day": (
        "it is within the hours in which the campaign sends",
        lambda facts: facts.follow_on is not None and facts.follow_on.time_of_day is not None,
    ),
    "quiet_hours": (
        "it is outside quiet hours",
        lambda facts: facts.channel in CAPPED_CHANNELS and quiet_hours_of(facts.follow_on, facts.workspace) is not None,
    ),
    "audience": (
        "the user is in the audience, which is checked again",
        lambda facts: facts.follow_on is not None and facts.follow_on.recheck_audience,
    ),
    "consent_and_address": ("the user has not unsubscribed and can be reached", lambda facts: True),
    "frequency_caps": (
        "no frequency cap is full",
        lambda facts: facts.channel in CAPPED_CHANNELS and bool(facts.workspace.frequency_caps),
    ),
    "control_group": (
        "the user is not in the control group",
        lambda facts: facts.campaign.control_group > 0,
    ),
}
