"""The story of `connector dev`: each thing once, in order, short and escaped; requests only if they are asked for."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from rich.console import Console

from connector.app.context import AppContext
from connector.ingest.parsing import parse_item
from connector.rules.model.interactions import create_log_entry
from connector.rules.model.users import User
from connector.store.engine.database import Database, database_now
from connector.store.reporting.happenings import MAX_ARRIVALS, Arrival, Snapshot
from connector.store.users.descriptions import save_user
from starter.dev.output import DevOutput
from starter.dev.story import Look, Story, begin_story, look_at_store
from tests.support.builders import BASE, ORIGINAL, PUSHED, buy, follow_on, push
from tests.support.installation import Installation

WAITS = follow_on("f", PUSHED, delay={"after": "40 days"}, exceptions=[{"event": "make_purchase"}])
GOLD = follow_on("g", PUSHED, audience={"attribute": "tier", "is": "gold"})


def snapshot(id: str, state: str, *, seconds: float = 0, decided: bool = False, **more: object) -> Snapshot:
    at = BASE + timedelta(seconds=seconds)
    given = {"campaign": "f", "user_key": "k", "reason": None, "channels": (), **more}
    return Snapshot(id=id, state=state, next_at=at, decided_at=at if decided else None, **given)  # type: ignore[arg-type]


def arrival(number: int, at_seconds: float) -> Arrival:
    item = parse_item({**buy(f"e{number}", 0), "user": "u"})
    return Arrival("k", create_log_entry(item, number, BASE + timedelta(seconds=at_seconds)))


def texts(lines: object) -> list[str]:
    return [line.text for line in lines]  # type: ignore[attr-defined]


def test_each_thing_is_shown_once() -> None:
    """A wait, its hold and its end; what ended before the beginning and what does not change is left out."""
    story, now = Story(BASE), BASE + timedelta(seconds=1)
    names = {"k": "ann"}
    waits = Look(now, [arrival(1, 0.5)], [snapshot("1", "waiting", seconds=60)], names=names)
    assert texts(story.describe(waits))[0] == "ann make_purchase"
    assert texts(story.describe(waits)) == []
    held = Look(
        now, [], [snapshot("1", "held", seconds=90), snapshot("2", "sent", seconds=-5, decided=True)], names=names
    )
    [printed] = texts(story.describe(held))
    assert printed.startswith("f for ann is held until ")
    assert story.open_ids == ["1"]
    assert texts(story.describe(Look(now, [], [snapshot("3", "waiting", seconds=0)], names=names))) == [], (
        "it is under way"
    )
    sent = snapshot("1", "sent", seconds=90, decided=True, channels=("push",))
    assert texts(story.describe(Look(now, [], [snapshot("1", "sending", seconds=90)], names=names))) == []
    assert texts(story.describe(Look(now, [], [sent], names=names))) == ["f for ann was sent by push"]
    assert story.open_ids == ["3"]


def test_many_at_once_are_counted() -> None:
    """A full look shows some and counts the others, and the next look goes on after it."""
    story = Story(BASE)
    look = Look(BASE, [arrival(number, 1) for number in range(MAX_ARRIVALS)])
    printed = texts(story.describe(look))
    assert (len(printed), printed[-1]) == (21, f"and at least {MAX_ARRIVALS - 20} more came in")
    assert story.since > BASE + timedelta(seconds=1)


async def test_what_really_happens(context: AppContext, sqlite_database: Database) -> None:
    """What came in, what waits, what an exception ends and what is refused and why, read from the store."""
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, WAITS, GOLD)
    async with sqlite_database.write("default") as tx:
        await save_user(tx, User(id="u", push_tokens=("p",)), await database_now(tx))
    story = await begin_story(context)

    async def printed() -> list[str]:
        return texts(story.describe(await look_at_store(context, story)))

    await installation.ingest(push("e1", 0))
    came_in, waits, refused = await printed()
    assert came_in == "u receive_push of o"
    assert waits.startswith("f for u waits until 2")
    assert refused == "g for u: refused: the user was not in the campaign's audience (not_in_audience)"
    await installation.ingest(buy("e2", 1, product="shoe-1"))
    assert await printed() == [
        'u make_purchase {"product": "shoe-1"}',
        "f for u: excepted: an exception cancelled it while it waited (exception)",
    ]
    assert await printed() == [], "quiet when idle"
    assert (await begin_story(context)).open_ids == [], "what has ended is history"


MESSAGE = {"event": "message", "logger": "channel.console", "level": "info", "timestamp": "2026-03-02T12:00:00Z"}
REQUEST = {"event": "request", "logger": "api", "level": "info", "timestamp": "2026-03-02T12:00:00Z", "status": 200}
FAULT = {"event": "send_is_tried_again", "logger": "send", "level": "warning", "timestamp": "2026-03-02T12:00:00Z"}


@pytest.mark.parametrize(
    ("verbose", "raw", "on_stderr"),
    [
        (False, False, ["send_is_tried_again"]),
        (True, False, ["request", "send_is_tried_again"]),
        (False, True, ["message", "request", "send_is_tried_again"]),
    ],
)
def test_logs_of_the_processes(
    capsys: pytest.CaptureFixture[str], verbose: bool, raw: bool, on_stderr: list[str]
) -> None:
    """Messages belong to the story; requests only with --verbose; to no terminal every line goes as it is."""
    shown = StringIO()
    output = DevOutput(verbose=verbose, raw_logs=raw, console=Console(file=shown, highlight=False, soft_wrap=True))
    printed = {"channel": "push", "user": "u", "title": "Hi [bold]\x1b[31m", "body": "there"}
    for record in ({**MESSAGE, **printed}, REQUEST, FAULT):
        output.take_log(json.dumps(record))
    assert "✉ push to u: Hi [bold]\\u001b[31m · there" in shown.getvalue()
    assert "\x1b" not in shown.getvalue(), "colours are for terminals, and texts cannot set any"
    lines = capsys.readouterr().err.splitlines()
    assert [next(one for one in ("message", "request", "send_is_tried_again") if one in line) for line in lines] == (
        on_stderr
    )
