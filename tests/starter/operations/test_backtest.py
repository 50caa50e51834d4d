"""`connector backtest` over the store's own log, on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from connector.ingest.intake import Intake
from connector.rules.model.campaigns import parse_definition
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import database_now
from connector.store.follow_ups.deliveries import DeliveryState
from connector.store.tables import deliveries, follow_ups, interactions
from connector.store.users.descriptions import merge_user
from starter.operations.backtest import BacktestResult, NotBacktestable, backtest
from starter.operations.errors import NotKnown
from tests.support.builders import ABANDONED, BASE, ORIGINAL, PUSHED, buy, follow_on, opened, push
from tests.support.installation import Installation

WEBHOOK = {"webhook": {"url": "https://shop.example/hook", "body": "hi"}}


async def draft(installation: Installation, *definitions: dict[str, Any]) -> None:
    """Save drafts."""
    async with installation.database.write("default") as tx:
        await save_drafts(tx, [parse_definition(one) for one in definitions], await database_now(tx))


async def run_backtest(installation: Installation, campaign: str = "f", *, minutes: float = -60) -> BacktestResult:
    """What would have come of it since so many minutes after the base."""
    catalogue = await installation.cache.at_least(installation.database)
    async with installation.database.read("default") as tx:
        since, until = BASE + timedelta(minutes=minutes), await database_now(tx)
        return await backtest(tx, catalogue, campaign, since=since, until=until)


async def test_a_draft_is_judged_over_the_log(installation: Installation) -> None:
    """D1, X1, X4: who was triggered, called off by what, who got it, who still waits; how long exceptions take."""
    await installation.publish(ORIGINAL)
    await draft(
        installation,
        follow_on(
            "f", PUSHED, delay={"after": "30 minutes"}, exceptions=ABANDONED["delivery"]["exceptions"], messages=WEBHOOK
        ),
    )
    users = ["a", "b", "c", "d"]
    await installation.ingest(*(push(f"p-{name}", 0, user=name) for name in users))
    await installation.ingest(buy("b-a", 10, user="a"), {**opened("o-b", 20), "user": "b"}, buy("b-c", 50, user="c"))
    await installation.ingest(push("p-e", 115, user="e"), push("p-before", -90, user="z"))
    tally = (await run_backtest(installation)).tally
    assert (tally.users, tally.triggered, tally.sent, tally.waiting) == (5, 5, 2, 1)
    assert tally.excepted == {"make_purchase": 1, "open_push": 1}
    assert sorted(tally.until_exception) == [timedelta(minutes=m) for m in (10, 20, 50)]


async def test_what_would_have_been_refused_or_dropped_says_why(installation: Installation) -> None:
    """W2, T1: caps count what other campaigns really sent; users without an address are counted as unreachable."""
    await installation.publish(
        ORIGINAL, {"workspace": "default", "frequency_caps": [{"channel": "push", "at_most": 1, "per": "day"}]}
    )
    await draft(installation, follow_on("f", PUSHED, eligible_again="never"))
    for name in ("a", "b"):
        async with installation.database.write("default") as tx:
            await merge_user(tx, name, {"push_tokens": ["phone"]}, await database_now(tx))
    await installation.ingest(push("p1", 0, user="a"), push("p2", 0, user="b"), push("p3", 0, user="c"))
    await installation.ingest(push("p4", 5, user="b"))
    await sent_elsewhere(installation, "a")
    tally = (await run_backtest(installation)).tally
    assert (tally.triggered, tally.sent) == (3, 1)
    assert tally.dropped == {"frequency_capped": 1, "unreachable": 1}
    assert tally.refused == {"not_eligible_again": 1}


async def sent_elsewhere(installation: Installation, user: str) -> None:
    """Another campaign's push went out to a user just before the base."""
    async with installation.database.write("default") as tx:
        key = (await tx.execute(select(interactions.c.user_key).where(interactions.c.id == "p1"))).scalar_one()
        await tx.execute(
            insert(deliveries).values(
                workspace="default", id="x.push", follow_up_id="x", campaign="other", user_key=key, channel="push",
                state=DeliveryState.SENT.value, attempt=1, claimed_at=BASE - timedelta(minutes=1),
            )
        )  # fmt: skip


async def test_nothing_is_changed(installation: Installation) -> None:
    """Whatever is tested, no row is written, not even for a live campaign."""
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("p1", 0), buy("b1", 5))

    async def rows() -> list[int]:
        async with installation.database.read("default") as tx:
            counts = [select(func.count()).select_from(t) for t in (follow_ups, interactions, deliveries)]
            return [(await tx.execute(count)).scalar_one() for count in counts]

    before = await rows()
    assert (await run_backtest(installation)).tally.excepted == {"make_purchase": 1}
    assert await rows() == before


async def test_a_live_campaign_is_tested_without_what_it_really_made(installation: Installation) -> None:
    """The newest revision is judged, from `since` on, whatever was published when; its real receipts are left out."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "3 hours"}, messages=WEBHOOK))
    await draft(installation, follow_on("f", PUSHED, delay={"after": "5 minutes"}, messages=WEBHOOK))
    await installation.ingest(push("p1", 0), {**push("r1", 1), "type": "receive_webhook", "campaign": "f"})
    result = await run_backtest(installation)
    assert (result.revision, result.tally.sent, result.tally.refused) == (2, 1, {})


@pytest.mark.parametrize("campaign", ["o", "nowhere"])
async def test_what_is_no_follow_on_cannot_be_tested(installation: Installation, campaign: str) -> None:
    """An original has no trigger, and an unknown id is told."""
    await installation.publish(ORIGINAL)
    with pytest.raises((NotKnown, NotBacktestable), match=campaign):
        await run_backtest(installation, campaign)


async def test_a_log_that_is_kept_long_is_tested_to_its_beginning(installation: Installation) -> None:
    """X4, M6: with a longer retention than 90 days, what came first in a long log still counts."""
    await installation.publish(ORIGINAL)
    await draft(
        installation,
        follow_on(
            "f", PUSHED, delay={"after": "1 hour"}, exceptions=ABANDONED["delivery"]["exceptions"], messages=WEBHOOK,
            eligible_again="always",
        ),
    )  # fmt: skip
    keeping = Intake(installation.database, installation.cache, "default", retention=timedelta(days=400))
    a_day = 24 * 60
    days = range(-200, 0)
    await keeping.ingest([push(f"p{day}", day * a_day) for day in days])
    await keeping.ingest([buy(f"b{day}", day * a_day + 30) for day in days if day < -100])
    tally = (await run_backtest(installation, minutes=-201 * a_day)).tally
    assert (tally.triggered, tally.sent, tally.excepted) == (200, 100, {"make_purchase": 100})
