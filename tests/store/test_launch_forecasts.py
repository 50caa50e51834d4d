"""What a publication or a resume does with the users of a launch, counted on both databases before the order."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from connector.rules.catalogue.lifecycle import OrderVerb
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.users import User
from connector.rules.publishing.launch_notes import launches_to_forecast
from connector.rules.sending.launch_times import LaunchForecast
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import database_now
from connector.store.erasure import erase_user
from connector.store.reporting import launch_forecasts
from connector.store.tables import follow_ups, launches
from tests.support.builders import now, original
from tests.support.installation import Installation
from tests.support.launch_harness import NOW, LaunchHarness

PASSED = (now() - timedelta(hours=3)).replace(second=0)
"""Three hours ago by the clock of UTC; it is now in the west, and half an hour ago in between."""
SEND = {"at": f"{PASSED:%Y-%m-%d %H:%M}", "zone": "user"}
ZONES = {"utc": "Etc/UTC", "none": None, "west": "Etc/GMT+4", "between": "America/St_Johns"}


@pytest.fixture
async def harness(installation: Installation) -> LaunchHarness:
    harness = LaunchHarness(installation)
    tiers = {"tier": "gold"}
    await harness.people(
        *(User(id=name, push_tokens=("t",), time_zone=zone, attributes=tiers) for name, zone in ZONES.items()),
        User(id="paper", time_zone="Etc/UTC"),
    )
    return harness


async def forecast(harness: LaunchHarness, verb: OrderVerb) -> dict[str, LaunchForecast]:
    installation = harness.installation
    catalogue = await installation.cache.at_least(installation.database)
    async with installation.database.read("default") as tx:
        at = await database_now(tx)
        entries = launches_to_forecast(catalogue, verb, ["o"], at)
        return await launch_forecasts.forecast_launches(tx, entries, catalogue.workspace, at)


async def apply(harness: LaunchHarness, **parts: Any) -> None:
    async with harness.installation.database.write("default", lock="exclusive") as tx:
        await save_drafts(tx, [parse_definition(original(**parts))], await database_now(tx))


GOLD = {"attribute": "tier", "is": "gold"}


@pytest.mark.parametrize(
    ("audience", "stale"), [("everyone", 3), (GOLD, 2), ({"did": {"event": "make_purchase"}}, 1)], ids=str
)
async def test_first_publication(harness: LaunchHarness, audience: Any, stale: int) -> None:
    """W5: the users of the audience whose own time passed more than an hour ago."""
    bought = {
        "id": "b",
        "user": "utc",
        "type": "make_purchase",
        "occurred_at": (now() - timedelta(hours=1)).isoformat(),
    }
    await harness.installation.ingest(bought)
    await apply(harness, send=SEND, audience=audience)
    found = (await forecast(harness, "publish"))["o"]
    assert (found.stale, found.is_exact) == (stale, True)


async def test_who_does_not_count(harness: LaunchHarness) -> None:
    """Erased users count no more, and nothing is counted if everybody gets it at once or later."""
    async with harness.installation.database.write("default") as tx:
        await erase_user(tx, "none", await database_now(tx))
    await apply(harness, send=SEND)
    assert (await forecast(harness, "publish"))["o"].stale == 2
    for send in ("at_publish", {"at": "2099-01-01 09:00", "zone": "user"}):
        await apply(harness, send=send)
        assert await forecast(harness, "publish") == {}


async def test_large_audience(harness: LaunchHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order does not wait until the attributes of all users are compared: the number is then a least one."""
    monkeypatch.setattr(launch_forecasts, "_PAGE_SIZE", 1)
    monkeypatch.setattr(launch_forecasts, "_MAX_EVALUATED", 2)
    await apply(harness, send=SEND, audience=GOLD)
    found = (await forecast(harness, "publish"))["o"]
    assert (found.is_exact, 0 < found.stale + found.at_once <= 2) == (False, True)


async def test_resume(harness: LaunchHarness) -> None:
    """P9: those who were added and still wait, by how long they have waited, not counting their turn."""
    await harness.crowd(5)
    await harness.publish(per_minute=1)
    await harness.work(NOW)
    assert await forecast(harness, "resume") == {}  # it is live
    await harness.installation.order("stop", "o")
    waiting = [row.id for row in await harness.rows() if row.state == "waiting"]
    async with harness.installation.database.write("default") as tx:
        at = await database_now(tx)
        await tx.execute(update(launches).values(kept_up_at=at - timedelta(days=2)))
        for id, next_at in zip(waiting, (at - timedelta(hours=1), at + timedelta(hours=1)), strict=False):
            await tx.execute(update(follow_ups).where(follow_ups.c.id == id).values(next_at=next_at))
        await tx.execute(
            update(follow_ups).where(follow_ups.c.id.in_(waiting[2:])).values(next_at=at - timedelta(days=3))
        )
    assert await forecast(harness, "resume") == {"o": LaunchForecast(at_once=1, stale=len(waiting) - 2, later=1)}


async def test_resume_before_the_audience_was_selected(harness: LaunchHarness) -> None:
    """P9: then the users of the audience count, by their time."""
    await harness.publish(send={"at": f"{now() + timedelta(days=3):%Y-%m-%d %H:%M}", "zone": "company"})
    await harness.installation.order("stop", "o")
    assert await forecast(harness, "resume") == {"o": LaunchForecast(later=5)}
