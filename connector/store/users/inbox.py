"""The inbox: one row for each delivered message, and marks of what each user did with messages and cards."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import RowMapping, and_, select, update

from connector.rules.model.inbox import InboxKind
from connector.store.engine.bulk import in_set, insert_into
from connector.store.engine.transaction import Transaction
from connector.store.tables import inbox, inbox_marks

MarkName = Literal["viewed_at", "dismissed_at"]


@dataclass(frozen=True)
class InboxMessage:
    """A message in a user's inbox, as it was rendered. All instants are UTC."""

    id: str
    delivery_id: str
    user_key: str
    campaign: str
    kind: InboxKind
    content: dict[str, Any]
    priority: int
    created_at: datetime
    expires_at: datetime
    viewed_at: datetime | None = None


@dataclass(frozen=True)
class Mark:
    """When a user first viewed and dismissed a message or card, UTC; None if never."""

    viewed_at: datetime | None
    dismissed_at: datetime | None


async def insert_message(tx: Transaction, message: InboxMessage) -> None:
    """Insert a message; one that is in the inbox already stays as it is."""
    await tx.execute(
        insert_into(tx, inbox)
        .values(
            workspace=tx.workspace,
            id=message.id,
            delivery_id=message.delivery_id,
            user_key=message.user_key,
            campaign=message.campaign,
            kind=message.kind,
            content=message.content,
            priority=message.priority,
            created_at=message.created_at,
            expires_at=message.expires_at,
        )
        .on_conflict_do_nothing()
    )


async def load_messages(
    tx: Transaction, user_key: str, *, now: datetime, kind: InboxKind | None, limit: int
) -> list[InboxMessage]:
    """Load the messages that are neither expired nor dismissed, highest priority first, then newest first."""
    table, mark = inbox.c, inbox_marks.c
    own = and_(mark.workspace == table.workspace, mark.message == table.id, mark.user_key == table.user_key)
    statement = (
        select(inbox, mark.viewed_at)
        .outerjoin(inbox_marks, own)
        .where(tx.in_workspace(inbox), table.user_key == user_key)
        .where(table.expires_at > now, mark.dismissed_at.is_(None))
        .order_by(table.priority.desc(), table.created_at.desc(), table.id)
        .limit(limit)
    )
    if kind is not None:
        statement = statement.where(table.kind == kind)
    return [_message(row, row["viewed_at"]) for row in (await tx.execute(statement)).mappings()]


async def find_message(tx: Transaction, id: str) -> InboxMessage | None:
    """Load a message by its id, even if it is expired or dismissed; None if there is none."""
    statement = select(inbox).where(tx.in_workspace(inbox), inbox.c.id == id)
    row = (await tx.execute(statement)).mappings().one_or_none()
    return None if row is None else _message(row, None)


async def load_contents(tx: Transaction, user_key: str, delivery_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Load what messages of a user said, by delivery; those of other channels than the inbox's are not kept."""
    if not delivery_ids:
        return {}
    table = inbox.c
    where = (tx.in_workspace(inbox), table.user_key == user_key, in_set(tx, table.delivery_id, delivery_ids))
    rows = await tx.execute(select(table.delivery_id, table.content).where(*where))
    return {delivery: content for delivery, content in rows}


async def load_card_marks(tx: Transaction, user_key: str, prefix: str) -> dict[str, Mark]:
    """Load a user's marks on published cards, by message id; `prefix` begins the ids of cards."""
    mark = inbox_marks.c
    statement = select(inbox_marks).where(
        tx.in_workspace(inbox_marks), mark.user_key == user_key, mark.message.startswith(prefix, autoescape=True)
    )
    return {row.message: Mark(row.viewed_at, row.dismissed_at) for row in await tx.execute(statement)}


async def mark_message(tx: Transaction, user_key: str, message: str, name: MarkName, at: datetime) -> bool:
    """Mark a message as viewed or dismissed; return whether it is the first time. The user's row is locked."""
    key = {"workspace": tx.workspace, "message": message, "user_key": user_key}
    await tx.execute(insert_into(tx, inbox_marks).values(**key).on_conflict_do_nothing())
    column = inbox_marks.c[name]
    own = [inbox_marks.c[part] == value for part, value in key.items()]
    changed = await tx.execute(update(inbox_marks).where(*own, column.is_(None)).values({column: at}))
    return changed.rowcount == 1


def _message(row: RowMapping, viewed_at: datetime | None) -> InboxMessage:
    return InboxMessage(
        id=row["id"],
        delivery_id=row["delivery_id"],
        user_key=row["user_key"],
        campaign=row["campaign"],
        kind=cast(InboxKind, row["kind"]),
        content=row["content"],
        priority=row["priority"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        viewed_at=viewed_at,
    )
