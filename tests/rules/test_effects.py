"""What a decision about a message changes: one table of verdicts, and the results of claimed messages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.model.campaigns import Campaign
from connector.rules.model.follow_up import FollowUp, cancel_by_exception
from connector.rules.model.interactions import Event, create_log_entry
from connector.rules.model.messages import Messages, Push
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.sending.decisions import Decided, Ended, decide_without_evaluation
from connector.rules.sending.deliveries import Delivery, DeliveryState, DueMessage, build_receive_interaction, enrolment
from connector.rules.sending.due_list import Control, Drop, Hold, MessageVerdict, Pause, SendContent, SwitchChannels
from connector.rules.sending.effects import (
    CancelFollowUp,
    ChangeFollowUp,
    Effect,
    ForgetPushTokens,
    IngestInteraction,
    SaveReceipt,
    WriteDelivery,
    decide_effects,
)
from connector.rules.sending.results import SendResult, decide_release, decide_result

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
EARLIER, LATER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
USER = User(id="u")
TRIGGER = create_log_entry(Event(id="e1", user="u", type="event", name="e", occurred_at=EARLIER), 1, NOW)
WAITING = FollowUp("f1", "c", 1, 1, "k", "", TRIGGER, NOW, NOW, channels=("push",))
DUE = DueMessage(WAITING, "push", {})
CLAIMED = Delivery("f1.push", "push", DeliveryState.CLAIMED, claimed_at=NOW)
CLAIM = DueMessage(WAITING, "push", {"push": CLAIMED})
END = ("state", "reason", "decided_at")
CONTENT = Messages(push=Push(title="t", body="b"))
DELIVERY = {"type": "action_based", "trigger": [{"event": "e"}], "delay": {"after": "1 day"}}
CAMPAIGN = Campaign.model_validate(
    {
        "campaign": "c",
        "delivery": {**DELIVERY, "exceptions": [{"event": "bought"}]},
        "messages": {"push": {"title": "t", "body": "b"}},
    }
)
ENTRY = Entry("c", "active", (Revision(1, CAMPAIGN, NOW),), (Window(1, NOW),))
CATALOGUE = Catalogue().with_entries([ENTRY], version=1)


def changed(*fields: str, **values: object) -> ChangeFollowUp:
    """The effect on the waiting follow-up."""
    return ChangeFollowUp(replace(WAITING, **values), fields or tuple(values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Pause(), ()),
        (Hold(LATER), (changed(state=State.HELD, next_at=LATER),)),
        (SwitchChannels(("email",)), (changed(channels=("email",)),)),
        (
            Drop(Reason.STALE),
            (
                WriteDelivery(WAITING, DUE.with_state(DeliveryState.DROPPED, Reason.STALE), True, NOW),
                changed(*END, state=State.DROPPED, reason=Reason.STALE, decided_at=NOW),
            ),
        ),
        (
            Control(),
            (
                changed(*END, state=State.CONTROL, reason=Reason.CONTROL_GROUP, decided_at=NOW),
                SaveReceipt(WAITING, NOW),
                IngestInteraction(enrolment(WAITING, "u", NOW)),
            ),
        ),
        (
            SendContent(CONTENT),
            (WriteDelivery(WAITING, CLAIMED, True), changed(state=State.SENDING, dispatched_at=NOW)),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_effects_of_a_verdict(verdict: MessageVerdict, expected: tuple[Effect, ...]) -> None:
    """W1, W3, P9, P10: each verdict changes this and nothing else."""
    assert decide_effects(verdict, DUE, USER, NOW) == expected


def test_the_first_claim_is_the_dispatch() -> None:
    """X1: a second channel's claim leaves the dispatch where it was."""
    sending = replace(WAITING, state=State.SENDING, dispatched_at=NOW)
    effects = decide_effects(SendContent(CONTENT), replace(DUE, follow_up=sending), USER, LATER)
    assert effects[1] == ChangeFollowUp(sending, ("state", "dispatched_at"))


def test_another_channel_keeps_the_follow_up_open() -> None:
    """Each channel is decided by itself: the follow-up ends with the last one."""
    due = replace(DUE, follow_up=replace(WAITING, channels=("push", "email")))
    [effect] = decide_effects(Drop(Reason.UNREACHABLE), due, USER, NOW)
    assert isinstance(effect, WriteDelivery)


def test_a_lost_claim_is_unknown() -> None:
    """Guarantee 4: nobody knows whether it went out, so it counts as received and is not resent."""
    decision = decide_without_evaluation(CLAIM, LATER)
    assert decision is not None
    lost = replace(CLAIMED, state=DeliveryState.UNKNOWN, reason=Reason.SEND_UNKNOWN)
    assert decision.verdict == Decided(lost)
    assert decision.effects == (
        SaveReceipt(WAITING, NOW),
        WriteDelivery(WAITING, lost, False, LATER, fault="attempt_lost"),
        changed(*END, state=State.FAILED, reason=Reason.SEND_UNKNOWN, decided_at=LATER),
    )


def test_what_was_decided_stays() -> None:
    """Guarantee 4: a decided message and an ended follow-up change nothing; an open one is evaluated."""
    sent = replace(CLAIMED, state=DeliveryState.SENT)
    ended = replace(DUE, follow_up=replace(WAITING, state=State.EXCEPTED))
    decisions = [decide_without_evaluation(due, NOW) for due in (replace(DUE, deliveries={"push": sent}), ended, DUE)]
    assert [decision and (decision.verdict, decision.effects) for decision in decisions] == [
        (Decided(sent), ()),
        (Ended(), ()),
        None,
    ]


@pytest.mark.parametrize(
    ("result", "kinds"),
    [
        (SendResult(DeliveryState.SENT), [WriteDelivery, ChangeFollowUp, SaveReceipt, IngestInteraction]),
        (SendResult(DeliveryState.SENT, is_reported=True), [WriteDelivery, ChangeFollowUp, SaveReceipt]),
        (SendResult(DeliveryState.UNKNOWN, Reason.SEND_UNKNOWN), [WriteDelivery, ChangeFollowUp, SaveReceipt]),
        (SendResult(DeliveryState.FAILED, Reason.SEND_FAILED), [WriteDelivery, ChangeFollowUp]),
        (
            SendResult(DeliveryState.FAILED, Reason.SEND_FAILED, invalid_tokens=("t",)),
            [ForgetPushTokens, WriteDelivery, ChangeFollowUp],
        ),
    ],
)
def test_effects_of_a_result(result: SendResult, kinds: list[type[Effect]]) -> None:
    """M4, W1: what went out, or may have, is a receipt; an accepted message is also an interaction."""
    decision = decide_result(CLAIM, result, USER, dispatched_at=NOW, now=LATER)
    assert [type(effect) for effect in decision.effects] == kinds
    received = [effect.interaction for effect in decision.effects if isinstance(effect, IngestInteraction)]
    assert received in ([], [build_receive_interaction(WAITING, "push", "u", NOW)])


def test_a_quicker_delivery_report_stands() -> None:
    """M4: a report that settled the message before its result was recorded is not overwritten."""
    reported = replace(CLAIM, deliveries={"push": replace(CLAIMED, state=DeliveryState.SENT)})
    result = SendResult(DeliveryState.UNKNOWN, Reason.SEND_UNKNOWN)
    decision = decide_result(reported, result, USER, dispatched_at=NOW, now=LATER)
    assert (decision.verdict, decision.effects) == (Decided(reported.deliveries["push"]), ())


def test_a_released_claim_waits_again() -> None:
    """X1: nothing went out, so an exception that was ingested while the message was claimed ends the follow-up."""
    bought = create_log_entry(
        Event(user="u", type="event", name="bought", occurred_at=NOW - timedelta(minutes=1)), 2, NOW
    )
    opened = WriteDelivery(WAITING, CLAIM.with_state(DeliveryState.OPEN), False, fault="busy")
    waits = changed(state=State.WAITING, dispatched_at=None)
    assert decide_release(CLAIM, "busy", [TRIGGER], CATALOGUE, LATER) == (opened, waits)
    assert decide_release(CLAIM, "busy", [TRIGGER, bought], CATALOGUE, LATER) == (
        opened,
        waits,
        CancelFollowUp(cancel_by_exception(WAITING, bought, LATER)),
    )


def test_a_claim_is_released_once() -> None:
    """Guarantee 4: one that a later attempt recorded as lost stays so; another channel's message keeps the dispatch."""
    lost = replace(CLAIM, deliveries={"push": replace(CLAIMED, state=DeliveryState.UNKNOWN)})
    another = replace(CLAIM, deliveries={"push": CLAIMED, "email": replace(CLAIMED, channel="email")})
    assert decide_release(lost, "busy", [], CATALOGUE, LATER) == ()
    assert [type(effect) for effect in decide_release(another, "busy", [], CATALOGUE, LATER)] == [WriteDelivery]
