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
from connector.rules.sending.deliveries import (
    Delivery,
    DeliveryState,
    DueMessage,
    build_receive_interaction,
    delivery_id,
    enrolment,
)
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


def changed(**values: object) -> ChangeFollowUp:
    """The effect on the waiting follow-up."""
    return ChangeFollowUp(replace(WAITING, **values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Pause(), ()),
        (Hold(LATER), (changed(state=State.HELD, next_at=LATER),)),
        (SwitchChannels(("email",)), (changed(channels=("email",)),)),
        (
            Drop(Reason.STALE),
            (
                WriteDelivery(WAITING, DUE.with_state(DeliveryState.DROPPED, Reason.STALE), 1, NOW),
                changed(state=State.DROPPED, reason=Reason.STALE, decided_at=NOW),
            ),
        ),
        (
            Control(),
            (
                changed(state=State.CONTROL, reason=Reason.CONTROL_GROUP, decided_at=NOW),
                SaveReceipt(WAITING, NOW),
                IngestInteraction(enrolment(WAITING, "u", NOW)),
            ),
        ),
        (
            SendContent(CONTENT),
            (WriteDelivery(WAITING, CLAIMED), changed(state=State.SENDING, dispatched_at=NOW)),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_effects_of_a_verdict(verdict: MessageVerdict, expected: tuple[Effect, ...]) -> None:
    """W1, W3, P9, P10: each verdict changes this and nothing else."""
    assert decide_effects(verdict, DUE, USER, NOW) == expected


def test_the_last_claim_is_the_dispatch() -> None:
    """X1: each channel has its own dispatch; an exception from before the last one is late for that channel."""
    sending = replace(WAITING, state=State.SENDING, dispatched_at=NOW)
    sent = Delivery("f1.email", "email", DeliveryState.SENT, claimed_at=NOW)
    effects = decide_effects(SendContent(CONTENT), DueMessage(sending, "push", {"email": sent}), USER, LATER)
    assert effects[1] == ChangeFollowUp(replace(sending, dispatched_at=LATER))


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
        WriteDelivery(WAITING, lost, 1, LATER, fault="attempt_lost"),
        changed(state=State.FAILED, reason=Reason.SEND_UNKNOWN, decided_at=LATER),
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
    assert received in (
        [],
        [build_receive_interaction(delivery_id(WAITING.id, "push"), "push", WAITING.campaign, "u", NOW)],
    )


def test_a_quicker_delivery_report_stands() -> None:
    """M4: a report that settled the message before its result was recorded is not overwritten."""
    reported = replace(CLAIM, deliveries={"push": replace(CLAIMED, state=DeliveryState.SENT)})
    result = SendResult(DeliveryState.UNKNOWN, Reason.SEND_UNKNOWN)
    decision = decide_result(reported, result, USER, dispatched_at=NOW, now=LATER)
    assert (decision.verdict, decision.effects) == (Decided(reported.deliveries["push"]), ())


@pytest.mark.parametrize(
    ("stored", "result", "is_news"),
    [
        (DeliveryState.UNKNOWN, SendResult(DeliveryState.SENT), True),
        (DeliveryState.UNKNOWN, SendResult(DeliveryState.FAILED, Reason.SEND_FAILED), False),
        (DeliveryState.UNKNOWN, SendResult(DeliveryState.UNKNOWN, Reason.SEND_UNKNOWN), False),
        (DeliveryState.SENT, SendResult(DeliveryState.SENT, is_reported=True), False),
        (None, SendResult(DeliveryState.SENT), False),
    ],
)
def test_a_result_that_comes_late(stored: DeliveryState | None, result: SendResult, is_news: bool) -> None:
    """Guarantee 4: a message that a later attempt took for lost was sent after all; of an erased user nothing stays."""
    deliveries = {} if stored is None else {"push": replace(CLAIMED, state=stored)}
    failed = replace(WAITING, state=State.FAILED, reason=Reason.SEND_UNKNOWN)
    late = DueMessage(failed, "push", deliveries)
    decision = decide_result(late, result, USER, dispatched_at=NOW, now=LATER)
    assert bool(decision.effects) == is_news
    ends = [effect.follow_up.state for effect in decision.effects if isinstance(effect, ChangeFollowUp)]
    assert ends == ([State.SENT] if is_news else [])


def test_a_released_claim_waits_again() -> None:
    """X1: nothing went out, so an exception that was ingested while the message was claimed ends the follow-up."""
    bought = create_log_entry(
        Event(user="u", type="event", name="bought", occurred_at=NOW - timedelta(minutes=1)), 2, NOW
    )
    opened = WriteDelivery(WAITING, CLAIM.with_state(DeliveryState.OPEN), fault="busy")
    waits = changed(state=State.WAITING, dispatched_at=None)
    assert decide_release(CLAIM, NOW, "busy", [TRIGGER], CATALOGUE, LATER) == (opened, waits)
    assert decide_release(CLAIM, NOW, "busy", [TRIGGER, bought], CATALOGUE, LATER) == (
        opened,
        waits,
        CancelFollowUp(cancel_by_exception(WAITING, bought, LATER)),
    )


def test_a_claim_is_released_once() -> None:
    """Guarantee 4: one that a later attempt recorded as lost stays so; another channel's message keeps the dispatch."""
    lost = replace(CLAIM, deliveries={"push": replace(CLAIMED, state=DeliveryState.UNKNOWN)})
    another = replace(CLAIM, deliveries={"push": CLAIMED, "email": replace(CLAIMED, channel="email")})
    assert decide_release(lost, NOW, "busy", [], CATALOGUE, LATER) == ()
    assert decide_release(CLAIM, EARLIER, "busy", [], CATALOGUE, LATER) == (), "another attempt's claim"
    _, changes = decide_release(another, NOW, "busy", [], CATALOGUE, LATER)
    assert isinstance(changes, ChangeFollowUp)
    assert (changes.follow_up.state, changes.follow_up.dispatched_at) == (State.SENDING, NOW)
