"""One catalogue a process, kept up by deltas that are loaded outside the transactions that use it."""

from __future__ import annotations

import asyncio

from connector.rules.catalogue.catalogue import Catalogue
from connector.store.catalogue.loading import load_catalogue
from connector.store.engine.database import Database


class CatalogueCache:
    """The newest catalogue of one workspace that this process has seen."""

    def __init__(self, workspace: str = "default") -> None:
        self._workspace = workspace
        self._newest = Catalogue()
        self._loading = asyncio.Lock()

    async def at_least(self, database: Database, version: int | None = None) -> Catalogue:
        """The catalogue at `version` or a later one; nothing is read where that is known. None: the present one.

        Only what changed since the last look is read, and however many ask at once for a version, it is read once.
        `version` comes from the database, so it is there to be read. Raises StoreUnavailable.
        """
        async with self._loading:
            if version is None or self._newest.version < version:
                async with database.read(self._workspace) as tx:
                    self._newest = await load_catalogue(tx, self._newest)
            return self._newest
