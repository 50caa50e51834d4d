"""Send messages again that failed: the due-time list decides as of now which may go (guarantee 4, W1 to W4).

A follow-up that is sent again waits once more, with a delivery of its own for each message, until it is claimed. So
exceptions, stops and triggers find it as any other, and its provider does not take the message for a repetition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Event, LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.values import format_instant
from connector.rules.sending.decisions import Recipient, due_facts, evaluate_message
from connector.rules.sending.deliveries import (
    Delivery,
    DeliveryState,
    DueMessage,
    delivery_id,
    main_reason,
    resend_number,
    settle_or_go_on,
)
from connector.rules.sending.due_list import Control, Drop, Hold, Pause, SwitchChannels, newest_live
from connector.rules.sending.launching import RESEND_NAME, is_launched
from connector.rules.sending.operating import in_words
from connector.rules.triggering.exceptions import is_cancelled_by


@dataclass(frozen=True)
class ResendFacts:
    """The facts about a follow-up that is to be sent again.

    Args:
        deliveries: the newest of each channel.
        recipient: its user.
        blocking: the id of another open follow-up of the same campaign, user and key; None: there is none.
        since: the exceptions in the user's log since the trigger, at least, in event order.
    """

    follow_up: FollowUp
    deliveries: Mapping[str, Delivery]
    recipient: Recipient
    blocking: str | None
    since: Sequence[LogEntry]


@dataclass(frozen=True)
class Resend:
    """A follow-up that is sent again, and its new deliveries; none: it is being sent again already.

    `held_until` is the latest instant (UTC) to which a rule holds one of the messages; None: they go at once.
    `left_out` has the failed channels that a rule forbids, with the reason.
    """

    follow_up: FollowUp
    deliveries: tuple[Delivery, ...]
    held_until: datetime | None = None
    left_out: Mapping[str, Reason] = field(default_factory=dict)


@dataclass(frozen=True)
class ResendRefused:
    """Why a follow-up is not sent again. `reason` is the rule's; None: it has no message that failed."""

    why: str
    reason: Reason | None = None


def decide_resends(
    all_facts: Iterable[ResendFacts], channel: str | None, catalogue: Catalogue, now: datetime
) -> list[tuple[FollowUp, Resend | ResendRefused]]:
    """Decide about follow-ups one after the other, each as `decide_resend`: of one key, only the first can wait again.

    Returns:
        Each follow-up as it was, with the decision about it, in their order.
    """
    decided: list[tuple[FollowUp, Resend | ResendRefused]] = []
    taken: set[tuple[str, str, str]] = set()
    for facts in all_facts:
        follow_up = facts.follow_up
        key = (follow_up.campaign, follow_up.user_key, follow_up.key)
        one = decide_resend(facts, channel, catalogue, now)
        if isinstance(one, Resend) and one.deliveries:
            if key in taken:
                why = "another follow-up of this campaign, user and key is sent again before it"
                one = ResendRefused(why, Reason.ALREADY_WAITING)
            taken.add(key)
        decided.append((follow_up, one))
    return decided


def decide_resend(
    facts: ResendFacts, channel: str | None, catalogue: Catalogue, now: datetime
) -> Resend | ResendRefused:
    """Decide whether a follow-up is sent again, as of `now` (UTC); a follow-up that is refused stays as it is.

    Args:
        channel: None: all channels whose message failed.
    """
    if facts.follow_up.is_erased or facts.recipient.is_erased:
        return ResendRefused("its user was erased", Reason.ERASED)
    found = _find_failed(facts, channel)
    if isinstance(found, ResendRefused):
        return found
    if not found:
        return Resend(facts.follow_up, ())
    forbidden = _forbid(facts, catalogue)
    if forbidden is not None:
        return forbidden
    return _evaluate(facts, found, catalogue, now)


def _find_failed(facts: ResendFacts, channel: str | None) -> Sequence[str] | ResendRefused:
    """Return the channels to send on again; none: they are being sent again already."""
    follow_up = facts.follow_up
    meant = [one for one in facts.deliveries.values() if channel in (None, one.channel)]
    if failed := [one.channel for one in meant if one.state is DeliveryState.FAILED]:
        if follow_up.is_open:
            return ResendRefused("it has not ended: another of its channels is still to come; cancel that, or wait")
        return failed
    is_again = (one.state is DeliveryState.OPEN and 0 < follow_up.resends == resend_number(one.id) for one in meant)
    if follow_up.is_open and any(is_again):
        return ()
    if any(one.state is DeliveryState.UNKNOWN for one in meant):
        why = "it is unknown whether its message was sent; if the provider says that it was not, settle that first: "
        return ResendRefused(f"{why}`connector resolve {follow_up.id} --not-sent --note …`")
    state = in_words(follow_up.state, follow_up.reason)
    return ResendRefused(f"only a message that failed can be sent again; {_subject(channel)} is {state}")


def _subject(channel: str | None) -> str:
    return "it" if channel is None else f"its {channel} message did not fail, and it"


def _forbid(facts: ResendFacts, catalogue: Catalogue) -> ResendRefused | None:
    """Refuse a follow-up that an exception cancelled meanwhile, or that another one of its key keeps from waiting."""
    if facts.blocking is not None:
        why = f"another follow-up of this campaign, user and key is open: {facts.blocking}"
        return ResendRefused(why, Reason.ALREADY_WAITING)
    waits = replace(facts.follow_up, state=State.WAITING, dispatched_at=None, rest=None)
    by = next((logged for logged in facts.since if is_cancelled_by(waits, logged, catalogue)), None)
    if by is None:
        return None
    why = f"an exception came after its trigger: {by.item.name_or_type} at {format_instant(by.t)}"
    return ResendRefused(why, Reason.EXCEPTION)


def _evaluate(
    facts: ResendFacts, channels: Sequence[str], catalogue: Catalogue, now: datetime
) -> Resend | ResendRefused:
    """Evaluate the due-time list for each message that failed."""
    follow_up = facts.follow_up
    number = follow_up.resends + 1
    opened = {c: Delivery(delivery_id(follow_up.id, c, number), c, DeliveryState.OPEN) for c in channels}
    entry = catalogue.entries[follow_up.campaign]
    deliveries = {**facts.deliveries, **opened}
    moved = tuple(c for c in channels if c not in follow_up.channels)  # newer content had no message for them
    again = replace(_reopen(follow_up, entry, now), resends=number, channels=(*follow_up.channels, *moved))
    verdicts = {
        c: evaluate_message(due_facts(DueMessage(again, c, deliveries), facts.recipient, catalogue, now))
        for c in channels
    }
    refused: dict[str, Reason] = {}
    for name, verdict in verdicts.items():
        match verdict:
            case Drop(reason):
                refused[name] = reason
            case Pause():
                refused[name] = Reason.STOPPED
            case Control():
                refused[name] = Reason.CONTROL_GROUP
            case SwitchChannels():
                refused[name] = Reason.UNREACHABLE
    if len(refused) == len(channels):
        reason = main_reason(refused.values()) or Reason.UNREACHABLE
        return ResendRefused(f"the rules of its due time forbid it now: {reason}", reason)
    kept = tuple(opened[name] for name in channels if name not in refused)
    deliveries = {**facts.deliveries, **{one.channel: one for one in kept}}
    holds = [verdict.until for verdict in verdicts.values() if isinstance(verdict, Hold)]
    return Resend(settle_or_go_on(again, deliveries, now), kept, max(holds, default=None), refused)


def _reopen(follow_up: FollowUp, entry: Entry, now: datetime) -> FollowUp:
    """Return a follow-up that waits again, from `now` on.

    A launch no longer sends it: it gets a workflow of its own, in the window that is open.
    """
    waits = replace(
        follow_up,
        state=State.WAITING,
        reason=None,
        next_at=now,
        exception_id=None,
        exception_at=None,
        decided_at=None,
        rest=None,
    )
    if newest_live(entry).follow_on is not None:
        return waits
    trigger = _trigger_of_resend(follow_up.trigger) if is_launched(follow_up) else follow_up.trigger
    return replace(waits, trigger=trigger, window_id=entry.windows[-1].window_id)


def _trigger_of_resend(launch: LogEntry) -> LogEntry:
    event = Event.model_construct(id=None, user="", occurred_at=launch.t, properties={}, type="event", name=RESEND_NAME)
    return replace(launch, id=f"{launch.id}.{RESEND_NAME}", item=event)
