"""The composition root: what the starter's edges work with, built from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from connector.app.configuration import open_database
from connector.ingest.intake import Intake
from connector.settings.application import Settings
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database
from connector.temporal.client import TemporalLink
from connector.temporal.outbox import Outbox


@dataclass(frozen=True)
class AppContext:
    """Everything that an edge may need, for one workspace."""

    settings: Settings
    database: Database
    cache: CatalogueCache
    intake: Intake
    outbox: Outbox
    temporal: TemporalLink

    @property
    def workspace(self) -> str:
        """The workspace that this process works for."""
        return self.settings.workspace


def build_context(settings: Settings, database: Database, temporal: TemporalLink | None = None) -> AppContext:
    """Put the parts together; nothing is connected before it is used."""
    temporal = temporal or TemporalLink()
    cache = CatalogueCache(settings.workspace)
    retention = timedelta(days=settings.retention_days)
    intake = Intake(database, cache, settings.workspace, retention=retention)
    sweep = settings.sweep_seconds
    return AppContext(
        settings=settings,
        database=database,
        cache=cache,
        intake=intake,
        outbox=Outbox(database, settings.workspace, temporal.client, sweep_seconds=sweep, idle=intake.idle),
        temporal=temporal,
    )


@asynccontextmanager
async def open_context(settings: Settings) -> AsyncIterator[AppContext]:
    """The parts for as long as the block runs. Raises SettingsWrong."""
    database = open_database(settings)
    try:
        yield build_context(settings, database)
    finally:
        await database.close()
