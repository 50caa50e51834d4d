"""The statements on consent of a user's row: the state, the time and the source of each channel, in three columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, update

from connector.rules.model.consent import ConsentSource, ConsentStatement, ConsentStatements
from connector.store.engine.transaction import Transaction
from connector.store.tables import users

CONSENT_COLUMNS = (users.c.consent, users.c.said_at, users.c.said_by)


def statements_of(row: Mapping[str, Any] | RowMapping) -> dict[str, ConsentStatement]:
    """Return the statements of a row of `users`.

    A time without a source is from a version that kept times of providers' and users' statements only.
    """
    statements = {}
    for channel, state in row["consent"].items():
        at, default = row["said_at"].get(channel), ConsentSource.PROFILE
        if at is not None:
            default = ConsentSource.PROVIDER
        source = ConsentSource(row["said_by"].get(channel, default))
        statements[channel] = ConsentStatement(state, source, None if at is None else datetime.fromisoformat(at))
    return statements


async def save_consent(tx: Transaction, by_user: Mapping[str, ConsentStatements]) -> None:
    """Save the statements that hold of users, whose rows are locked, by user key, in one statement of SQL."""
    if by_user:
        names = [column.name for column in CONSENT_COLUMNS]
        where = (tx.in_workspace(users), users.c.user_key == bindparam("key"))
        values = {name: bindparam(f"new_{name}", type_=users.c[name].type) for name in names}
        rows = [
            {"key": key, **{f"new_{name}": value for name, value in consent_row(one).items()}}
            for key, one in by_user.items()
        ]
        await tx.execute(update(users).where(*where).values(values), rows)


def consent_row(statements: ConsentStatements) -> dict[str, dict[str, str]]:
    """Return the values of the columns for these statements."""
    times = {channel: one.at.isoformat() for channel, one in statements.items() if one.at is not None}
    return {
        "consent": {channel: one.state for channel, one in statements.items()},
        "said_at": times,
        "said_by": {channel: one.source.value for channel, one in statements.items()},
    }
