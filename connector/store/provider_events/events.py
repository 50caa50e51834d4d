"""What providers told: what was heeded, so that it is so once, and what could not be led back, so that it is kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, and_, bindparam, delete, func, literal, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.model.addresses import canonical_address
from connector.rules.provider_events.attribution import MAX_USER_ID_CHARACTERS, Unmatched
from connector.rules.provider_events.consent import EventWithEffect, apply_consent, latest_statements
from connector.rules.provider_events.events import UNTIMED, USER, EventKey, ProviderEvent, key_of
from connector.store.engine.sets import in_set
from connector.store.provider_events.suppressions import remember
from connector.store.tables import Instant, heeded_reports, unmatched_reports, users

_EVENT: TypeAdapter[ProviderEvent] = TypeAdapter(ProviderEvent)

Place = tuple[datetime, str, str]
"""When it happened, UTC, and its key."""

BEGINNING: Place = (datetime(1, 1, 2, tzinfo=UTC), "", "")
"""Before everything, with a day's room for zones."""


@dataclass(frozen=True)
class UnmatchedEvent:
    """A report that was kept, with why it could not be led back. `received_at` is UTC."""

    event: ProviderEvent
    reason: Unmatched
    received_at: datetime

    @property
    def key(self) -> EventKey:
        """What the store knows it by."""
        return key_of(self.event)

    @property
    def place(self) -> Place:
        """Where it stands among the others: they are led back as they happened."""
        return self.event.at, *self.key


async def mark_applied(
    c: AsyncConnection, workspace: str, events: Sequence[ProviderEvent], now: datetime
) -> set[EventKey]:
    """Remember that these events are heeded now; returns those that were not yet."""
    keys = {key_of(event) for event in events}
    if not keys:
        return set()
    insert = (postgresql if c.dialect.name == "postgresql" else sqlite).insert(heeded_reports)
    rows = [{"workspace": workspace, "provider": p, "event_id": id, "received_at": now} for p, id in sorted(keys)]
    table = heeded_reports.c
    new = await c.execute(insert.on_conflict_do_nothing().returning(table.provider, table.event_id), rows)
    return {(provider, id) for provider, id in new}


async def change_holders(
    c: AsyncConnection, workspace: str, told: Mapping[str, Sequence[EventWithEffect]], now: datetime
) -> None:
    """Write what events say of their holders' consent, in two statements, and of addresses, in one.

    Args:
        told: by user key, of users whose rows are locked.
    """
    if not told:
        return
    table = users.c
    columns = (table.user_key, table.consent, table.said_at)
    found = await c.execute(select(*columns).where(table.workspace == workspace, in_set(c, table.user_key, told)))
    changed = {key: apply_consent(consent, said_at, told[key], now) for key, consent, said_at in sorted(found)}
    statement = (
        update(users)
        .where(table.workspace == workspace, table.user_key == bindparam("key"))
        .values(consent=bindparam("new_consent"), said_at=bindparam("new_said_at"))
    )
    rows = [{"key": key, "new_consent": new, "new_said_at": said_at} for key, (new, said_at) in changed.items()]
    if rows:
        await c.execute(statement, rows)
    words = latest_statements((one for said in told.values() for one in said), now)
    holders = {event.recipient: key for key, said in told.items() for event, _ in said if event.recipient}
    await remember(c, workspace, words, holders)


async def save_statements(c: AsyncConnection, workspace: str, user_key: str, channel: str, at: datetime) -> None:
    """Remember when a user, whose row is locked, said the last word on the consent to a channel."""
    where = (users.c.workspace == workspace, users.c.user_key == user_key)
    said = (await c.execute(select(users.c.said_at).where(*where))).scalar_one()
    await c.execute(update(users).where(*where).values(said_at={**said, channel: at.astimezone(UTC).isoformat()}))


async def keep_unmatched(
    c: AsyncConnection, workspace: str, unmatched: Mapping[EventKey, tuple[ProviderEvent, Unmatched]], now: datetime
) -> set[EventKey]:
    """Keep what could not be led back; returns those that were not kept yet."""
    if not unmatched:
        return set()
    rows = [_row(workspace, key, event, reason, now) for key, (event, reason) in sorted(unmatched.items())]
    insert = (postgresql if c.dialect.name == "postgresql" else sqlite).insert(unmatched_reports)
    table = unmatched_reports.c
    new = await c.execute(insert.on_conflict_do_nothing().returning(table.provider, table.event_id), rows)
    return {(provider, id) for provider, id in new}


async def delete_applied_events(c: AsyncConnection, workspace: str, before: datetime) -> None:
    """Let go of everything that was received before an instant.

    Not of what was heeded of providers that sign no time: an old call of theirs, told again, is not known to be old.
    """
    for table in (unmatched_reports, heeded_reports):
        await c.execute(
            delete(table).where(
                table.c.workspace == workspace,
                table.c.received_at < before,
                *([table.c.provider.not_in(UNTIMED)] if table is heeded_reports else []),
            )
        )


async def delete_unmatched_events(c: AsyncConnection, workspace: str, keys: Collection[EventKey]) -> None:
    """Let go of reports that were led back."""
    if keys:
        table = unmatched_reports.c
        which = and_(table.workspace == workspace, table.provider == bindparam("p"), table.event_id == bindparam("e"))
        await c.execute(delete(unmatched_reports).where(which), [{"p": p, "e": e} for p, e in sorted(keys)])


async def erase_events(
    c: AsyncConnection, workspace: str, users: Sequence[str], addresses: Mapping[str, str | None]
) -> None:
    """Let go of what is kept about a user, by their ids and their addresses (guarantee 8)."""
    table = unmatched_reports.c
    theirs = [canonical_address(channel, address) for channel, address in addresses.items() if address]
    for which in (table.user_id.in_(users), table.address.in_(theirs)):
        await c.execute(delete(unmatched_reports).where(table.workspace == workspace, which))


async def load_unmatched(
    c: AsyncConnection, workspace: str, *, provider: str | None = None, after: Place = BEGINNING, limit: int
) -> list[UnmatchedEvent]:
    """A page of what is kept, in the order in which it happened."""
    table = unmatched_reports.c
    place = (table.at, table.provider, table.event_id)
    statement = (
        select(unmatched_reports)
        .where(table.workspace == workspace, tuple_(*place) > tuple_(literal(after[0], Instant), *after[1:]))
        .order_by(*place)
        .limit(limit)
    )
    if provider is not None:
        statement = statement.where(table.provider == provider)
    return [_unmatched(row) for row in (await c.execute(statement)).mappings()]


async def newest_unmatched(
    c: AsyncConnection, workspace: str, *, provider: str | None = None, limit: int
) -> list[UnmatchedEvent]:
    """What was kept last, newest first."""
    table = unmatched_reports.c
    statement = select(unmatched_reports).where(table.workspace == workspace)
    if provider is not None:
        statement = statement.where(table.provider == provider)
    newest = statement.order_by(table.received_at.desc(), table.provider, table.event_id).limit(limit)
    return [_unmatched(row) for row in (await c.execute(newest)).mappings()]


async def count_unmatched(
    c: AsyncConnection, workspace: str, *, provider: str | None = None
) -> list[tuple[str, str, int]]:
    """How many are kept, by (provider, reason)."""
    table = unmatched_reports.c
    statement = select(table.provider, table.reason, func.count()).where(table.workspace == workspace)
    if provider is not None:
        statement = statement.where(table.provider == provider)
    grouped = statement.group_by(table.provider, table.reason).order_by(table.provider, table.reason)
    return [(name, reason, count) for name, reason, count in await c.execute(grouped)]


async def change_reasons(c: AsyncConnection, workspace: str, reasons: Mapping[EventKey, Unmatched]) -> None:
    """Why these reports, tried again, could still not be led back."""
    if reasons:
        table = unmatched_reports.c
        which = (table.workspace == workspace, table.provider == bindparam("p"), table.event_id == bindparam("e"))
        rows = [{"p": p, "e": e, "why": reason.value} for (p, e), reason in sorted(reasons.items())]
        await c.execute(update(unmatched_reports).where(*which).values(reason=bindparam("why")), rows)


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
        "user_id": user if user and len(user) <= MAX_USER_ID_CHARACTERS else None,
        "address": canonical_address(event.channel, event.recipient) if event.recipient else None,
        "event": _EVENT.dump_python(event, mode="json"),
    }


def _unmatched(row: RowMapping) -> UnmatchedEvent:
    return UnmatchedEvent(_EVENT.validate_python(row["event"]), Unmatched(row["reason"]), row["received_at"])
