"""`connector reports`: what could not be led back, and leading it back, from the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from connector.rules.model.users import User
from connector.store.engine.database import Database
from tests.support.api import Connector
from tests.support.builders import ORIGINAL
from tests.support.installation import Installation
from tests.support.provider_event_harness import UNMATCHED_EVENTS, ProviderEventHarness


@pytest.fixture
def kept(data: Path, sqlite_url: str) -> str:
    """A database in which everything that leads nowhere was told."""

    async def tell(harness: ProviderEventHarness) -> None:
        await harness.installation.publish(ORIGINAL)
        await harness.save_users(User(id="u", email="ada@shop.test"))
        await harness.ingest(*(event for event, _ in UNMATCHED_EVENTS))

    _with_harness(sqlite_url, tell)
    return sqlite_url


def _with_harness(url: str, act: object) -> None:
    async def run() -> None:
        database = Database.open(url)
        await act(ProviderEventHarness(Installation(database)))  # type: ignore[operator]
        await database.close()

    asyncio.run(run())


def test_what_is_kept_is_listed_without_recipients(connector: Connector, kept: str) -> None:
    """Counted by provider and reason, the newest listed, and nobody's address shown."""
    code, out, err = connector("reports", "--json")
    shown = json.loads(out)
    assert (code, err) == (0, "")
    assert {"provider": "sendgrid", "reason": "no_campaign", "count": 1} in shown["counts"]
    assert sorted(one["id"] for one in shown["reports"]) == sorted(event.id for event, _ in UNMATCHED_EVENTS)
    assert "@" not in out
    code, out, _ = connector("reports", "--limit", "2")
    assert (code, "unknown_delivery" in out, "@" in out) == (0, True, False)
    nothing = {"counts": [], "reports": [], "has_more": False, "next": None}
    assert json.loads(connector("reports", "--provider", "ses", "--json")[1]) == nothing
    assert connector("reports", "--provider", "ses")[1] == "there are no unmatched events\n"


def test_what_was_missing_is_told_and_led_back(connector: Connector, kept: str) -> None:
    """After the campaign was applied it leads somewhere; the rest stays, with its reasons."""

    async def mend(harness: ProviderEventHarness) -> None:
        await harness.installation.publish({"campaign": "later", "delivery": {"type": "external"}})

    _with_harness(kept, mend)
    code, out, _ = connector("reports", "--retry", "--json")
    assert (code, json.loads(out)) == (0, {"led_back": 1, "dropped": 0, "left": len(UNMATCHED_EVENTS) - 1})
    assert connector("reports", "--retry")[1] == f"0 matched, {len(UNMATCHED_EVENTS) - 1} unmatched\n"


@pytest.mark.parametrize("words", [["--provider", "nobody"], ["--limit", "0"], ["more"]])
@pytest.mark.store_only("it calls no operation")
def test_wrong_words(connector: Connector, words: list[str]) -> None:
    """Exit code 2, and what would be right."""
    code, out, err = connector("reports", *words)
    assert (code, out) == (2, "")
    assert err


@pytest.mark.store_only("about the data folder")
def test_without_tables(connector: Connector, tmp_path: Path) -> None:
    """Exit code 1, and how they are made."""
    code, _, err = connector("reports", "--data", str(tmp_path / "nothing"))
    assert code == 1
    assert "connector setup" in err
