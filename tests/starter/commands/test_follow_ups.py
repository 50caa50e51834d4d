"""`connector send-now`, `postpone` and `cancel` with Temporal away: what the store alone can tell."""

import asyncio
from pathlib import Path

import pytest

from connector.names import follow_up_id
from connector.store.engine.database import Database
from tests.support.api import NOWHERE, Connector
from tests.support.builders import ABANDONED, ORIGINAL, buy, push
from tests.support.installation import Installation

WORDS = {"send-now": (), "postpone": ("--by", "2 hours"), "cancel": ()}


@pytest.mark.parametrize(
    "words",
    [
        ["send-now"],
        ["cancel"],
        ["postpone", "f"],
        ["postpone", "f", "--by", "2 hours", "--until", "2026-03-02T09:00:00Z"],
        ["postpone", "f", "--by", "soon"],
        ["postpone", "f", "--until", "tomorrow"],
        ["postpone", "f", "--until", "2026-03-02T09:00:00"],
        ["cancel", "f", "--note", "x" * 201],
    ],
)
@pytest.mark.store_only("it calls no operation")
def test_wrong_words(connector: Connector, words: list[str]) -> None:
    """Exit code 2, with the fault on standard error and nothing on standard output."""
    code, out, err = connector(*words)
    assert (code, out) == (2, "")
    assert err


@pytest.mark.parametrize("verb", WORDS)
def test_unknown_follow_up(connector: Connector, data: Path, verb: str) -> None:
    """Exit code 1, and where ids are found."""
    code, out, err = connector(verb, "nobody", *WORDS[verb])
    assert (code, out) == (1, "")
    assert "there is no follow-up 'nobody'" in err
    assert "GET /v1/follow-ups" in err


@pytest.mark.parametrize("verb", WORDS)
async def test_ended_and_waiting(connector: Connector, data: Path, sqlite_database: Database, verb: str) -> None:
    """One that has ended is told with its state; one that waits needs Temporal, whose address is told."""
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("e1", 0))
    [row] = await installation.rows()
    code, _, err = await asyncio.to_thread(connector, verb, row.id, *WORDS[verb])
    assert code == 1
    assert NOWHERE in err
    await installation.ingest(buy("b1", 1))
    workflow_id = follow_up_id("default", row.campaign, row.user_key, row.id)
    code, _, err = await asyncio.to_thread(connector, verb, workflow_id, *WORDS[verb])
    assert (code, err) == (1, "it has ended: excepted (exception)\n")
