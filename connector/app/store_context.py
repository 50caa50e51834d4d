"""The context of a command that only reads or writes the store: `connector.app.context` adds ingest and Temporal.

It is a module of its own because importing the Temporal SDK takes longer than such a command.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from connector.app.configuration import open_database
from connector.settings.application import Settings
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database


@dataclass(frozen=True)
class StoreContext:
    """The settings, the database and the catalogue, for one workspace."""

    settings: Settings
    database: Database
    cache: CatalogueCache

    @property
    def workspace(self) -> str:
        """The workspace that this process works for."""
        return self.settings.workspace


@asynccontextmanager
async def open_store_context(settings: Settings) -> AsyncIterator[StoreContext]:
    """Build the context with the database of the settings, and close the database at the end. Raises SettingsWrong."""
    database = open_database(settings)
    try:
        yield StoreContext(settings, database, CatalogueCache(settings.workspace))
    finally:
        await database.close()
