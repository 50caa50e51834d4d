"""An open, click or receipt that two sources report is one interaction, whichever comes first and however close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select

from connector.store.engine.database import Database
from connector.store.tables import interactions
from tests.support.builders import ORIGINAL, at, follow_on, push
from tests.support.installation import Installation

OPENED = follow_on("f", {"interaction": "open_email", "campaign": "o"}, delay={"after": "1 day"}, retrigger="restart")
URL = "https://shop.test/sale"


def report(
    name: str, source: str | None, seconds: float = 0, kind: str = "open_email", user: str = "u", **more: Any
) -> dict[str, Any]:
    """An act on the delivery `d`, by our own tracking (no source) or by a provider."""
    properties = {"delivery": "d", **({"source": source} if source else {}), **more}
    moment = at(seconds / 60)
    return {"id": name, "user": user, "type": kind, "campaign": "o", "occurred_at": moment, "properties": properties}


async def logged(installation: Installation) -> list[str]:
    async with installation.database.read("default") as tx:
        return sorted((await tx.execute(select(interactions.c.id))).scalars())


@pytest.mark.parametrize("order", list(permutations(range(2))))
@pytest.mark.parametrize("together", [True, False])
async def test_an_open_of_two_sources_is_one(
    installation: Installation, order: tuple[int, ...], together: bool
) -> None:
    """Whichever is reported first, in one batch or in two; the follow-on is triggered once."""
    await installation.publish(ORIGINAL, OPENED)
    items = [report("pixel", None), report("provider", "ses", 30)]
    batches = [[items[n] for n in order]] if together else [[items[n]] for n in order]
    results = [result.status for batch in batches for result in await installation.ingest(*batch)]
    assert results == ["accepted", "duplicate"]
    assert [row.trigger_id for row in await installation.rows()] == [("pixel", "provider")[order[0]]]
    assert [r.status for batch in batches for r in await installation.ingest(*batch)] == ["duplicate", "duplicate"]


async def test_two_opens_of_one_source_stay_two(installation: Installation) -> None:
    """A reader who opens twice opened twice; the other source's word on each is no third."""
    await installation.publish(ORIGINAL)
    await installation.ingest(report("p1", None), report("p2", None, 60))
    results = await installation.ingest(report("s1", "ses", 1), report("s2", "ses", 61), report("s3", "ses", 400))
    assert [result.status for result in results] == ["duplicate", "duplicate", "accepted"]
    assert await logged(installation) == ["p1", "p2", "s3"]


async def test_clicks_are_told_apart_by_their_links(installation: Installation) -> None:
    """M1: with an alias or without, by number or by address."""
    await installation.publish(ORIGINAL)
    ours = report("p1", None, 0, "click_email_alias", url=URL, link=0, alias="cta")
    theirs = [
        report("s1", "mailgun", 2, "click_email", url=URL),
        report("s2", "mailgun", 2, "click_email", url=URL, link=1),
        report("s3", "mailgun", 2, "click_email", url=URL + "?b"),
    ]
    results = await installation.ingest(ours, *theirs)
    assert [result.status for result in results] == ["accepted", "duplicate", "accepted", "accepted"]


async def test_a_message_is_received_once_within_a_week(installation: Installation) -> None:
    """A message that is delivered days after it was sent is the same one (M6)."""
    await installation.publish(ORIGINAL)
    day = 86400
    sent = report("s1", "ses", -3 * day, "receive_email")
    delivered = report("s2", "ses", 0, "receive_email")
    assert [r.status for r in await installation.ingest(sent, delivered)] == ["accepted", "duplicate"]


@pytest.mark.parametrize("kind", ["receive_email", "open_email"])
@pytest.mark.parametrize("free", [{"message": "newsletter"}, {"delivery": "express"}])
async def test_free_properties_of_services_drop_nothing(
    installation: Installation, kind: str, free: dict[str, str]
) -> None:
    """M6: two interactions with ids of their own are two, whatever a service calls its properties."""
    await installation.publish(ORIGINAL)
    items = [
        report(name, None, seconds, kind, **{"delivery": None} | free) for name, seconds in (("r1", 0), ("r2", 60))
    ]
    later = report("r3", None, 6000, kind, **{"delivery": None} | free)
    assert [result.status for result in await installation.ingest(*items, later)] == ["accepted"] * 3


async def test_other_users_and_other_messages_are_others(installation: Installation) -> None:
    """The same delivery's name under another user, or another delivery, is no repetition."""
    await installation.publish(ORIGINAL)
    await installation.ingest(report("p1", None))
    results = await installation.ingest(
        report("s1", "ses", user="v"),
        report("s2", "ses", delivery="e"),
        report("s3", "ses", message="d", delivery=None),
    )
    assert [result.status for result in results] == ["accepted", "accepted", "accepted"]


@pytest.fixture
async def installations(database_url: str) -> AsyncIterator[list[Installation]]:
    """Four processes' worth of connections to one database."""
    async with AsyncExitStack() as stack:
        opened = [Database.open(database_url) for _ in range(4)]
        for database in opened:
            stack.push_async_callback(database.close)
        yield [Installation(database) for database in opened]


async def test_both_at_once_are_one(installations: list[Installation]) -> None:
    """Under the users' lock: pixel and providers, at the same moment, for users that did not exist before."""
    await installations[0].publish(ORIGINAL, OPENED)
    sources = [None, "ses", "sendgrid", "mailgun"]
    for turn in range(10):
        user = f"u{turn}"
        acts = [
            installation.ingest(report(f"{user}-{source}", source, number, user=user, delivery=f"d{turn}"))
            for number, (installation, source) in enumerate(zip(installations, sources, strict=True))
        ]
        results = [result.status for batch in await asyncio.gather(*acts) for result in batch]
        assert sorted(results) == ["accepted", "duplicate", "duplicate", "duplicate"]
    assert len(await installations[0].rows()) == 10


async def test_only_batches_with_such_items_ask_for_them(installation: Installation) -> None:
    """One statement more, however many such items there are, and none if there are none."""
    await installation.publish(ORIGINAL)
    await installation.ingest(*(push(f"e{n}", 0, user=f"u{n}") for n in range(40)))

    async def count(*items: dict[str, Any]) -> int:
        with installation.database.count_statements() as counted:
            await installation.ingest(*items)
        return len(counted.statements)

    plain = await count(*(report(f"a{n}", None, user=f"u{n}", delivery=None) for n in range(2)))
    few = await count(*(report(f"b{n}", None, user=f"u{n}") for n in range(2)))
    many = await count(*(report(f"c{n}", None, user=f"u{n}", delivery=f"d{n}") for n in range(40)))
    assert (few, many) == (plain + 1, plain + 1)
