"""The database's clock, by which everything is judged that machines must agree on (guarantee 1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.store.tables import Instant


def clock(c: AsyncConnection) -> ColumnElement[datetime]:
    """Now, not the transaction's begin, as a column of a statement. SQLite knows milliseconds."""
    if c.dialect.name == "postgresql":
        told: Any = func.clock_timestamp()
    else:
        told = func.strftime("%Y-%m-%d %H:%M:%f000", "now")
    return type_coerce(told, Instant)


async def database_now(c: AsyncConnection) -> datetime:
    """Now, in aware UTC."""
    now: datetime = (await c.execute(select(clock(c)))).scalar_one()
    return now
