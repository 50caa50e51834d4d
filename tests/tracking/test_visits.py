"""Visits that wait to be ingested: bounded, patient, and never delaying a response."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connector.ingest.intake import Intake
from connector.rules.provider_events.classification import EngagementKind, Visit
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database
from connector.tracking.tokens import LinkKind, Token
from connector.tracking.visits import FollowedLink, Visits

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def followed(name: str = "nobody") -> FollowedLink:
    return FollowedLink(Token(LinkKind.CLICK, name, 0, None, "https://a.example"), Visit(EngagementKind.CLICK, AT, "x"))


def visits_of(database: Database, fates: Counter[str], **options: int) -> Visits:
    intake = Intake(database, CatalogueCache("default"), "default", retention=timedelta(days=90))

    def counted(fate: str, number: int) -> None:
        fates[fate] += number

    return Visits(database, intake, "default", clock=lambda: AT, counted=counted, **options)


async def test_visits_of_unknown_deliveries_make_nothing(database: Database) -> None:
    """A token may outlive its delivery; that is counted and forgotten."""
    fates: Counter[str] = Counter()
    visits = visits_of(database, fates)
    for number in range(1200):
        visits.note(followed(f"d-{number}"))
    await visits.flush()
    assert fates == {"unknown": 1200}


async def test_no_more_wait_than_there_is_room_for(tmp_path: Path) -> None:
    """Without a store for long, the oldest are kept and the rest are lost and counted."""
    away = Database.open(f"sqlite:///{tmp_path / 'empty'}/none.db")
    (tmp_path / "empty").rmdir()
    fates: Counter[str] = Counter()
    visits = visits_of(away, fates, max_waiting=3)
    for _ in range(5):
        visits.note(followed())
    assert fates == {"lost": 2}
    stopped = asyncio.Event()
    stopped.set()
    await visits.run(stopped)
    assert fates == {"lost": 5}
    await away.close()


async def test_a_visit_that_breaks_stops_no_other(sqlite_database: Database) -> None:
    """A defect loses its batch, which is logged; later visits are ingested."""
    fates: Counter[str] = Counter()
    visits = visits_of(sqlite_database, fates)
    visits.note(FollowedLink(Token(LinkKind.CLICK, None, 0), Visit(EngagementKind.CLICK, AT, "x")))  # type: ignore[arg-type]
    stopped = asyncio.Event()
    running = asyncio.create_task(visits.run(stopped))
    stopped.set()
    await running
    visits.note(followed())
    await visits.flush()
    assert fates["unknown"] >= 1
