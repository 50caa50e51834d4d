"""`connector explain`: one story for each campaign, in words, and the same as HTTP in JSON."""

import asyncio
import json
import re
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.app.context import AppContext
from connector.rules.model.users import User
from connector.store.engine.database import Database
from connector.store.erasure import erase_user
from starter.explain.explain import explain_user
from starter.explain.explanation import render_text
from tests.support.api import Connector
from tests.support.builders import ABANDONED, ALIAS, BASE, ORIGINAL, PUSHED, at, follow_on, opened, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.send_harness import SendHarness


def _now(work: Awaitable[Any]) -> Any:
    async def run() -> Any:
        return await work

    return asyncio.run(run())


async def _story(url: str, *, erased: bool = False) -> None:
    database = Database.open(url)
    installation = Installation(database)
    await installation.publish(ORIGINAL, ABANDONED, ALIAS)
    await installation.ingest(push("p1", 1, device="a b"), opened("o1", 2), push("p2", 3), push("p3", 4))
    if erased:
        async with database.write("default") as tx:
            await erase_user(tx, "u", BASE)
    await database.close()


def _without_id(line: str) -> str:
    """The id with which an operator takes a follow-up in hand is another one each time."""
    return re.sub(r"(the follow-up |/)[0-9a-f]{26,32}", lambda found: found[1].strip(), line)


WORKFLOW = "      workflow follow-up/default/f//"
"""The line with the id of a workflow, without the user's key and the follow-up's id."""


def _utc(minutes: float) -> str:
    return at(minutes).replace("+00:00", "Z")


def test_a_story_in_words(connector: Connector, data: Path, sqlite_url: str) -> None:
    """Guarantee 7: what came in, what came of it with its code, what was looked at; then what nothing came of."""
    _now(_story(sqlite_url))
    code, out, err = connector("explain", "u")
    assert (code, err) == (0, "")
    lines = [_without_id(line.partition(", arrived at ")[0]) for line in out.splitlines()]
    assert lines[0].startswith("u, as of 2")
    assert lines[1:] == [
        "",
        "f (active, first published at 2020-01-01T00:00:00Z)",
        f'  {_utc(1)}  receive_push of o [device: "a b"] (p1)',
        f"    began the follow-up, due at {_utc(12 * 60 + 1)}",
        WORKFLOW,
        lines[6],
        f"      open_push of the campaign o (o1) at {_utc(2)}, 0:01:00 after the trigger",
        lines[8],
        f"  {_utc(3)}  receive_push of o (p2)",
        f"    began the follow-up, due at {_utc(12 * 60 + 3)}",
        WORKFLOW,
        f"    waits until {_utc(12 * 60 + 3)}",
        f"  {_utc(4)}  receive_push of o (p3)",
        "    refused: a follow-up of the campaign was open for the user already (already_waiting)",
        f"      receive_push of the campaign o (p2) began it at {_utc(3)}",
        f"      it was due at {_utc(12 * 60 + 3)}",
        "      `retrigger` is ignore",
        "",
        "alias (active): no decision",
        "  nearest to its trigger:",
        f"  {_utc(4)}  receive_push of o (p3)",
        "    it did not count: it was receive_push, and the trigger requires click_email_alias of the campaign o "
        "(alias: main) (other_interaction)",
    ]
    assert lines[6].startswith("    cancelled at ")
    assert lines[6].endswith(": an exception cancelled it while it waited (exception)")
    assert lines[8].startswith("      it arrived at ")


async def test_json_is_the_answer_of_http(
    connector: Connector, data: Path, context: AppContext, api: httpx.AsyncClient, sqlite_url: str
) -> None:
    """One object, with the same keys and values as over HTTP, but for the moment at which it was looked."""
    await _story(sqlite_url)
    for words, asked in (([], {}), (["--campaign", "alias"], {"campaign": "alias"})):
        code, out, _ = await asyncio.to_thread(connector, "explain", "u", "--json", *words)
        answer = (await api.get("/v1/users/u/explain", params=asked)).json()
        assert code == 0
        assert {**json.loads(out), "as_of": ""} == {**answer, "as_of": ""}


@pytest.mark.parametrize(
    ("words", "erased", "message"),
    [
        (["nobody"], False, "the user nobody is not known"),
        (["u", "--campaign", "alia"], False, "alia is not known; did you mean alias?"),
        (["u"], True, "the user u was erased"),
    ],
)
def test_who_and_what_is_not_known(
    connector: Connector, data: Path, sqlite_url: str, words: list[str], erased: bool, message: str
) -> None:
    """Exit code 1, with the fault on standard error and nothing on standard output."""
    _now(_story(sqlite_url, erased=erased))
    code, out, err = connector("explain", *words)
    assert (code, out) == (1, "")
    assert message in err


async def test_messages_in_words(context: AppContext) -> None:
    """Each channel has a line; the facts of a reason that is not the follow-up's own stand below it."""
    installation = Installation(context.database)
    harness = SendHarness(installation, FakeChannel())
    await harness.save_user(User(id="u", push_tokens=("t",), email="u@example.com", consent={"email": "unsubscribed"}))
    both = {"push": {"title": "t", "body": "b"}, "email": {"subject": "s", "text": "t"}}
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "5 minutes"}, messages=both))
    await installation.ingest(push("p1", 0))
    for channel in ("push", "email"):
        await harness.send(minutes=5, channel=channel)
    assert [_without_id(line) for line in render_text(await explain_user(context, "u"))][4:] == [
        f"    began the follow-up, due at {_utc(5)}",
        WORKFLOW,
        f"    sent at {_utc(5)}",
        f"    email: the user unsubscribed from the channel (no_consent) at {_utc(5)}",
        "      consent for email as known now: unsubscribed",
        f"    push: sent at {_utc(5)}",
    ]


async def test_a_user_of_whom_nothing_is_near(context: AppContext) -> None:
    """Said in one line, and no campaign is listed."""
    installation = Installation(context.database)
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest({"id": "s", "user": "u", "type": "start_session", "occurred_at": at(1)})
    lines = list(render_text(await explain_user(context, "u")))
    assert len(lines) == 3
    assert "no decision was made" in lines[-1]


async def test_a_cut_story_says_so(context: AppContext) -> None:
    """The answer is bounded: the newest decisions, with a word that there are older ones."""
    installation = Installation(context.database)
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("p1", 1), push("p2", 2), push("p3", 3))
    explanation = await explain_user(context, "u", most=2)
    assert explanation.is_cut
    assert [chapter.interaction.id for chapter in explanation.campaigns[0].chapters] == ["p2", "p3"]
    assert "older decisions are left out" in list(render_text(explanation))[1]
