"""What came of a campaign, over HTTP and on the command line."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.app.context import AppContext
from connector.rules.sending.effects import KeepAssignment
from connector.rules.targeting.assignment import Assignment
from connector.store.engine.database import Database
from connector.store.follow_ups.receipts import insert_assignments
from connector.store.users.users import find_user
from tests.support.api import Connector
from tests.support.builders import ORIGINAL, at, buy
from tests.support.installation import Installation

COUNTING = {**ORIGINAL, "control_group": 20, "conversions": [{"event": "make_purchase"}]}
URL = "/v1/campaigns/o/results"
CONTROL, RECEIVERS = 80, 70


def entered(user: str, kind: str) -> dict[str, Any]:
    """The original went to this user, or would have."""
    return {"id": user, "user": user, "type": kind, "campaign": "o", "occurred_at": at(0)}


async def play(installation: Installation) -> None:
    """Newcombe's first example: 56 of 70 receivers bought, and 48 of 80 of the control group."""
    await installation.publish(COUNTING)
    control, receivers = ([f"{letter}{n}" for n in range(size)] for letter, size in (("c", CONTROL), ("r", RECEIVERS)))
    await installation.ingest(*(entered(user, "enroll_in_control_group") for user in control))
    await installation.ingest(*(entered(user, "receive_email") for user in receivers))
    await installation.ingest(*(buy(f"buy-{user}", 1, user) for user in (*control[:48], *receivers[:56])))


async def vary(installation: Installation) -> None:
    """Half of the receivers were given variant a, half of them b."""
    async with installation.database.write("default") as tx:
        for n in range(RECEIVERS):
            stored = await find_user(tx, f"r{n}")
            assert stored is not None
            assignment = Assignment(control=False, variant="a" if n < RECEIVERS / 2 else "b")
            await insert_assignments(tx, [KeepAssignment("o", stored.user_key, assignment)])


async def test_uplift_over_control(api: httpx.AsyncClient, context: AppContext) -> None:
    """C1: users, rates and the published interval; no variants where there are none."""
    await play(Installation(context.database))
    shown = (await api.get(URL)).json()
    assert (shown["id"], shown["confidence"], shown["variants"]) == ("o", 0.95, [])
    assert (shown["control"]["enrolled"], shown["control"]["converted"]) == (CONTROL, {"A": 48})
    assert (shown["receivers"]["sent"], shown["receivers"]["converted"]) == (RECEIVERS, {"A": 56})
    found = shown["receivers"]["uplift"]["A"]
    assert (found["rate"], found["control_rate"], found["difference"]) == (0.8, 0.6, 0.2)
    assert (round(found["low"], 4), round(found["high"], 4)) == (0.0524, 0.3339)
    assert (found["relative"], found["verdict"]) == (pytest.approx(1 / 3, abs=1e-6), "more")


async def test_each_variant_is_compared(api: httpx.AsyncClient, context: AppContext) -> None:
    """C1, T4: each variant with its own uplift; together they are the receivers."""
    installation = Installation(context.database)
    await play(installation)
    await vary(installation)
    shown = (await api.get(URL)).json()
    assert [(one["variant"], one["sent"], one["converted"]["A"]) for one in shown["variants"]] == [
        ("a", 35, 35),
        ("b", 35, 21),
    ]
    assert [one["uplift"]["A"]["verdict"] for one in shown["variants"]] == ["more", "undecided"]
    assert shown["receivers"]["converted"] == {"A": 56}


async def test_too_few_to_say(api: httpx.AsyncClient, context: AppContext) -> None:
    """C1: null where nobody is in the control group; zero where nobody got it."""
    installation = Installation(context.database)
    await installation.publish(COUNTING)
    shown = (await api.get(URL)).json()
    assert (shown["receivers"]["sent"], shown["receivers"]["uplift"]) == (0, {"A": None})
    await installation.ingest(entered("u", "receive_email"))
    shown = (await api.get(URL)).json()
    assert (shown["receivers"]["sent"], shown["receivers"]["uplift"]) == (1, {"A": None})


async def test_results_of_what_is_unknown(api: httpx.AsyncClient) -> None:
    """404, as for the campaign itself."""
    assert (await api.get("/v1/campaigns/nobody/results")).status_code == 404


@pytest.fixture
def played(data: Path, sqlite_url: str) -> Path:
    """The same in the database of the command line."""

    async def run() -> None:
        database = Database.open(sqlite_url)
        try:
            installation = Installation(database)
            await play(installation)
            await vary(installation)
        finally:
            await database.close()

    asyncio.run(run())
    return data


def test_status_in_words(connector: Connector, played: Path) -> None:
    """`connector status CAMPAIGN`: the groups in a table, and the uplift with its interval in points."""
    code, out, err = connector("status", "o")
    assert (code, err) == (0, "")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "control group 80 0 0 0 0 48 (60.0%)" in lines
    assert "receivers 0 70 0 0 0 56 (80.0%)" in lines
    assert "variant a 0 35 0 0 0 35 (100.0%)" in lines
    assert "receivers A +20.0 +5.2 to +33.4 +33.3% more than control" in lines
    assert any(line.startswith("variant b A +0.0") and line.endswith("no difference shown") for line in lines)


def test_status_in_json(connector: Connector, played: Path) -> None:
    """`--json`: the results as over HTTP."""
    shown = json.loads(connector("status", "o", "--json")[1])
    assert (shown["id"], shown["state"]) == ("o", "active")
    assert shown["results"]["receivers"]["uplift"]["A"]["verdict"] == "more"
    assert [one["variant"] for one in shown["results"]["variants"]] == ["a", "b"]


def test_status_before_anything_came_of_it(connector: Connector, data: Path, tmp_path: Path) -> None:
    """A draft has nothing to show, and says so."""
    (tmp_path / "o.yaml").write_text("campaign: o\ndelivery: {type: external}\n")
    connector("apply", str(tmp_path / "o.yaml"))
    assert "no user was reached yet" in connector("status", "o")[1]
