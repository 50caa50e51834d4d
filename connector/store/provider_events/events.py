"""Providers' events: the applied ones, so that each is applied once, and the unmatched ones, to be retried."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter
from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Table,
    and_,
    bindparam,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from connector.rules.model.addresses import canonical_address
from connector.rules.model.consent import ConsentStatements
from connector.rules.model.values import MAX_TEXT_CHARACTERS
from connector.rules.provider_events.attribution import Unmatched
from connector.rules.provider_events.consent import EventWithEffect, apply_consent, latest_statements
from connector.rules.provider_events.events import USER, EventKey, ProviderEvent, identify_event
from connector.store.engine.bulk import in_set, insert_into
from connector.store.engine.transaction import Transaction
from connector.store.tables import Instant, heeded_reports, unmatched_reports, users
from connector.store.users.consent import CONSENT_COLUMNS, save_consent, statements_of
from connector.store.users.consent_history import ChangeOrigin, RecordedChange, changes_of, record_changes
from connector.store.users.suppressions import save_address_statements

_EVENT: TypeAdapter[ProviderEvent] = TypeAdapter(ProviderEvent)

Position = tuple[datetime, str, str]
"""The position of an unmatched event among the others: when it happened, UTC, and its key."""

BEGINNING: Position = (datetime(1, 1, 2, tzinfo=UTC), "", "")
"""Before all events, with a day's room for time zones."""


@dataclass(frozen=True)
class UnmatchedEvent:
    """An unmatched event that is kept, with its reason. `received_at` is UTC."""

    event: ProviderEvent
    reason: Unmatched
    received_at: datetime

    @property
    def key(self) -> EventKey:
        """The event's identity."""
        return identify_event(self.event)

    @property
    def position(self) -> Position:
        """The event's position: events are retried in the order in which they happened."""
        return self.event.at, *self.key


async def mark_applied(tx: Transaction, keys: Collection[EventKey], now: datetime) -> set[EventKey]:
    """Record that events are applied; return those that were not applied before."""
    if not keys:
        return set()
    rows = [{"workspace": tx.workspace, "provider": p, "event_id": id, "received_at": now} for p, id in sorted(keys)]
    return await _insert_new(tx, heeded_reports, rows)


async def apply_statements(tx: Transaction, events: Mapping[str, Sequence[EventWithEffect]], now: datetime) -> None:
    """Save what events state about consent, in two statements of SQL or three, and about addresses, in one.

    Args:
        events: by user key, of users whose rows are locked.
    """
    if not events:
        return
    table = users.c
    columns = (table.user_key, *CONSENT_COLUMNS)
    found = await tx.execute(select(*columns).where(tx.in_workspace(users), in_set(tx, table.user_key, events)))
    held = {row["user_key"]: statements_of(row) for row in found.mappings()}
    changed, history = dict[str, ConsentStatements](), list[RecordedChange]()
    for key, before in sorted(held.items()):
        changed[key] = before
        for event, effect in events[key]:
            after = apply_consent(changed[key], [(event, effect)], now)
            origin = ChangeOrigin(provider=event.provider, event=event.happened.value)
            history += changes_of(key, changed[key], after, now, origin)
            changed[key] = after
    await save_consent(tx, changed)
    await record_changes(tx, history)
    statements = latest_statements((one for of_user in events.values() for one in of_user), now)
    holders = {event.recipient: key for key, of_user in events.items() for event, _ in of_user if event.recipient}
    await save_address_statements(tx, statements, holders)


async def save_unmatched(
    tx: Transaction, unmatched: Mapping[EventKey, tuple[ProviderEvent, Unmatched]], now: datetime
) -> set[EventKey]:
    """Keep unmatched events; return those that were not kept before."""
    if not unmatched:
        return set()
    rows = [_row(tx.workspace, key, event, reason, now) for key, (event, reason) in sorted(unmatched.items())]
    return await _insert_new(tx, unmatched_reports, rows)


async def delete_unmatched(tx: Transaction, keys: Collection[EventKey]) -> None:
    """Delete events that are no longer unmatched."""
    if keys:
        table = unmatched_reports.c
        where = (tx.in_workspace(unmatched_reports), table.provider == bindparam("p"), table.event_id == bindparam("e"))
        await tx.execute(delete(unmatched_reports).where(*where), [{"p": p, "e": e} for p, e in sorted(keys)])


async def update_unmatched_reasons(tx: Transaction, reasons: Mapping[EventKey, Unmatched]) -> None:
    """Update why events, retried, are still unmatched."""
    if reasons:
        table = unmatched_reports.c
        where = (tx.in_workspace(unmatched_reports), table.provider == bindparam("p"), table.event_id == bindparam("e"))
        rows = [{"p": p, "e": e, "why": reason.value} for (p, e), reason in sorted(reasons.items())]
        await tx.execute(update(unmatched_reports).where(*where).values(reason=bindparam("why")), rows)


async def erase_events(tx: Transaction, user_ids: Sequence[str], addresses: Collection[tuple[str, str]]) -> None:
    """Delete the unmatched events of a user, by their ids and their addresses with the channels (guarantee 8)."""
    table = unmatched_reports.c
    held = sorted(canonical_address(channel, address) for channel, address in addresses)
    for condition in (table.user_id.in_(user_ids), table.address.in_(held)):
        await tx.execute(delete(unmatched_reports).where(tx.in_workspace(unmatched_reports), condition))


async def load_unmatched(
    tx: Transaction, *, provider: str | None = None, after: Position = BEGINNING, limit: int
) -> list[UnmatchedEvent]:
    """Return a page of unmatched events, in the order in which they happened."""
    table = unmatched_reports.c
    position = (table.at, table.provider, table.event_id)
    statement = (
        select(unmatched_reports)
        .where(*_which(tx, provider), tuple_(*position) > tuple_(literal(after[0], Instant), *after[1:]))
        .order_by(*position)
        .limit(limit)
    )
    return [_unmatched_event(row) for row in (await tx.execute(statement)).mappings()]


async def newest_unmatched(
    tx: Transaction,
    *,
    provider: str | None = None,
    reason: Unmatched | None = None,
    after: Position | None = None,
    limit: int,
) -> list[UnmatchedEvent]:
    """Return the unmatched events that were received last, newest first.

    Args:
        after: only those that follow this one: when it was received, UTC, and its key.
    """
    table = unmatched_reports.c
    key = (table.provider, table.event_id)
    statement = select(unmatched_reports).where(*_which(tx, provider, reason))
    if after is not None:
        received_at = literal(after[0], Instant)
        is_same_instant = and_(table.received_at == received_at, tuple_(*key) > tuple_(*after[1:]))
        statement = statement.where(or_(table.received_at < received_at, is_same_instant))
    newest = statement.order_by(table.received_at.desc(), *key).limit(limit)
    return [_unmatched_event(row) for row in (await tx.execute(newest)).mappings()]


async def count_unmatched(
    tx: Transaction, *, provider: str | None = None, reason: Unmatched | None = None
) -> list[tuple[str, str, int]]:
    """Return the number of unmatched events by provider and reason, as (provider, reason, number)."""
    table = unmatched_reports.c
    statement = select(table.provider, table.reason, func.count()).where(*_which(tx, provider, reason))
    grouped = statement.group_by(table.provider, table.reason).order_by(table.provider, table.reason)
    return [(name, reason, number) for name, reason, number in await tx.execute(grouped)]


def _which(tx: Transaction, provider: str | None, reason: Unmatched | None = None) -> list[ColumnElement[bool]]:
    table = unmatched_reports.c
    of_provider = [] if provider is None else [table.provider == provider]
    for_reason = [] if reason is None else [table.reason == reason.value]
    return [tx.in_workspace(unmatched_reports), *of_provider, *for_reason]


async def _insert_new(tx: Transaction, table: Table, rows: Sequence[Mapping[str, object]]) -> set[EventKey]:
    """Insert events; return the keys of those that were not there."""
    insert = insert_into(tx, table).on_conflict_do_nothing()
    new = await tx.execute(insert.returning(table.c.provider, table.c.event_id), rows)
    return {(provider, id) for provider, id in new}


def _row(workspace: str, key: EventKey, event: ProviderEvent, reason: Unmatched, now: datetime) -> dict[str, object]:
    user = event.arguments.get(USER)
    return {
        "workspace": workspace,
        "provider": key[0],
        "event_id": key[1],
        "kind": event.happened.value,
        "at": event.at,
        "received_at": now,
        "reason": reason.value,
        "user_id": user if user and len(user) <= MAX_TEXT_CHARACTERS else None,
        "address": canonical_address(event.channel, event.recipient) if event.recipient else None,
        "event": _EVENT.dump_python(event, mode="json"),
    }


def _unmatched_event(row: RowMapping) -> UnmatchedEvent:
    return UnmatchedEvent(_EVENT.validate_python(row["event"]), Unmatched(row["reason"]), row["received_at"])
