"""`connector backtest`: what a follow-on would have done, in words and in JSON."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from connector.store.engine.database import Database
from tests.support.api import Connector
from tests.support.builders import ABANDONED, ORIGINAL, buy, push
from tests.support.installation import Installation


@pytest.fixture
def logged(data: Path, sqlite_url: str) -> None:
    """Two users got the push half an hour ago; one of them bought something ten minutes later."""

    async def run() -> None:
        database = Database.open(sqlite_url)
        installation = Installation(database)
        await installation.publish(ORIGINAL, ABANDONED)
        await installation.ingest(push("p-a", 0, "a"), push("p-b", 0, "b"), buy("b-a", 10, "a"))
        await database.close()

    asyncio.run(run())


def test_what_a_follow_on_would_have_done(connector: Connector, logged: None) -> None:
    """Its numbers, how soon exceptions came, and nothing is changed; an unknown id and a wrong start say so."""
    code, out, err = connector("backtest", "f", "--since", "3 hours", "--json")
    assert (code, err) == (0, "")
    shown = json.loads(out)
    assert (shown["campaign"], shown["triggered"], shown["excepted"]) == ("f", 2, {"make_purchase": 1})
    code, out, err = connector("backtest", "f", "--since", "3 hours")
    assert (code, err, "make_purchase" in out) == (0, "", True)
    code, out, err = connector("backtest", "fo", "--since", "3 hours")
    assert (code, out, "fo is not known" in err) == (1, "", True)
    assert connector("backtest", "o", "--since", "3 hours")[:2] == (1, "")
    code, out, err = connector("backtest", "f", "--since", "soon")
    assert (code, out, "soon" in err) == (2, "", True)
