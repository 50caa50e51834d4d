"""Many rows as one parameter: one statement however many there are, whose text and plan stay the same.

What an executemany would convert, bind and step through row by row, the database takes apart by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic_core import PydanticSerializationError, to_json
from sqlalchemy import JSON, ColumnElement, FromClause, Table, Text, cast, column, func, literal, select, true
from sqlalchemy import type_coerce as typed
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from connector.store.engine.transaction import Transaction
from connector.store.tables import Instant

Row = Mapping[str, Any]
Types = Mapping[str, TypeEngine[Any]]


def insert_rows(tx: Transaction, table: Table, rows: Sequence[Row]) -> postgresql.Insert | sqlite.Insert:
    """The INSERT of these rows, in their order; the caller may add what it does on conflict and what it returns.

    Args:
        rows: at least one, all with the same names; columns that they do not name take their default.
    """
    names = list(rows[0])
    told = rows_of(tx, {name: table.c[name].type for name in names}, rows)
    # Without a WHERE, SQLite would read the ON of ON CONFLICT as a join's.
    chosen = select(*told.c).where(true())
    if tx.dialect == "postgresql":
        return postgresql.insert(table).from_select(names, chosen, include_defaults=False)
    return sqlite.insert(table).from_select(names, chosen, include_defaults=False)


def rows_of(tx: Transaction, types: Types, rows: Sequence[Row]) -> FromClause:
    """These rows as a table with these columns, to select from or to join with."""
    if tx.dialect == "postgresql":
        cells = [{name: row[name] for name in types} for row in rows]
        told = cast(literal(_text(cells), Text), postgresql.JSONB)
        columns = [column(name, kind) for name, kind in types.items()]
        return func.jsonb_to_recordset(told).table_valued(*columns, name="told").render_derived(with_types=True)
    value = func.json_each(_text(_cells(types, rows))).table_valued("value", name="told").c.value
    # The limit that is none makes SQLite begin with these rows: joined as they are, it would walk the other table.
    return select(*_parts(value, types)).limit(-1).subquery("given")


def _parts(value: ColumnElement[Any], types: Types) -> list[ColumnElement[Any]]:
    """The cells of one of SQLite's rows, which is a JSON array."""
    places = enumerate(types.items())
    return [typed(func.json_extract(value, f"$[{place}]"), kind).label(name) for place, (name, kind) in places]


def _cells(types: Types, rows: Sequence[Row]) -> list[list[Any]]:
    """The rows as SQLite keeps them: instants and JSON are text there."""
    names = list(types)
    written = [(place, _WRITTEN[type(kind)]) for place, kind in enumerate(types.values()) if type(kind) in _WRITTEN]
    cells = [[row[name] for name in names] for row in rows]
    for one in cells:
        for place, write in written:
            one[place] = write(one[place])
    return cells


def _instant(value: datetime | None) -> str | None:
    """As SQLAlchemy writes a DateTime: text that sorts."""
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


_WRITTEN: dict[type[TypeEngine[Any]], Callable[[Any], Any]] = {Instant: _instant, JSON: _json}
