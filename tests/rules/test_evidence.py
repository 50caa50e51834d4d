"""The evidence for each reason: the limits, times and other follow-ups that a decision depends on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.ingest.parsing import parse_item
from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.explaining.context import DecisionContext, receipt_of
from connector.rules.explaining.evidence import collect_evidence
from connector.rules.model.campaigns import Workspace, parse_definition
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.timing.caps import PastSend
from connector.rules.triggering.user_log import LoggedHistory

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
R = Reason


def _logged(id: str = "e", *, hours: float = 0, arrived: float | None = None, **words: Any) -> LogEntry:
    t = NOON + hours * HOUR
    fields = {"type": "receive_push", "campaign": "o", **words}
    fields = {name: value for name, value in fields.items() if value is not None}
    item = parse_item({"id": id, "user": "u", "occurred_at": t.isoformat(), **fields})
    return LogEntry(id=id, seq=1, t=t, received_at=t if arrived is None else NOON + arrived * HOUR, item=item)


def _follow_up(id: str = "row", *, hours: float = 0, state: State = State.WAITING, **values: Any) -> FollowUp:
    trigger = _logged(f"t-{id}", hours=hours)
    due = trigger.t + 2 * HOUR
    return FollowUp(id, "f", 1, 1, "key", "", trigger, due_at=due, next_at=due, state=state, **values)


def _context(
    reason: Reason | None, *, audience: Any = "everyone", workspace: dict[str, Any] | None = None, **words: Any
) -> DecisionContext:
    fields = {name: words.pop(name) for name in list(words) if name in DecisionContext.__dataclass_fields__}
    delivery = {"type": "action_based", "trigger": [{"interaction": "receive_push", "campaign": "o"}], **words}
    definition = {"campaign": "f", "delivery": delivery, "audience": audience, "messages": {"sms": {"body": "b"}}}
    entries = [
        Entry(name, "active", (Revision(1, parse_definition(d), NOON - HOUR),), (Window(1, NOON - HOUR),))  # type: ignore[arg-type]
        for name, d in (("f", definition), ("o", {"campaign": "o", "delivery": {"type": "external"}}))
    ]
    settings = Workspace.model_validate({"zone": "America/New_York", **(workspace or {})})
    catalogue = Catalogue().with_entries(entries, version=1, workspace=settings)
    default: dict[str, Any] = {
        "entry": catalogue.entries["f"],
        "catalogue": catalogue,
        "user": User(id="u", attributes={"tier": "silver"}),
        "history": LoggedHistory(()),
        "logged": _logged(),
        "decided_at": NOON + 2 * HOUR,
        "unreachable": {},
    }
    return DecisionContext(reason, **{**default, **fields})


def _words(context: DecisionContext) -> str:
    return "; ".join(item.words for item in collect_evidence(context))


GOLD_AND_NO_VIP = {"all": [{"attribute": "tier", "is": "gold"}, {"not": {"attribute": "vip", "exists": True}}]}
STOPPED = Window(1, NOON - 2 * HOUR, NOON - HOUR)


@pytest.mark.parametrize(
    ("context", "words"),
    [
        (_context(R.BEFORE_PUBLISH, logged=_logged(hours=-2)),
         "it happened at 2026-03-02T10:00:00Z; the campaign was first published at 2026-03-02T11:00:00Z"),
        (_context(R.TARGET_INACTIVE), "o was live from 2026-03-02T11:00:00Z on"),
        (_context(R.TARGET_INACTIVE, workspace={"target": "ever_published"}), "requires that it was published by then"),
        (_context(R.TARGET_INACTIVE, logged=_logged(campaign="gone")), "gone is not known"),
        (_context(R.NOT_LIVE, logged=_logged(hours=-2, arrived=1)),
         "it happened at 2026-03-02T10:00:00Z, while the "
         "campaign was not live; it arrived at 2026-03-02T13:00:00Z, while the campaign was live; f was live from"),
        (_context(R.OUTSIDE_CAMPAIGN_DURATION, start="2026-03-03T00:00:00+01:00"),
         "it was evaluated as of 2026-03-02T12:00:00Z; the campaign's `start` is 2026-03-02T23:00:00Z"),
        (_context(R.OUTSIDE_CAMPAIGN_DURATION, follow_up=_follow_up(), end="2026-03-02T14:00:00Z"),
         "it was evaluated as of 2026-03-02T14:00:00Z; the campaign's `end` is 2026-03-02T14:00:00Z"),
        (_context(R.NOT_IN_AUDIENCE, audience=GOLD_AND_NO_VIP),
         "the audience is all of (tier is gold; not (vip exists "
         "true)); tier is gold? no as known now, the user's tier is silver; vip exists true? no as known now, the "
         "user's vip is not known"),
        (_context(R.NOT_IN_AUDIENCE, audience={"did": {"event": "make_purchase", "within": "7 days"}}),
         "did make_purchase within 1 week? no"),
        (_context(R.NOT_IN_AUDIENCE, audience={"interacted": {"interaction": "receive_push", "campaign": "o"}},
         history=LoggedHistory([_logged(hours=-1)])), "did receive_push of the campaign o? yes"),
        (_context(R.NOT_ELIGIBLE_AGAIN, eligible_again={"after": "1 day"}, receipts=[NOON - HOUR, NOON - 9 * HOUR]),
         "the user received it at 2026-03-02T11:00:00Z; `eligible_again` is after 1 day; the user may receive it again "
         "from 2026-03-03T11:00:00Z"),
        (_context(R.NOT_ELIGIBLE_AGAIN, receipts=[NOON - HOUR, NOON + 9 * HOUR]),
         "2026-03-02T11:00:00Z; `eligible_again` is never"),
        (_context(R.NOT_ELIGIBLE_AGAIN), "is not kept any more"),
        (_context(R.ALREADY_WAITING, others=[_follow_up(hours=-1)]),
         "receive_push of the campaign o (t-row) began it at "
         "2026-03-02T11:00:00Z; it was due at 2026-03-02T13:00:00Z; `retrigger` is ignore"),
        (_context(R.ALREADY_WAITING, others=[replace(_follow_up(hours=-1, state=State.HELD), next_at=NOON + 5 * HOUR)]),
         "it waits until 2026-03-02T17:00:00Z"),
        (_context(R.ALREADY_WAITING, others=[_follow_up(hours=-1, state=State.SENT, dispatched_at=NOON + HOUR)]),
         "it was open until 2026-03-02T13:00:00Z"),
        (_context(R.SUPERSEDED, others=[_follow_up("new", hours=3)]),
         "(t-new) at 2026-03-02T15:00:00Z superseded it; its own follow-up was due at 2026-03-02T17:00:00Z"),
        (_context(R.SUPERSEDED, follow_up=_follow_up(exception_at=NOON + HOUR), others=[_follow_up("new", hours=1)]),
         "(t-new)"),
        (_context(R.SUPERSEDED, follow_up=_follow_up(exception_at=NOON)), "another follow-up was open in its place"),
        (_context(R.DUPLICATE), "the id e was logged before"),
    ],
)  # fmt: skip
def test_at_the_trigger(context: DecisionContext, words: str) -> None:
    """P1, P2, T1, T2: the limits and times of the check that refused it."""
    assert words in _words(context)


BOUGHT = _logged("b", hours=1, arrived=1.5, type="make_purchase", campaign=None)
OFFICE = {"from": "09:00", "to": "17:00"}


def _ended(**values: Any) -> FollowUp:
    return _follow_up(state=State.DROPPED, **values)


@pytest.mark.parametrize(
    ("context", "words"),
    [
        (_context(R.EXCEPTION, follow_up=_ended(exception_id="b", exception_at=BOUGHT.t), items={"b": BOUGHT}),
         "make_purchase (b) at 2026-03-02T13:00:00Z, 1:00:00 after the trigger; it arrived at 2026-03-02T13:30:00Z"),
        (_context(R.EXCEPTION, follow_up=_ended(exception_id="b", exception_at=BOUGHT.t)), "b at 2026-03-02T13:00:00Z"),
        (_context(R.LATE_EXCEPTION, logged=BOUGHT, follow_up=_follow_up(dispatched_at=NOON + 1.25 * HOUR)),
         "dispatched at 2026-03-02T13:15:00Z; the exception arrived at 2026-03-02T13:30:00Z"),
        (_context(R.STALE, follow_up=_ended(), decided_at=NOON + 72 * HOUR),
         "it waited for 2026-03-02T14:00:00Z; it came to be sent at 2026-03-05T12:00:00Z; `stale_after` is 1 day"),
        (_context(R.OUTSIDE_TIME_OF_DAY, follow_up=_ended(), time_of_day=OFFICE, decided_at=NOON),
         "`time_of_day` is 09:00 to 17:00 in America/New_York; it was Monday 2026-03-02 07:00 there"),
        (_context(R.QUIET_HOURS, follow_up=_ended(), user=User(id="u", time_zone="Asia/Tokyo"),
         workspace={"quiet_hours": {"from": "22:00", "to": "06:00", "then": "drop"}}),
         "`quiet_hours` is 22:00 to 06:00 in Asia/Tokyo; it was Monday 2026-03-02 23:00 there"),
        (_context(R.NO_CONSENT, follow_up=_ended(), channel="sms", user=User(id="u", consent={"sms": "unsubscribed"})),
         "consent for sms as known now: unsubscribed"),
        (_context(R.UNREACHABLE, follow_up=_ended(), channel="sms"), "the user has no phone number as known now"),
        (_context(R.UNREACHABLE, follow_up=_ended(), channel="push", user=User(id="u", push_tokens=("t",))),
         "the user has a push token as known now"),
        (_context(R.ABORTED_BY_TEMPLATE, follow_up=_ended(), fault="no_stock"), "the fault was no_stock"),
        (_context(R.TEMPLATE_FAILED, follow_up=_ended(), fault="template_fault", detail="push.body, line 2: is wrong"),
         "the fault was template_fault; push.body, line 2: is wrong"),
        (_context(R.SEND_FAILED, follow_up=_ended(), fault="smtp_550"), "the fault was smtp_550"),
        (_context(R.SEND_UNKNOWN, follow_up=_ended(), fault="attempt_lost"), "the fault was attempt_lost"),
        (_context(R.CONTROL_GROUP, follow_up=_ended()), "0 per cent"),
        (_context(R.CANCELLED_BY_OPERATOR, follow_up=_ended()), "that was at 2026-03-02T14:00:00Z"),
        (_context(R.ERASED, follow_up=_ended()), "that was at 2026-03-02T14:00:00Z"),
    ],
)  # fmt: skip
def test_at_the_end(context: DecisionContext, words: str) -> None:
    """X4, D4, W1, W2: what ended it, with the limits of the check and the local time."""
    assert words in _words(context)


def test_stopped_names_the_time() -> None:
    """P9: the evidence is the end of the window in which the follow-up began."""
    context = _context(R.STOPPED, follow_up=_ended())
    entry = replace(context.entry, windows=(replace(STOPPED, closed_at=NOON + HOUR), Window(2, NOON + 2 * HOUR)))
    words = "the campaign was stopped or archived at 2026-03-02T13:00:00Z"
    assert _words(replace(context, entry=entry)) == words
    assert _words(replace(context, reason=None, follow_up=_follow_up(), entry=entry)) == words
    assert _words(replace(context, reason=None, follow_up=_follow_up(state=State.SENT), entry=entry)) == ""


def test_full_caps_and_their_sends() -> None:
    """W2: only the caps that one more message would have exceeded, with the sends in their days until then."""
    sends = [PastSend(str(n), "sms", NOON + n * HOUR) for n in (-30, -2, 1, 5)]
    caps = [
        {"channel": "sms", "at_most": 2, "per": "day"},
        {"at_most": 3, "per": {"days": 2}},
        {"at_most": 9, "per": "week"},
    ]
    context = _context(
        R.FREQUENCY_CAPPED, follow_up=_ended(), channel="sms", sends=sends, workspace={"frequency_caps": caps}
    )
    first, second = collect_evidence(context)
    assert first.value == {
        "cap": "at most 2 sms a day",
        "sent": ["sms at 2026-03-02T10:00:00Z", "sms at 2026-03-02T13:00:00Z"],
    }
    assert second.words.startswith("the cap of at most 3 messages in 2 days was full: sms at 2026-03-01T06:00:00Z")


@pytest.mark.parametrize(
    ("until", "words"),
    [
        (datetime(2026, 3, 3, 14, tzinfo=UTC), "`time_of_day` is 09:00 to 17:00 in America/New_York"),
        (datetime(2026, 3, 3, 11, tzinfo=UTC), "`quiet_hours` is 22:00 to 06:00 in America/New_York"),
        (datetime(2026, 3, 3, 3, tzinfo=UTC), ""),
    ],
)
def test_hours_of_a_hold(until: datetime, words: str) -> None:
    """W1, W2: the hours that end with the hold; an operator's postponement has none."""
    held = replace(_follow_up(state=State.HELD), next_at=until)
    quiet = {"from": "22:00", "to": "06:00"}
    assert _words(_context(None, follow_up=held, time_of_day={**OFFICE, "outside": "next"}, quiet_hours=quiet)) == words
    assert collect_evidence(_context(None, follow_up=_follow_up())) == []


@pytest.mark.parametrize(
    ("follow_up", "expected"),
    [
        (_follow_up(state=State.SENT, dispatched_at=NOON), NOON),
        (_follow_up(state=State.FAILED, reason=R.SEND_UNKNOWN, dispatched_at=NOON), NOON),
        (_follow_up(state=State.FAILED, reason=R.SEND_FAILED, dispatched_at=NOON), None),
        (_follow_up(state=State.CONTROL, decided_at=NOON), NOON),
        (_follow_up(), None),
    ],
)
def test_receipt_of_a_follow_up(follow_up: FollowUp, expected: datetime | None) -> None:
    """T1, W3: a follow-up that was sent, was possibly sent, or was counted for the control group is a receipt."""
    assert receipt_of(follow_up) == expected
