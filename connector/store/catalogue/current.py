"""A transaction that sees the newest catalogue, loaded before it and only when it has changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from connector.rules.catalogue.catalogue import Catalogue
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.versions import read_head
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction

_T = TypeVar("_T")


async def with_current_catalogue(
    database: Database,
    cache: CatalogueCache,
    workspace: str,
    act: Callable[[Transaction, Catalogue], Awaitable[_T]],
) -> _T:
    """Do something under the shared catalogue lock, by the catalogue that holds then (guarantee 1).

    Where this process has an older one, the transaction ends, the changes are loaded, and it begins again.

    Raises:
        StoreUnavailable: the database could not be reached; nothing was stored.
    """
    version = 0
    while True:
        catalogue = await cache.at_least(database, version)
        async with database.write(workspace) as tx:
            head = await read_head(tx)
            if head.version == catalogue.version:
                return await act(replace(tx, head=head), catalogue)
        version = head.version
