"""The overview, what needs a hand, the graph with live counts, and results over time, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from connector.app.store_context import StoreContext
from connector.settings.application import Settings
from connector.store.engine.database import Database, database_now
from connector.store.tables import follow_ups
from starter.operations.graph import read_graph
from starter.operations.overview import read_live_counts, read_overview
from starter.operations.results import read_results
from tests.support.builders import ABANDONED, BASE, ORIGINAL, buy, opened, push
from tests.support.installation import Installation

W = "default"
ZONE = {"workspace": "default", "zone": "America/New_York"}


@pytest.fixture
async def store(database: Database, installation: Installation) -> StoreContext:
    """A follow-on that has one follow-up each waiting, overdue, sent, failed and cancelled, and a refusal."""
    await installation.publish(ORIGINAL, ABANDONED, ZONE)
    users = ("waits", "late", "sent", "failed", "cancelled")
    await installation.ingest(*(push(user, 1, user) for user in users), buy("b", 31, "cancelled"))
    await installation.ingest(push("again", 2, "waits"))
    async with database.write(W) as tx:
        now = await database_now(tx)
        for user, values in {
            "late": {"next_at": now - timedelta(hours=1)},
            "sent": {"state": "sent", "decided_at": now},
            "failed": {"state": "failed", "reason": "send_unknown", "decided_at": now},
        }.items():
            await tx.execute(update(follow_ups).where(follow_ups.c.trigger_id == user).values(values))
    return StoreContext(Settings(), database, installation.cache)


async def test_overview(store: StoreContext) -> None:
    """Live counts of a page, and what is overdue and unknown, with the way out; three statements of counts."""
    view = await read_overview(store)
    with store.database.count_statements() as count:
        assert await read_overview(store) == view
    assert len([one for one in count.statements if "follow_up" in one]) == 4
    counts = {one["id"]: (one["state"], one["waiting"], one["sent_today"]) for one in view["campaigns"]}
    assert counts == {"f": ("active", 2, 1), "o": ("active", 0, 0)}
    assert (view["zone"], view["states"]["active"], view["has_more"]) == ("America/New_York", 2, False)
    assert datetime.fromisoformat(view["since"]).astimezone().minute == 0
    overdue, unknown = view["attention"]
    assert (overdue["kind"], overdue["campaign"], overdue["count"]) == ("overdue", "f", 1)
    assert (unknown["kind"], unknown["count"]) == ("unknown", 1)
    assert "connector resolve" in unknown["text"]


async def test_overview_by_page_and_search(store: StoreContext, installation: Installation) -> None:
    """Pages follow each other by id; what needs a hand is the same on each."""
    first = await read_overview(store, limit=1)
    second = await read_overview(store, limit=1, after=first["next"])
    assert [one["id"] for page in (first, second) for one in page["campaigns"]] == ["f", "o"]
    assert (first["has_more"], second["has_more"], second["next"]) == (True, False, None)
    assert len(second["attention"]) == 2
    assert [one["id"] for one in (await read_overview(store, search="O"))["campaigns"]] == ["o"]
    await installation.order("stop", "o")
    assert [one["kind"] for one in (await read_overview(store))["attention"]][-1] == "never_triggers"


async def test_live_counts_by_state(store: StoreContext, installation: Installation) -> None:
    """The page of the overview without what needs a hand; archived campaigns only if they are asked for."""
    overview = await read_overview(store)
    assert await read_live_counts(store) == {name: overview[name] for name in ("campaigns", "has_more", "next")}
    await installation.order("archive", "f")
    by_state = {state: await read_live_counts(store, state=state) for state in (None, "active", "archived", "draft")}
    ids = {state: [one["id"] for one in page["campaigns"]] for state, page in by_state.items()}
    assert ids == {None: ["o"], "active": ["o"], "archived": ["f"], "draft": []}


async def test_graph_has_live_counts(store: StoreContext) -> None:
    """The original, its follow-on, and the edges between them."""
    view = await read_graph(store, around="o")
    assert {node["id"]: (node["waiting"], node["sent_today"]) for node in view["nodes"]} == {"f": (2, 1), "o": (0, 0)}
    edges = [(edge["from"], edge["to"], edge["role"], edge["text"], edge["delay"]) for edge in view["edges"]]
    assert edges == [
        ("o", "f", "trigger", "receives the push", "after 12 hours"),
        ("o", "f", "exception", "opens the push", None),
    ]


async def test_results_with_funnel_reasons_and_waits(store: StoreContext) -> None:
    """Why nothing was sent, in words, and how soon the exception came."""
    view = await read_results(store, "f")
    assert {step: view["funnel"][step] for step in ("triggered", "waiting", "sent")} == {
        "triggered": 5,
        "waiting": 2,
        "sent": 1,
    }
    assert {one["reason"]: one["count"] for one in view["reasons"]} == {
        "already_waiting": 1,
        "exception": 1,
        "send_unknown": 1,
    }
    assert view["exceptions_after"] == {"count": 1, **dict.fromkeys(("p10", "p25", "p50", "p75", "p90", "p99"), 1800.0)}
    assert view["days"] is None


async def test_counts_within_all_times_are_those_without_bounds(store: StoreContext) -> None:
    """Counting index entries gives what the triggers keep, however the range is cut."""
    whole = await read_results(store, "f")
    since, middle, until = (BASE + timedelta(minutes=minutes) for minutes in (-1, 1.5, 60 * 24 * 400))
    assert (await read_results(store, "f", since=since, until=until))["follow_ups"] == whole["follow_ups"]
    early = await read_results(store, "f", since=since, until=middle)
    late = await read_results(store, "f", since=middle)
    assert (early["funnel"]["triggered"], late["funnel"]["triggered"]) == (5, 0)
    assert [one["reason"] for one in late["reasons"]] == ["already_waiting"]


async def test_days_add_up_to_the_whole(installation: Installation, database: Database) -> None:
    """Users belong to the day of their first receipt, whatever they did later; days without any are shown, too."""
    await installation.publish({**ORIGINAL, "conversions": [{"event": "make_purchase"}]}, ZONE)
    day = 24 * 60
    await installation.ingest(
        *(push(f"p{n}", -n * day, f"u{n}") for n in (0, 1, 3)),
        push("again", 5, "u3"),
        opened("late", 6, "u3"),
        buy("b", 7, "u0"),
    )
    store = StoreContext(Settings(), database, installation.cache)
    view = await read_results(store, "o", by="day")
    sent = [one["receivers"]["sent"] for one in view["days"]]
    assert (len(sent), sum(sent), view["receivers"]["sent"]) == (4, 3, 3)
    assert sent == [1, 0, 1, 1]
    assert [one["receivers"]["opened"] for one in view["days"]] == [1, 0, 0, 0]
    assert view["days"][-1]["receivers"]["converted"] == view["receivers"]["converted"] == {"A": 1}
    local = BASE.astimezone(datetime.fromisoformat("2026-01-01T00:00:00-05:00").tzinfo)
    assert view["days"][-1]["day"] in {local.date().isoformat(), (local + timedelta(hours=1)).date().isoformat()}
    part = await read_results(store, "o", since=BASE - timedelta(days=2), by="day")
    assert (part["receivers"]["sent"], part["receivers"]["opened"]) == (2, 0)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/overview?limit=1", 200),
        ("/v1/graph?search=f&depth=2", 200),
        ("/v1/graph?around=nobody", 404),
        ("/v1/campaigns/nobody/results", 404),
        ("/v1/overview?limit=0", 422),
        ("/v1/graph?depht=2", 422),
    ],
)
async def test_over_http(api: httpx.AsyncClient, path: str, status: int) -> None:
    """What is unknown is not found, and a slip in a parameter's name is named."""
    assert (await api.get(path)).status_code == status


async def test_an_empty_range_is_refused(api: httpx.AsyncClient) -> None:
    """Naming both ends."""
    await api.put("/v1/campaigns/o", json={"delivery": {"type": "external"}})
    times: dict[str, Any] = {"since": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"}
    answer = await api.get("/v1/campaigns/o/results", params=times)
    assert (answer.status_code, "until" in answer.text) == (422, True)
