"""The facts about the database, loaded in one short transaction."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import ARRAY, Text, and_, func, literal, not_, or_, select
from sqlalchemy.exc import DBAPIError

from connector.health.facts import DatabaseFacts
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import Campaign
from connector.store import tables
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import read_head
from connector.store.cleanup.runs import find_cleanup_fault, load_cleanup_state
from connector.store.engine.database import Database
from connector.store.engine.outages import ADVICE, Outage, StoreUnavailable
from connector.store.engine.revision import find_revision_fault, read_oldest_program, read_revisions
from connector.store.engine.transaction import Transaction
from connector.store.reporting.counts import count_unknown_results
from connector.store.reporting.retries import find_retried_channels

_DAMAGED = "a query of the checks fails, although the revision is right: restore the tables from a backup"
_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")
_WRITTEN = [table.name for table in tables.metadata.sorted_tables if table not in (tables.audit, tables.compatibility)]
"""The tables whose rows are changed and deleted."""
_TRANSACTION_SECONDS = 1.5
"""Shorter by more than a transaction's grace, so that the database names the outage before the probe's timeout."""


class DatabaseProbe:
    """Loads the facts of one process's database.

    Args:
        cache: the catalogue of the process, which says what live campaigns use.
    """

    def __init__(self, database: Database, cache: CatalogueCache, workspace: str) -> None:
        self._database, self._cache, self._workspace = database, cache, workspace
        self._channels: tuple[int, Mapping[str, Sequence[str]]] | None = None

    async def load(self, timeout_seconds: float) -> DatabaseFacts:
        """Return the facts; an outage is a fact. Raises nothing that an outage causes."""
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._gather()
        except StoreUnavailable as error:
            return _outage(error.outage, error.advice, error.detail)
        except TimeoutError:
            return _outage(Outage.SILENT)
        except DBAPIError as error:
            return _outage(Outage.UNREACHABLE, _DAMAGED, type(error.orig or error).__name__)

    async def _gather(self) -> DatabaseFacts:
        async with self._database.read(self._workspace, seconds=_TRANSACTION_SECONDS) as tx:
            revisions = await read_revisions(tx)
            oldest_program = await read_oldest_program(tx, revisions)
            if find_revision_fault(revisions, oldest_program):
                return DatabaseFacts(revisions=revisions)
            version = (await read_head(tx)).version
            is_read_only = self._database.dialect == "postgresql" and await _is_read_only(tx)
            lacking = await _find_lacking(tx) if self._database.dialect == "postgresql" else ()
            retried = await find_retried_channels(tx)
            unknown_results = await count_unknown_results(tx)
            cleanup_fault = find_cleanup_fault(await load_cleanup_state(tx))
        refusal = Outage.READ_ONLY if is_read_only else self._database.health.refuses_writes
        return DatabaseFacts(
            outage=refusal,
            advice=refusal and ADVICE[refusal],
            revisions=revisions,
            oldest_program=oldest_program,
            lacking=lacking,
            retried=retried,
            unknown_results=unknown_results,
            channels=await self._load_channels(version),
            cleanup_fault=cleanup_fault,
        )

    async def _load_channels(self, version: int) -> Mapping[str, Sequence[str]] | None:
        """Return the live campaigns by channel; None: a later version of the program wrote a definition."""
        if self._channels is None or self._channels[0] != version:
            try:
                catalogue = await self._cache.at_least(self._database, version)
            except ValueError:
                return None
            self._channels = catalogue.version, channels_in_use(catalogue)
        return self._channels[1]


def channels_in_use(catalogue: Catalogue) -> Mapping[str, Sequence[str]]:
    """Return the live campaigns by each channel of which they have a message; external ones send elsewhere."""
    used: dict[str, list[str]] = defaultdict(list)
    for entry in catalogue.entries.values():
        definition = entry.live.definition if entry.live else None
        if isinstance(definition, Campaign) and definition.delivery.type != "external":
            for channel in {channel for _, content in definition.keyed_contents for channel in content.channels}:
                used[channel].append(entry.id)
    return used


async def _is_read_only(tx: Transaction) -> bool:
    """Whether PostgreSQL refuses writes: a standby that was not promoted, or a server that was set to read-only."""
    is_read_only = func.current_setting("default_transaction_read_only") == "on"
    return bool((await tx.execute(select(or_(func.pg_is_in_recovery(), is_read_only)))).scalar_one())


async def _find_lacking(tx: Transaction) -> Sequence[str]:
    """Return the tables that PostgreSQL's user may not read and write, in the order of their names."""
    name = func.unnest(literal(_WRITTEN, ARRAY(Text))).column_valued("name")
    table = func.to_regclass(name)
    may_all = and_(*(func.has_table_privilege(table, privilege) for privilege in _PRIVILEGES))
    return (await tx.execute(select(name).where(not_(func.coalesce(may_all, True))).order_by(name))).scalars().all()


def _outage(outage: Outage, advice: str | None = None, detail: str | None = None) -> DatabaseFacts:
    return DatabaseFacts(outage, advice or ADVICE[outage], detail)
