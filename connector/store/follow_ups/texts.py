"""Message texts by delivery, kept for the duration of `CONNECTOR_KEEP_MESSAGES`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from connector.store.engine.bulk import in_set, insert_rows
from connector.store.engine.transaction import Transaction
from connector.store.tables import message_texts


@dataclass(frozen=True)
class MessageText:
    """The text of one message.

    Args:
        content: the fields of its channel that are kept. cut: those of them that were cut.
        expires_at: until when it is kept, UTC.
    """

    delivery_id: str
    user_key: str
    content: dict[str, Any]
    cut: Sequence[str]
    expires_at: datetime


async def save_texts(tx: Transaction, texts: Sequence[MessageText]) -> DBAPIError | None:
    """Save texts in one statement of SQL, without any in none; a text that is stored already stays.

    Returns why the database refused the statement; None: it did not.

    A statement that the database refuses, also for a missing privilege, leaves the transaction as it was: results must
    be recorded all the same.

    Raises:
        DBAPIError: the connection is lost, or the database has ended the transaction, as SQLite may on a full disk:
            all of it fails, and is recorded again.
    """
    if not texts:
        return None
    rows = [{"workspace": tx.workspace, **vars(text), "cut": list(text.cut)} for text in texts]
    savepoint = await tx.connection.begin_nested()
    try:
        await tx.execute(insert_rows(tx, message_texts, rows).on_conflict_do_nothing())
        await savepoint.commit()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        try:
            await savepoint.rollback()
        except DBAPIError:  # there is no savepoint any more; the first error says why
            raise error from None
        return error
    return None


async def load_texts(
    tx: Transaction, user_key: str, delivery_ids: Collection[str], now: datetime
) -> dict[str, MessageText]:
    """Load the texts of messages of a user that are kept as of `now` (UTC), by delivery."""
    if not delivery_ids:
        return {}
    table = message_texts.c
    where = (tx.in_workspace(message_texts), in_set(tx, table.delivery_id, delivery_ids))
    of_user = (table.user_key == user_key, table.expires_at > now)
    rows = (await tx.execute(select(message_texts).where(*where, *of_user))).mappings()
    return {
        row["delivery_id"]: MessageText(**{name: row[name] for name in MessageText.__dataclass_fields__})
        for row in rows
    }
