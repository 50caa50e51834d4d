"""`connector follow-ups`: the filters of `GET /v1/follow-ups`, as a table and as JSON."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from connector.store.engine.database import Database
from tests.support.api import Connector
from tests.support.builders import ABANDONED, ORIGINAL, buy, push
from tests.support.installation import Installation


async def test_filters_and_pages(connector: Connector, data: Path, sqlite_database: Database) -> None:
    """A page with its way to the next one; a user by id or key; what nothing matches is a sentence."""
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("p-ann", 1, "ann"), push("p-ben", 2, "ben"), buy("b-ben", 3, "ben"))

    async def listed(*words: str) -> dict[str, object]:
        code, out, err = await asyncio.to_thread(connector, "follow-ups", *words, "--json")
        assert (code, err) == (0, "")
        return dict(json.loads(out))

    first = await listed("--limit", "1")
    assert [first["has_more"], len(first["follow_ups"])] == [True, 1]  # type: ignore[arg-type]
    second = await listed("--limit", "1", "--after", str(first["next"]))
    assert [second["has_more"], second["next"]] == [False, None]
    [ann] = second["follow_ups"]  # type: ignore[misc]
    assert (ann["user"], ann["state"]) == ("ann", "waiting")
    assert (await listed("--user", ann["user_key"]))["follow_ups"] == [ann]
    assert (await listed("--state", "excepted", "--reason", "exception", "--channel", "push"))["follow_ups"] != []
    code, out, err = await asyncio.to_thread(connector, "follow-ups", "--limit", "1")
    assert (code, out.split()[:2]) == (0, ["id", "campaign"])
    assert err == f"there are more: --after {first['next']}\n"
    code, out, err = await asyncio.to_thread(connector, "follow-ups", "--campaign", ABANDONED["campaign"] + "x")
    assert (code, out) == (0, "no follow-up matches\n")
    assert err == "fx is not known; did you mean f?\n"
    code, out, _ = await asyncio.to_thread(connector, "follow-ups", "--campaign", "fx", "--json")
    assert json.loads(out) == {"follow_ups": [], "has_more": False, "next": None, "hint": err.rstrip()}
    assert "hint" not in await listed("--campaign", "f", "--state", "failed")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (2, ["--state", "late"]),
        (2, ["--since", "yesterday"]),
        (2, ["--limit", "0"]),
        (2, ["--reason", "none"]),
        (2, ["--channel", "fax"]),
        (1, ["--after", "x"]),
        (1, ["--state", "refused", "--channel", "push"]),
    ],
)
def test_wrong_words(connector: Connector, data: Path, code: int, words: list[str]) -> None:
    """The fault is on standard error, and nothing on standard output."""
    found, out, err = connector("follow-ups", *words)
    assert (found, out) == (code, "")
    assert err
