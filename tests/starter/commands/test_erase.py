"""`connector users erase`: what it prints where, and with which exit code it ends."""

import asyncio
import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector.rules.model.audit import ActorKind
from connector.rules.model.users import User
from connector.store.audit import AuditFilter, list_audit
from connector.store.engine.database import Database
from connector.store.users.descriptions import save_user
from connector.store.users.users import find_user
from tests.support.api import Connector

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class Terminal(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
async def ada(data: Path, sqlite_database: Database) -> str:
    """A user's id, which begins like a mark of earlier versions and is awkward otherwise."""
    async with sqlite_database.write("default") as tx:
        await save_user(tx, User(id="erased:ada / x", email="ada@shop.test"), NOW)
    return "erased:ada / x"


async def test_erased_once(connector: Connector, ada: str, sqlite_database: Database) -> None:
    """With its entry in the audit trail; again, nothing changes, and that is no failure."""
    for result in ("erased", "erased_before"):
        code, out, err = await asyncio.to_thread(connector, "users", "erase", ada, "--yes", "--json")
        assert (code, json.loads(out), err) == (0, {"user": ada, "result": result}, "")
    async with sqlite_database.read("default") as tx:
        assert await find_user(tx, ada) is None
        [entry] = await list_audit(tx, AuditFilter(), 10)
    assert entry.actor.kind in (ActorKind.COMMAND_LINE, ActorKind.KEY)  # over HTTP it is the key
    assert ada not in repr(entry)


async def test_who_is_not_known(connector: Connector, ada: str) -> None:
    """Exit code 1; nothing is kept of the id."""
    code, out, err = await asyncio.to_thread(connector, "users", "erase", "unknown", "--yes")
    assert (code, out) == (1, "")
    assert "unknown is not known" in err


async def test_words_for_people(connector: Connector, ada: str) -> None:
    """One line on standard output."""
    code, out, _ = await asyncio.to_thread(connector, "users", "erase", ada, "--yes")
    assert (code, out) == (0, f"{ada}: erased\n")


@pytest.mark.parametrize(("answer", "is_left"), [("n\n", True), ("\n", True), ("y\n", False)])
async def test_a_terminal_is_asked(
    connector: Connector,
    ada: str,
    sqlite_database: Database,
    answer: str,
    is_left: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only yes is a yes; otherwise nothing is erased, with exit code 1."""
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    code, _, _ = await asyncio.to_thread(connector, "users", "erase", ada)
    assert code == int(is_left)
    async with sqlite_database.read("default") as tx:
        assert (await find_user(tx, ada) is not None) is is_left


@pytest.mark.parametrize("id", ["", "x" * 256, "a\0b"])
@pytest.mark.store_only("it calls no operation")
def test_an_id_that_cannot_be(connector: Connector, data: Path, id: str) -> None:
    """Exit code 2: the words were wrong."""
    code, _, err = connector("users", "erase", "--yes", "--", id)
    assert (code, "1 to 255" in err) == (2, True)
