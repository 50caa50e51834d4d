"""Statements about many rows, and inserts that meet rows that are there already.

Rows, and sets of values, travel as one parameter: JSON, or an array on PostgreSQL. So a statement's text and plan stay
the same however many rows there are, no limit on parameters is met, and the database takes the rows apart where an
executemany would convert, bind and step through them one by one. What the planners need, here and in the other modules:
SQLite has no statistics. Joined to a table function as it is, it would walk the other table, so `as_table` wraps the
function in a subquery with a limit that is none, which it evaluates first; an ORDER BY or a join over all ids of users
would make it walk them all, so a few rows are sorted in Python, and ids are looked up in statements of their own. It
takes the rows before or after an instant for few, although they may be all: `unindexed` keeps it from looking there. It
uses a partial index only if the statement repeats the index's condition in constants (`literal_execute`). In
`INSERT … SELECT … ON CONFLICT` it takes the ON for a join's unless there is a WHERE. PostgreSQL plans all of it well.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from pydantic_core import PydanticSerializationError, to_json
from sqlalchemy import (
    JSON,
    ColumnElement,
    FromClause,
    String,
    Table,
    Text,
    UnaryExpression,
    any_,
    cast,
    column,
    exists,
    func,
    literal,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.types import TypeEngine

from connector.store.engine.transaction import Transaction
from connector.store.tables import Instant

Row = Mapping[str, Any]
ColumnTypes = Mapping[str, TypeEngine[Any]]
Insert = postgresql.Insert | sqlite.Insert
_NOTHING: Row = MappingProxyType({})


def insert_into(tx: Transaction, table: Table) -> Insert:
    """Return an INSERT of the database's own dialect, which can say what it does on conflict and what it returns."""
    return postgresql.insert(table) if tx.dialect == "postgresql" else sqlite.insert(table)


def upsert(tx: Transaction, table: Table, replaced: Sequence[str], *, newest_by: str | None = None) -> Insert:
    """Return an INSERT that replaces these columns of a row that has the same primary key.

    Args:
        newest_by: a column with an instant; a row that is newer by it than the one to insert stays as it is.
    """
    return _replace_on_conflict(insert_into(tx, table), table, replaced, newest_by)


def _replace_on_conflict(insert: Insert, table: Table, replaced: Sequence[str], newest_by: str | None) -> Insert:
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: insert.excluded[name] for name in replaced},
        where=None if newest_by is None else insert.excluded[newest_by] >= table.c[newest_by],
    )


def upsert_rows(
    tx: Transaction, table: Table, rows: Sequence[Row], replaced: Sequence[str], *, newest_by: str | None = None
) -> Insert:
    """Return the INSERT of these rows in one statement, with what `upsert` does about rows that are there already."""
    return _replace_on_conflict(insert_rows(tx, table, rows), table, replaced, newest_by)


def insert_rows(
    tx: Transaction,
    table: Table,
    rows: Sequence[Row],
    *,
    shared: Row = _NOTHING,
    known_by: Sequence[str] = (),
    known_since: tuple[str, datetime] | None = None,
) -> Insert:
    """Return the INSERT of these rows, in their order, to which the caller may add what it does on conflict.

    Args:
        rows: at least one, all with the same names; columns that are named nowhere take their default.
        shared: the values that all rows have in common: they travel once, and the database reads them once.
        known_by: columns; a row is left out if the workspace has one already with the same values of all of them.
        known_since: a column with an instant, and from when on (UTC) such a row counts; None: always.
    """
    types = {name: table.c[name].type for name in rows[0]}
    common = [literal(value, table.c[name].type).label(name) for name, value in shared.items()]
    batch, known = as_table(tx, types, rows), table.alias()
    same = [known.c[name] == batch.c[name] for name in known_by]
    if known_since is not None:
        same.append(unindexed(tx, known.c[known_since[0]]) >= known_since[1])
    is_new = ~exists().where(tx.in_workspace(known), *same) if known_by else true()
    inserted = select(*batch.c, *common).where(is_new)
    return insert_into(tx, table).from_select([*types, *shared], inserted, include_defaults=False)


def as_table(tx: Transaction, types: ColumnTypes, rows: Sequence[Row]) -> FromClause:
    """Return these rows as a table with these columns, to select from or to join with."""
    if tx.dialect == "postgresql":
        document = cast(literal(_text([{name: row[name] for name in types} for row in rows]), Text), postgresql.JSONB)
        columns = [column(name, kind) for name, kind in types.items()]
        return func.jsonb_to_recordset(document).table_valued(*columns, name="batch").render_derived(with_types=True)
    value = func.json_each(_text(_sqlite_cells(types, rows))).table_valued("value", name="batch_rows").c.value
    cells = [
        type_coerce(func.json_extract(value, f"$[{position}]"), kind).label(name)
        for position, (name, kind) in enumerate(types.items())
    ]
    return select(*cells).limit(-1).subquery("batch")


def unindexed(tx: Transaction, instant: ColumnElement[datetime]) -> ColumnElement[datetime]:
    """Return a column with an instant for a condition on rows that other conditions find, without its index."""
    if tx.dialect == "postgresql":
        return instant
    return UnaryExpression(instant, operator=custom_op("+"), type_=instant.type)


def in_set(tx: Transaction, tested: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
    """Return the condition that a text column has one of these values."""
    if tx.dialect == "postgresql":
        return tested == any_(literal(list(values), postgresql.ARRAY(String)))
    return tested.in_(select(func.json_each(json.dumps(list(values))).table_valued("value").c.value))


def _sqlite_cells(types: ColumnTypes, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """Return the rows as SQLite stores them: instants and JSON are text there."""
    instants: dict[int, str | None] = {}
    columns = []
    for name, kind in types.items():
        column = [row[name] for row in rows]
        if isinstance(kind, Instant):
            column = _instants(column, instants)
        elif isinstance(kind, JSON):
            column = [_json(value) for value in column]
        columns.append(column)
    return list(zip(*columns, strict=True))


def _instants(column: Sequence[datetime | None], known: dict[int, str | None]) -> list[str | None]:
    """Return instants as text, each written once: that takes longer than the rest of a row, and rows share instants.

    Args:
        known: the texts so far, by the identity of the instant, which `rows` keep alive.
    """
    for value in column:
        if id(value) not in known:
            known[id(value)] = _instant(value)
    return [known[id(value)] for value in column]


def _instant(value: datetime | None) -> str | None:
    """Return an instant as SQLAlchemy writes a DateTime on SQLite: text that sorts."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a naive datetime may not be stored")
    text = value.isoformat(" ", "microseconds")
    return text[:-6] if text.endswith("+00:00") else value.astimezone(UTC).isoformat(" ", "microseconds")[:-6]


def _json(value: Any) -> str | None:
    return None if value is None else _text(value)


def _text(value: Any) -> str:
    try:
        return to_json(value).decode()
    except PydanticSerializationError:  # half a surrogate pair, which only an escape can write
        return json.dumps(value, default=str)
