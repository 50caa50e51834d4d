"""The record of joined ids: who joined which ids when, and until when a join holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import user_joins


@dataclass(frozen=True)
class UserJoin:
    """One join.

    Args:
        previous_id: the id that was joined into the user of `id`.
        joined_by: the id of the key, or the user name of the operating system; None: not known.
        route: by what it was reported: `alias`, `batch` or `import`.
        undone_at: when the id was split off again, UTC; None: the join holds.
        undone_by: as `joined_by`; None also if the id was split off because a service used it as a user's own.
    """

    previous_id: str
    id: str
    user_key: str
    joined_at: datetime
    joined_by: str | None
    route: str
    undone_at: datetime | None = None
    undone_by: str | None = None


async def insert_joins(tx: Transaction, joins: Sequence[UserJoin]) -> None:
    """Insert new joins, in one statement."""
    if joins:
        await tx.execute(insert(user_joins), [{"workspace": tx.workspace, **vars(join)} for join in joins])


async def load_joins(tx: Transaction, user_key: str) -> list[UserJoin]:
    """Load the joins of a user, undone ones included, oldest first."""
    table = user_joins.c
    order = table.joined_at, table.previous_id, table.id
    statement = select(user_joins).where(tx.in_workspace(user_joins), table.user_key == user_key).order_by(*order)
    rows = (await tx.execute(statement)).mappings()
    return [UserJoin(**{name: row[name] for name in UserJoin.__dataclass_fields__}) for row in rows]


async def end_joins(tx: Transaction, previous_ids: Collection[str], now: datetime, by: str | None) -> None:
    """Record that these ids were split off; `by` as `UserJoin.undone_by`."""
    table = user_joins.c
    where = (tx.in_workspace(user_joins), in_set(tx, table.previous_id, previous_ids), table.undone_at.is_(None))
    await tx.execute(update(user_joins).where(*where).values(undone_at=now, undone_by=by))


async def erase_joins(tx: Transaction, user_key: str, ids: Collection[str]) -> None:
    """Delete what is recorded of an erased user's joins (guarantee 8); `ids` are all ids of the user."""
    table = user_joins.c
    for concerned in (table.user_key == user_key, in_set(tx, table.previous_id, ids), in_set(tx, table.id, ids)):
        await tx.execute(delete(user_joins).where(tx.in_workspace(user_joins), concerned))
