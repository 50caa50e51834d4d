"""X1: each channel has its own dispatch, whatever ends the others, in `simulate` and in production (worked case 28).

Source of every row: X1, T2, T3 and P9 of the rules of behaviour. The follow-up of the trigger `a` (21:30, delay 1 hour)
goes out in the app at 22:30, while its push is held to 06:00.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.operate import Operator
from activities.publish import Publisher
from connector.channels.protocol import Accepted, OutcomeUnknown, Rejected, TryLater
from connector.rules.catalogue.catalogue import Catalogue
from connector.simulation import Simulation, SpillStore
from connector.simulation.playing import play_step
from connector.store.engine.database import Database
from connector.store.erasure import erase_user
from connector.store.follow_ups.outbox import find_to_signal
from connector.store.tables import deliveries
from connector.wire import Operation, StoppedWindow
from tests.parity.production import Production
from tests.parity.simulated import simulate
from tests.parity.story import Story
from tests.support.builders import ABANDONED, BOUGHT, ORIGINAL, buy, follow_on, now, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.send_harness import SendHarness

CART = {"event": "cart"}
NIGHT = {"from": "22:00", "to": "06:00", "zone": "company"}
IN_APP = {"in_app_message": {"title": "Hi", "body": "there"}}
PUSH = {"push": {"title": "Hi", "body": "there"}}
SMS = {"sms": {"body": "there"}}
EMAIL = {"email": {"subject": "Hi", "text": "there", "from": "a@b.example"}}
ABORTING = {"in_app_message": {"title": "{% abort_message %}", "body": "there"}}
BOTH = {**PUSH, **IN_APP}


def line(time: str, **what: Any) -> dict[str, Any]:
    """A line of the timeline; 21:00 to 23:59 are on 2 March, earlier times on 3 March."""
    return {"at": instant(time), **what}


def instant(time: str) -> str:
    return f"2026-03-0{2 if time >= '20' else 3}T{time}:00Z"


def event(id: str, name: str, arrives: str, happened: str | None = None) -> dict[str, Any]:
    kind = {"type": "make_purchase"} if name == "buy" else {"type": "event", "name": name}
    return line(arrives, interaction={"id": id, "user": "u", "occurred_at": instant(happened or arrives), **kind})


@dataclass(frozen=True)
class Case:
    """Lines after the trigger, and what is printed: (trigger, state or reason, channels, decided at)."""

    name: str
    lines: Sequence[dict[str, Any]]
    printed: Sequence[tuple[str, str, Sequence[str], str]]
    messages: Mapping[str, Any] = field(default_factory=lambda: BOTH)
    delivery: Mapping[str, Any] = field(default_factory=dict)
    user: Mapping[str, Any] = field(default_factory=dict)

    @property
    def story(self) -> Story:
        delivery = {
            "delay": {"after": "1 hour"},
            "exceptions": [BOUGHT],
            "quiet_hours": NIGHT,
            "eligible_again": "always",
            **self.delivery,
        }
        user = {"id": "u", "push_tokens": ["t"], "phone": "+12025550123", **self.user}
        lines = [
            line("20:00", user=user),
            line("20:00", publish="f"),
            event("a", "cart", "21:30"),
            *self.lines,
        ]
        workspace = {"workspace": "default", "zone": "UTC"}
        return Story([workspace, follow_on("f", CART, messages=dict(self.messages), **delivery)], lines)


RESTART = {"retrigger": "restart", "exceptions": [BOUGHT]}
DEBOUNCE = {"exceptions": [CART]}
OUT, PUSHED_TOO = ("in_app_message",), ("in_app_message", "push")
CASES = [
    Case("nothing happens", [], [("a", "sent", PUSHED_TOO, "06:00")]),
    Case("an exception", [event("x", "buy", "23:00")], [("a", "sent", OUT, "23:00")]),
    Case(
        "an exception from before the first dispatch, late",
        [event("x", "buy", "23:10", "22:00")],
        [("a", "late_exception", OUT, "23:10"), ("a", "sent", OUT, "23:10")],
    ),
    Case(
        "two exceptions, the second changes nothing",
        [event("x", "buy", "23:00"), event("y", "buy", "23:30")],
        [("a", "sent", OUT, "23:00")],
    ),
    Case("an exception at the end of the hold", [event("x", "buy", "06:00")], [("a", "sent", PUSHED_TOO, "06:00")]),
    Case(
        "an exception from the hold, after it",
        [event("x", "buy", "06:05", "23:00")],
        [("a", "sent", PUSHED_TOO, "06:00"), ("a", "late_exception", PUSHED_TOO, "06:05")],
    ),
    Case(
        "an exception from before the first dispatch, after the last",
        [event("x", "buy", "06:05", "22:10")],
        [("a", "sent", PUSHED_TOO, "06:00"), ("a", "late_exception", PUSHED_TOO, "06:05")],
    ),
    Case(
        "an exception before the trigger", [event("x", "buy", "23:00", "21:00")], [("a", "sent", PUSHED_TOO, "06:00")]
    ),
    Case(
        "a restart",
        [event("b", "cart", "23:00")],
        [("a", "sent", OUT, "23:00"), ("b", "sent", PUSHED_TOO, "06:00")],
        delivery=RESTART,
    ),
    Case(
        "a restart that is refused",
        [event("b", "cart", "23:00")],
        [("b", "not_eligible_again", (), "23:00"), ("a", "sent", PUSHED_TOO, "06:00")],
        delivery={**RESTART, "eligible_again": {"after": "1 day"}},
    ),
    Case(
        "a restart, late",
        [event("b", "cart", "23:00", "22:00")],
        [("a", "sent", OUT, "23:00"), ("b", "sent", PUSHED_TOO, "06:00")],
        delivery=RESTART,
    ),
    Case(
        "a restart from before the trigger, late",
        [event("b", "cart", "23:00", "21:00")],
        [("b", "superseded", (), "23:00"), ("a", "sent", PUSHED_TOO, "06:00")],
        delivery=RESTART,
    ),
    Case(
        "a debounce",
        [event("b", "cart", "23:00")],
        [("a", "sent", OUT, "23:00"), ("b", "sent", PUSHED_TOO, "06:00")],
        delivery=DEBOUNCE,
    ),
    Case(
        "a debounce whose trigger is refused",
        [event("b", "cart", "23:00")],
        [("a", "sent", OUT, "23:00"), ("b", "not_eligible_again", (), "23:00")],
        delivery={**DEBOUNCE, "eligible_again": "never"},
    ),
    Case(
        "a debounce, late",
        [event("b", "cart", "23:00", "22:00")],
        [("a", "late_exception", OUT, "23:00"), ("a", "sent", OUT, "23:00"), ("b", "sent", PUSHED_TOO, "06:00")],
        delivery=DEBOUNCE,
    ),
    Case(
        "a second trigger under ignore",
        [event("b", "cart", "23:00")],
        [("b", "already_waiting", (), "23:00"), ("a", "sent", PUSHED_TOO, "06:00")],
    ),
    Case("a stop", [line("23:00", stop="f")], [("a", "sent", OUT, "23:00")]),
    Case(
        "a stop and a resume",
        [line("23:00", stop="f"), line("23:30", resume="f"), event("b", "cart", "04:00")],
        [("a", "sent", OUT, "23:00"), ("b", "sent", PUSHED_TOO, "06:00")],
    ),
    Case("an archive", [line("23:00", archive="f")], [("a", "sent", OUT, "23:00")]),
    Case(
        "an exception of an earlier hold of another channel",
        [event("x", "buy", "23:00")],
        [("a", "sent", OUT, "23:00")],
        messages={**PUSH, **SMS, **IN_APP},
    ),
    Case("an exception, all held", [event("x", "buy", "23:00")], [("a", "excepted", (), "23:00")], messages=PUSH),
    Case(
        "an exception, one dropped",
        [event("x", "buy", "23:00")],
        [("a", "excepted", (), "23:00")],
        messages={**PUSH, **ABORTING},
    ),
    Case(
        "an exception, one dropped, one out",
        [event("x", "buy", "23:00")],
        [("a", "sent", OUT, "23:00")],
        messages={**BOTH, **EMAIL},
        user={"consent": {"email": "unsubscribed"}},
    ),
    Case("a stop, all held", [line("23:00", stop="f")], [("a", "stopped", (), "23:00")], messages=PUSH),
    Case(
        "a restart, all held",
        [event("b", "cart", "23:00")],
        [("a", "superseded", (), "23:00"), ("b", "sent", ("push",), "06:00")],
        messages=PUSH,
        delivery=RESTART,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_simulated(case: Case) -> None:
    """X1, T2, T3, P9: the printed lines of each combination."""
    with SpillStore() as spill:
        simulation = Simulation(Catalogue(), spill, lambda _: None)
        simulation.apply(*case.story.parsed)
        for step, _ in case.story.steps:
            simulation.run_to(step.at)
            play_step(simulation, step)
        simulation.run_to(None)
        printed = [json.loads(one) for one in simulation.lines()]
    assert sorted(map(_short, printed)) == sorted((t, s, tuple(c), instant(d)) for t, s, c, d in case.printed)


def _short(one: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...], str]:
    state = one["state"] if one["state"] in ("sent", "excepted") else one["reason"]
    return one["trigger"], state, tuple(sorted(one["channels"])), one["decided_at"]


async def test_production_does_the_same(database: Database) -> None:
    """X1: rows, reasons, exceptions, deliveries by channel and receipts are those of the simulation, in every case."""
    different = {}
    for number, case in enumerate(CASES):
        found = simulate(case.story).differences(await Production(database, f"case-{number}").play(case.story))
        different |= {case.name: found} if found else {}
    assert different == {}


TWO = {**ABANDONED, "messages": {**PUSH, **EMAIL}}
LATER = TryLater("http_429")


@pytest.fixture
async def harness(installation: Installation) -> SendHarness:
    """A follow-up on push and email whose push, due at minute 720, was answered 429 and waits to be tried again."""
    harness = SendHarness(installation, FakeChannel(LATER, Accepted()))
    await harness.save_user()
    await installation.publish(ORIGINAL, TWO)
    await installation.ingest(push("a", -720))
    with pytest.raises(ApplicationError):
        await harness.send(minutes=0, channel="push")
    return harness


async def _except(harness: SendHarness) -> None:
    await harness.installation.ingest(buy("x", 1))


async def _stop(harness: SendHarness) -> None:
    await harness.installation.order("stop", "f")
    publisher = Publisher(harness.installation.database, harness.installation.cache, "default")
    stopped = StoppedWindow(workspace="default", campaigns=("f",))
    await ActivityEnvironment().run(publisher.end_waits, stopped)


async def _cancel(harness: SendHarness) -> None:
    [row] = await harness.installation.rows()
    operation = Operation(workspace="default", follow_up_id=row.id, verb="cancel", until=None, update_id="1")
    operator = Operator(harness.installation.database, "default")
    for _ in range(2):  # the second time, the answer of the first was lost
        assert (await ActivityEnvironment().run(operator.operate, operation)).done


async def _erase(harness: SendHarness) -> None:
    async with harness.installation.database.write("default", lock="exclusive") as tx:
        await erase_user(tx, "u", now())


Happen = Callable[[SendHarness], Awaitable[None]]
EVENTS: dict[str, tuple[Happen, tuple[str, str]]] = {
    "exception": (_except, ("excepted", "exception")),
    "stop": (_stop, ("dropped", "stopped")),
    "cancel": (_cancel, ("dropped", "cancelled_by_operator")),
    "erase": (_erase, ("dropped", "erased")),
}
ANSWERS: dict[str, tuple[Accepted | BaseException, tuple[str, str | None] | None]] = {
    "sent": (Accepted(), ("sent", None)),
    "failed": (Rejected("recipient_refused"), ("failed", "send_failed")),
    "unknown": (OutcomeUnknown("no_answer"), ("failed", "send_unknown")),
    "released": (LATER, None),
}
"""What the email's provider answers, and how the row ends; None: as if nothing had been sent."""


@pytest.mark.parametrize("event_name", EVENTS)
async def test_ended_before_the_other_is_claimed(harness: SendHarness, event_name: str) -> None:
    """X1, P9: a released claim is no dispatch, so that the whole follow-up ends."""
    happen, whole = EVENTS[event_name]
    await happen(harness)
    assert (await harness.send(minutes=2, channel="email")).outcome == "ended"
    assert await _row(harness) == whole


@pytest.mark.parametrize("happens", ["while the email is sent", "after"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("event_name", EVENTS)
async def test_released_and_decided(harness: SendHarness, event_name: str, answer: str, happens: str) -> None:
    """X1, P9: a channel that waits to be tried again ends, whatever the other does."""
    happen, whole = EVENTS[event_name]
    replies, partly = ANSWERS[answer]
    harness.channel.answers = [replies]

    async def meanwhile(_: object) -> None:
        await happen(harness)
        assert await _row(harness) == ("sending", None)
        assert await _to_signal(harness) == []

    harness.channel.meanwhile = None if happens == "after" else meanwhile
    with pytest.raises(ApplicationError) if answer == "released" else nullcontext():
        await harness.send(minutes=2, channel="email")
    harness.channel.meanwhile = None
    if happens == "after":
        await happen(harness)
    handed_over = len(harness.channel.messages)
    for channel in ("push", "email"):  # the workflow was not signalled yet
        await harness.send(minutes=3, channel=channel, attempt=2)
    assert len(harness.channel.messages) == handed_over
    assert await _row(harness) == (partly or whole)


async def _row(harness: SendHarness) -> tuple[str, str | None]:
    [row] = await harness.installation.rows()
    return row.state, row.reason


async def _to_signal(harness: SendHarness) -> Sequence[Any]:
    async with harness.installation.database.write("default") as tx:
        return await find_to_signal(tx, 10)


async def test_deliveries_say_why(harness: SendHarness) -> None:
    """X1, guarantee 7: each channel's delivery has the reason of its own end."""
    await harness.send(minutes=2, channel="email")
    await _except(harness)
    async with harness.installation.database.read("default") as tx:
        found = await tx.execute(select(deliveries.c.channel, deliveries.c.state, deliveries.c.reason))
    assert sorted(tuple(one) for one in found) == [("email", "sent", None), ("push", "dropped", "exception")]
