"""Addresses in their canonical form: users', suppressed ones, and those of unmatched events."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from connector.rules.model.addresses import canonical_address, stored_address

revision = "0015"
down_revision = "0014"

_PAGE = 5000
_users = sa.table("users", *map(sa.column, ("workspace", "user_key", "email", "phone")))
_dead = sa.table("dead_addresses", *map(sa.column, ("workspace", "channel", "address", "dead", "said_at", "user_key")))
_unmatched = sa.table("unmatched_reports", *map(sa.column, ("workspace", "provider", "event_id", "address")))


def upgrade() -> None:
    """Rewrite the rows whose address has another form; most have it already."""
    connection = op.get_bind()
    _rewrite_users(connection)
    _rewrite_suppressed(connection)
    _rewrite_unmatched(connection)


def _pages(connection: sa.Connection, table: sa.TableClause, keys: Sequence[str]) -> Iterator[list[sa.Row[Any]]]:
    """Yield all rows, a page at a time; the rows of a page may be changed, but not their keys."""
    columns = [table.c[name] for name in keys]
    after: list[sa.ColumnElement[bool]] = []
    while rows := connection.execute(sa.select(table).where(*after).order_by(*columns).limit(_PAGE)).all():
        yield list(rows)
        last = [getattr(rows[-1], name) for name in keys]
        after = [sa.tuple_(*columns) > sa.tuple_(*map(sa.literal, last))]


def _rewrite_users(connection: sa.Connection) -> None:
    for rows in _pages(connection, _users, ("workspace", "user_key")):
        for row in rows:
            email = row.email and stored_address("email", row.email)
            phone = row.phone and stored_address("sms", row.phone)
            if (email, phone) != (row.email, row.phone):
                is_row = (_users.c.workspace == row.workspace, _users.c.user_key == row.user_key)
                connection.execute(sa.update(_users).where(*is_row).values(email=email, phone=phone))


def _rewrite_suppressed(connection: sa.Connection) -> None:
    """Rewrite the suppression list; if two rows are one address now, the newer one stays."""
    rows = connection.execute(sa.select(_dead).order_by(_dead.c.said_at)).all()
    for row in rows:
        address = canonical_address(row.channel, row.address)
        if address == row.address:
            continue
        of_channel = (_dead.c.workspace == row.workspace, _dead.c.channel == row.channel)
        is_same = (*of_channel, _dead.c.address == address)
        newer = connection.execute(sa.select(_dead.c.said_at).where(*is_same)).scalar_one_or_none()
        connection.execute(sa.delete(_dead).where(*of_channel, _dead.c.address == row.address))
        if newer is None or newer <= row.said_at:
            connection.execute(sa.delete(_dead).where(*is_same))
            connection.execute(sa.insert(_dead).values(**{**row._mapping, "address": address}))


def _rewrite_unmatched(connection: sa.Connection) -> None:
    """Rewrite the addresses by which an erasure finds unmatched events; without an @ they are numbers."""
    for rows in _pages(connection, _unmatched, ("workspace", "provider", "event_id")):
        for row in rows:
            address = row.address and canonical_address("email" if "@" in row.address else "sms", row.address)
            if address != row.address:
                keys = ("workspace", "provider", "event_id")
                is_row = [_unmatched.c[name] == getattr(row, name) for name in keys]
                connection.execute(sa.update(_unmatched).where(*is_row).values(address=address))
