"""The composition root: the worker, the API and the commands that use Temporal get their objects here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from connector.app.configuration import open_database
from connector.app.installation_gauges import InstallationGauges
from connector.app.store_context import StoreContext
from connector.health.probe import Probe
from connector.ingest.intake import Intake
from connector.settings.application import Settings
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database
from connector.temporal.client import TemporalLink
from connector.temporal.outbox import Outbox
from connector.temporal.reconciliation import Reconciliation


@dataclass(frozen=True)
class AppContext(StoreContext):
    """The objects that a process works with, for one workspace. Each is built once and shared."""

    intake: Intake
    outbox: Outbox
    reconciliation: Reconciliation
    temporal: TemporalLink
    probe: Probe
    gauges: InstallationGauges


def build_context(settings: Settings, database: Database, temporal: TemporalLink | None = None) -> AppContext:
    """Build the context. Nothing is connected before it is used.

    Args:
        temporal: the link to Temporal; None: connect by the settings TEMPORAL_*.
    """
    temporal = temporal or TemporalLink()
    workspace = settings.workspace
    cache = CatalogueCache(workspace)
    intake = Intake(database, cache, workspace, retention=settings.retention)
    outbox = Outbox(
        database,
        workspace,
        temporal.client,
        sweep_seconds=settings.sweep_interval.total_seconds(),
        idle=intake.idle,
    )
    probe = Probe(database, cache, workspace, temporal, refusal=lambda: outbox.refusal)
    return AppContext(
        settings=settings,
        database=database,
        cache=cache,
        intake=intake,
        outbox=outbox,
        reconciliation=Reconciliation(
            database, workspace, temporal.client, every_seconds=settings.reconcile_interval.total_seconds()
        ),
        temporal=temporal,
        probe=probe,
        gauges=InstallationGauges(database, workspace, probe),
    )


@asynccontextmanager
async def open_context(settings: Settings, temporal: TemporalLink | None = None) -> AsyncIterator[AppContext]:
    """Build the context with the database of the settings, and close that at the end. Raises SettingsWrong."""
    database = open_database(settings)
    try:
        yield build_context(settings, database, temporal)
    finally:
        await database.close()
