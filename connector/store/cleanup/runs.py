"""The runs of the cleanup: who runs one, and when one last succeeded; one row per workspace, on both databases.

The row is a lease: whoever cleans up renews it, and if that process dies, another one goes on when the lease has ended.
Two processes at once would do no harm, only the work twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from connector.store.engine.bulk import insert_into
from connector.store.engine.transaction import Transaction, clock, database_now
from connector.store.tables import cleanups

LEASE = timedelta(minutes=2)
"""A lease ends unless it is renewed within this time."""
OVERDUE = timedelta(days=2)
"""If no cleanup has succeeded for longer, the check `cleanup` fails."""


@dataclass(frozen=True)
class CleanupState:
    """The cleanup of one workspace, all instants UTC.

    Args:
        holder: who holds the lease, or held it last.
        began_at: when the last run began, or went on after another process had died.
        succeeded_at: when a run last came to its end; None: never.
        fault: why the last run did not, in words; None: it did, or it goes on.
        deleted: the rows that the last run deleted, by table.
        now: the database's clock.
    """

    holder: str | None
    leased_until: datetime | None
    began_at: datetime | None
    succeeded_at: datetime | None
    fault: str | None
    deleted: Mapping[str, int]
    now: datetime

    @property
    def is_running(self) -> bool:
        """Whether a process cleans up now."""
        return self.leased_until is not None and self.leased_until > self.now


def find_cleanup_fault(state: CleanupState | None) -> str | None:
    """Return what is wrong with the cleanup, and the way out, in one sentence; None: nothing.

    Without a state, no worker has begun a cleanup yet. One run that fails is not reported: it is repeated after ten
    minutes.
    """
    if state is None or (state.succeeded_at is None and state.fault is None):
        return None
    if state.succeeded_at is not None and state.succeeded_at > state.now - OVERDUE:
        return None
    last = "none has succeeded yet" if state.succeeded_at is None else f"the last one succeeded {state.succeeded_at:%F}"
    way_out = "run `connector cleanup` to see what keeps it, and look for cleanup_failed and cleanup_incomplete in the "
    return f"old data is not deleted: {last} ({state.fault or 'no worker has tried since'}): {way_out}workers' logs"


async def load_cleanup_state(tx: Transaction) -> CleanupState | None:
    """Load the state; None: nothing was ever cleaned up."""
    columns = [column for column in cleanups.c if column is not cleanups.c.workspace]
    statement = select(*columns, clock(tx).label("now")).where(tx.in_workspace(cleanups))
    row = (await tx.execute(statement)).mappings().one_or_none()
    return None if row is None else CleanupState(**row)


async def take_lease(tx: Transaction, holder: str, *, unless_since: datetime | None) -> CleanupState | None:
    """Take the lease for a new run; return None, or the state that forbids a new run.

    Args:
        unless_since: no run is needed if one succeeded since this instant (UTC); None: always one is.
    """
    now = await database_now(tx)
    await tx.execute(insert_into(tx, cleanups).values(workspace=tx.workspace, deleted={}).on_conflict_do_nothing())
    table = cleanups.c
    free = or_(table.leased_until.is_(None), table.leased_until <= now)
    due = [] if unless_since is None else [or_(table.succeeded_at.is_(None), table.succeeded_at < unless_since)]
    taken = update(cleanups).where(tx.in_workspace(cleanups), free, *due)
    values = {"holder": holder, "leased_until": now + LEASE, "began_at": now, "fault": None, "deleted": {}}
    is_taken = (await tx.execute(taken.values(values))).rowcount == 1
    return None if is_taken else await load_cleanup_state(tx)


async def renew_lease(tx: Transaction, holder: str, deleted: Mapping[str, int]) -> bool:
    """Renew the lease and record what was deleted so far; return False if another process has taken it."""
    now = await database_now(tx)
    return await _update(tx, holder, leased_until=now + LEASE, deleted=dict(deleted))


async def end_run(tx: Transaction, holder: str, deleted: Mapping[str, int], fault: str | None) -> None:
    """End the lease; a run without a fault has succeeded."""
    values = {} if fault is not None else {"succeeded_at": await database_now(tx)}
    await _update(tx, holder, leased_until=None, deleted=dict(deleted), fault=fault, **values)


async def _update(tx: Transaction, holder: str, **values: object) -> bool:
    own = (tx.in_workspace(cleanups), cleanups.c.holder == holder)
    return (await tx.execute(update(cleanups).where(*own).values(**values))).rowcount == 1
