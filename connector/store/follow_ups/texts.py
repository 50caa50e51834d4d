"""Texts of messages as they were rendered, by delivery: kept for a while if `CONNECTOR_KEEP_MESSAGES` says so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from connector.store.engine.bulk import in_set, insert_rows
from connector.store.engine.transaction import Transaction
from connector.store.tables import message_texts

_log = structlog.get_logger("send")


@dataclass(frozen=True)
class MessageText:
    """What is kept of one message.

    Args:
        content: the fields of its channel that are kept. cut: those of them that were longer.
        expires_at: until when it is kept, UTC.
    """

    delivery_id: str
    user_key: str
    content: dict[str, Any]
    cut: Sequence[str]
    expires_at: datetime


async def save_texts(tx: Transaction, texts: Sequence[MessageText]) -> None:
    """Save texts in one statement of SQL, none without any; one that is there already stays.

    A statement that the database refuses, also for a missing privilege, leaves the transaction as it was: results must
    be recorded all the same.

    Raises:
        DBAPIError: the connection is lost, or the database has ended the transaction, as SQLite may on a full disk:
            all of it fails, and is recorded again.
    """
    if not texts:
        return
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
        _log.warning("texts_not_kept", number=len(texts), fault=type(error).__name__)


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
