"""Sets of values as one parameter: however many there are, the statement stays the same, and within any limit."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, String, any_, column, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from connector.store.engine.transaction import Transaction
from connector.store.tables import Instant


def in_set(tx: Transaction, tested: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
    """The condition that a text column is one of `values`."""
    if tx.dialect == "postgresql":
        return tested == any_(literal(list(values), ARRAY(String)))
    return tested.in_(select(func.json_each(json.dumps(list(values))).table_valued("value").c.value))


def instants(tx: Transaction, by_key: Mapping[str, datetime]) -> FromClause:
    """The mapping as a table with the columns `key` and `value`, an Instant, to join with."""
    columns = column("key", String), column("value", Instant)
    if tx.dialect == "postgresql":
        keys, values = literal(list(by_key), ARRAY(String)), literal(list(by_key.values()), ARRAY(Instant))
        return func.unnest(keys, values).table_valued(*columns).render_derived()
    write = Instant().dialect_impl(tx.connection.dialect).bind_processor(tx.connection.dialect)
    assert write is not None  # noqa: S101 - SQLite keeps instants as text
    return func.json_each(json.dumps({key: write(t) for key, t in by_key.items()})).table_valued(*columns)
