"""The registry's activities on both databases: orders judged and committed once, and what was stopped ended."""

import asyncio
import time
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities import publish
from activities.publish import Publisher
from connector.rules.model.campaigns import parse_definition
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import database_now
from connector.store.follow_ups.ending import end_stopped
from connector.store.tables import orders, publications
from connector.store.users.users import lock_users
from connector.wire import Order, OrderReceipt, StoppedWindow
from tests.support.builders import ABANDONED, BASE, ORIGINAL, PUSHED, follow_on, push
from tests.support.databases import open_database
from tests.support.installation import Installation

F = follow_on("f", PUSHED, delay={"after": "1 day"})
G = follow_on("g", PUSHED, delay={"after": "1 day"})


def publisher(installation: Installation, **parts: Any) -> Publisher:
    """A publisher with a cache of its own, as a worker process has."""
    return Publisher(installation.database, CatalogueCache("default"), "default", **parts)


async def apply(installation: Installation, *definitions: dict[str, Any]) -> None:
    async with installation.database.write("default") as tx:
        await save_drafts(tx, [parse_definition(one) for one in definitions], await database_now(tx))


def order(verb: Any, *ids: str, **more: Any) -> Order:
    return Order(workspace="default", order_id=uuid4().hex, verb=verb, ids=ids, **more)


async def give(to: Publisher, what: Order) -> OrderReceipt:
    receipt: OrderReceipt = await ActivityEnvironment().run(to.carry_out_order, what)
    return receipt


async def windows(installation: Installation) -> list[tuple[str, datetime, datetime | None]]:
    async with installation.database.read("default") as tx:
        found = await tx.execute(select(publications).order_by(publications.c.window_id))
        return [(row.id, row.opened_at, row.closed_at) for row in found]


async def test_order_sorts_itself_and_takes_effect_at_one_instant(installation: Installation) -> None:
    """P5: follow-ons before what they listen to, all at the same instant."""
    await apply(installation, ORIGINAL, F)
    receipt = await give(publisher(installation), order("publish", "o", "f"))
    assert receipt.changed == ("f", "o")
    assert await windows(installation) == [("f", receipt.effective_at, None), ("o", receipt.effective_at, None)]


async def test_repeated_order_changes_nothing_and_answers_the_same(installation: Installation) -> None:
    """Design 6: a retry, a reset or a terminated predecessor's late activity finds its own receipt."""
    await apply(installation, ORIGINAL, F)
    first = order("publish", "f", "o")
    receipt = await give(publisher(installation), first)
    await give(publisher(installation), order("stop", "f"))
    before = await windows(installation)
    assert await give(publisher(installation), first) == receipt
    assert await windows(installation) == before


async def test_refused_order_tells_every_problem_and_changes_nothing(installation: Installation) -> None:
    """P3: the original before its draft follow-on is refused, with the names; the failure is not retried."""
    await apply(installation, ORIGINAL, F, G)
    with pytest.raises(ApplicationError) as refused:
        await give(publisher(installation), order("publish", "o"))
    assert (refused.value.type, refused.value.non_retryable) == ("OrderRefused", True)
    [problems] = refused.value.details
    assert "f" in str(problems)
    assert "g" in str(problems)
    assert await windows(installation) == []


async def test_refusal_with_a_thousand_problems_tells_the_first(installation: Installation) -> None:
    """Whatever an order runs into, the answer fits into what Temporal carries."""
    await apply(installation, ORIGINAL)
    with pytest.raises(ApplicationError) as refused:
        await give(publisher(installation), order("publish", *(f"unknown-{number}" for number in range(1000))))
    [problems] = refused.value.details
    assert len(problems) == 101
    assert problems[-1] == "and 900 more of the kind"


async def test_missed_interactions_are_counted_in_the_warning(installation: Installation) -> None:
    """P4: publishing F while O is active warns with how many launch-time interactions were missed."""
    await installation.publish(ORIGINAL)
    await installation.ingest(*(push(f"e{number}", number) for number in range(3)))
    await apply(installation, F)
    warning, *_ = (await give(publisher(installation), order("publish", "f"))).warnings
    assert "3 receive_push have been missed" in warning


async def test_publishers_together_lose_no_order(installation: Installation) -> None:
    """Compare-and-set: whoever judged an older catalogue judges again."""
    await apply(installation, *({"campaign": f"c{number}", "delivery": {"type": "external"}} for number in range(6)))
    receipts = await asyncio.gather(
        *(give(publisher(installation), order("publish", f"c{number}")) for number in range(6))
    )
    assert [receipt.changed for receipt in receipts] == [(f"c{number}",) for number in range(6)]
    assert len({receipt.version for receipt in receipts}) == 6
    async with installation.database.read("default") as tx:
        assert (await tx.execute(select(func.count()).select_from(orders))).scalar_one() == 6


async def test_waits_of_closed_windows_end_in_pages(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P9, case 20: dropped as stopped at the instant of the stop; others wait on, and what is over stays as it was."""
    monkeypatch.setattr(publish, "_PAGE_SIZE", 2)
    await installation.publish(ORIGINAL, F, ABANDONED | {"campaign": "other"}, since=BASE)
    await installation.ingest(*(push(f"e{number}", number, user=f"u{number}") for number in range(5)))
    told: list[int] = []
    stopping = publisher(installation, changed=lambda: told.append(1))
    stopped_at = (await give(stopping, order("stop", "f"))).effective_at
    environment, beats = ActivityEnvironment(), []
    environment.on_heartbeat = lambda *details: beats.append(details)
    assert await environment.run(stopping.end_waits, StoppedWindow(workspace="default", campaigns=("f", "o"))) == 5
    assert beats == [(2,), (4,), (5,)]
    assert told
    rows = {
        (row.campaign, row.state, row.reason, row.decided_at, row.ended_outside) for row in await installation.rows()
    }
    assert rows == {("f", "dropped", "stopped", stopped_at, True), ("other", "waiting", None, None, False)}
    assert await environment.run(stopping.end_waits, StoppedWindow(workspace="default", campaigns=())) == 0


async def test_other_writers_wait_for_one_page(
    installation: Installation, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each page another process can write, also for a user of the page, for as long as the page took."""
    pages, pauses = list[float](), list[float]()

    async def end_timed(*page: Any) -> int:
        began_at = time.monotonic()
        ended = await end_stopped(*page)
        pages.append(time.monotonic() - began_at)
        return ended

    async def write_meanwhile(seconds: float) -> None:
        async with other_process.write("default") as tx:
            await lock_users(tx, everybody)
        pauses.append(seconds)
        assert len(pauses) == len(pages)

    monkeypatch.setattr(publish, "_PAGE_SIZE", 1)
    monkeypatch.setattr(publish, "_MAX_PAUSE_SECONDS", 3600.0)
    monkeypatch.setattr(publish, "end_stopped", end_timed)
    monkeypatch.setattr(publish, "asyncio", SimpleNamespace(sleep=write_meanwhile))
    await installation.publish(ORIGINAL, F, since=BASE)
    await installation.ingest(*(push(f"e{number}", number, user=f"u{number}") for number in range(4)))
    everybody = {row.user_key for row in await installation.rows()}
    stopping = publisher(installation)
    await give(stopping, order("stop", "f"))
    stopped = StoppedWindow(workspace="default", campaigns=("f",))
    async with open_database(database_url) as other_process:
        assert await ActivityEnvironment().run(stopping.end_waits, stopped) == 4
    assert len(pages) == 4
    assert all(pause >= page for pause, page in zip(pauses, pages, strict=True))


async def test_resumed_campaigns_new_waits_stay(installation: Installation) -> None:
    """P9: only what waits in the closed window ends, however late its end is carried out."""
    await installation.publish(ORIGINAL, F, since=BASE)
    await installation.ingest(push("e1", 0, user="a"))
    both = publisher(installation)
    await give(both, order("stop", "f"))
    resumed = (await give(both, order("resume", "f"))).effective_at
    assert resumed is not None
    late = push("e2", 0, user="b") | {"occurred_at": resumed.isoformat()}
    await installation.ingest(late)
    assert await ActivityEnvironment().run(both.end_waits, StoppedWindow(workspace="default", campaigns=())) == 1
    assert {(row.trigger_id, row.state) for row in await installation.rows()} == {("e1", "dropped"), ("e2", "waiting")}
