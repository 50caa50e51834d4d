"""One catalogue a process, kept up by deltas that are loaded outside the transactions that use it."""

from __future__ import annotations

import asyncio

from connector.rules.catalogue import Catalogue
from connector.store.catalogue import load_catalogue
from connector.store.database import Database


class CatalogueCache:
    """The newest catalogue of one workspace that this process has seen."""

    def __init__(self, workspace: str = "default") -> None:
        self._workspace = workspace
        self._newest = Catalogue()
        self._loading = asyncio.Lock()

    @property
    def newest(self) -> Catalogue:
        """What has been loaded last, without looking whether it still holds."""
        return self._newest

    async def load(self, database: Database) -> Catalogue:
        """The catalogue at its present version; only what changed since the last look is read."""
        async with self._loading:
            return await self._read(database)

    async def at_least(self, database: Database, version: int | None = None) -> Catalogue:
        """The catalogue at `version` or a later one; nothing is read where that is known. None: the present one.

        However many ask at once, one of them reads. `version` comes from the database, so it is there to be read.
        """
        if version is None:
            return await self.load(database)
        async with self._loading:
            return self._newest if self._newest.version >= version else await self._read(database)

    async def _read(self, database: Database) -> Catalogue:
        async with database.read() as connection:
            self._newest = await load_catalogue(connection, self._workspace, self._newest)
        return self._newest
