"""Looking up everything that providers' events and tracked links name, for many at once, by indexes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, literal, select

from connector.rules.model.users import canonical_address
from connector.rules.provider_events.attribution import MatchedDelivery
from connector.rules.sending.deliveries import DeliveryState
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import bare_number, deliveries, user_aliases, users
from connector.store.users.users import ERASED, mark_of_erased

_CHANNELS = [literal(name, literal_execute=True) for name in ("email", "sms")]
"""As constants in the statement, so that SQLite sees that the partial index `deliveries_by_provider` fits."""


@dataclass(frozen=True)
class TrackedDelivery:
    """A delivery and its user. `user` is the id that services use; `dispatched_at` is UTC."""

    id: str
    campaign: str
    channel: str
    user: str
    user_key: str
    dispatched_at: datetime | None


async def find_tracked_deliveries(tx: Transaction, ids: Collection[str]) -> Mapping[str, TrackedDelivery]:
    """Return the deliveries that exist, by id, in one statement; those of erased users are left out."""
    table, alias = deliveries.c, user_aliases.c
    statement = (
        select(table.id, table.campaign, table.channel, table.user_key, table.claimed_at, alias.external_id)
        .join(user_aliases, and_(alias.workspace == table.workspace, alias.user_key == table.user_key))
        .where(tx.in_workspace(deliveries), in_set(tx, table.id, ids))
        .order_by(alias.rank.desc(), alias.external_id.desc())
    )
    return {
        row.id: TrackedDelivery(row.id, row.campaign, row.channel, row.external_id, row.user_key, row.claimed_at)
        for row in await tx.execute(statement)
        if not row.external_id.startswith(ERASED)
    }


async def find_matched_deliveries(tx: Transaction, ids: Collection[str]) -> dict[str, MatchedDelivery]:
    """Return the deliveries that exist, by id."""
    return {delivery.id: delivery for delivery in await _find(tx, in_set(tx, deliveries.c.id, ids))} if ids else {}


async def find_by_provider(tx: Transaction, ids: Collection[str]) -> dict[str, MatchedDelivery]:
    """Return the emails and texts that providers know by these ids, by those ids."""
    if not ids:
        return {}
    condition = and_(in_set(tx, deliveries.c.provider_id, ids), deliveries.c.channel.in_(_CHANNELS))
    found = await _find(tx, condition)
    return {delivery.provider_id: delivery for delivery in found if delivery.provider_id is not None}


async def find_erased(tx: Transaction, ids: Collection[str]) -> set[str]:
    """Return those of these users' ids that were erased."""
    if not ids:
        return set()
    marks, table = {mark_of_erased(id): id for id in ids}, user_aliases.c
    where = (tx.in_workspace(user_aliases), in_set(tx, table.external_id, marks))
    return {marks[mark] for mark in (await tx.execute(select(table.external_id).where(*where))).scalars()}


async def find_holders(tx: Transaction, channel: str, addresses: Collection[str]) -> dict[tuple[str, str], list[str]]:
    """Return the current ids of the users who have these addresses on email or sms, by (channel, canonical address)."""
    if not addresses:
        return {}
    # The database's lower case may know fewer letters than ours.
    wanted = {canonical_address(channel, address) for address in addresses} | {address.lower() for address in addresses}
    column = users.c.email if channel == "email" else users.c.phone
    compared = func.lower(column) if channel == "email" else bare_number(column)
    where = (tx.in_workspace(users), in_set(tx, compared, wanted))
    address_of = {key: address for key, address in await tx.execute(select(users.c.user_key, column).where(*where))}
    holders: dict[tuple[str, str], list[str]] = {}
    for key, user in (await _current_ids(tx, address_of)).items():
        holders.setdefault((channel, canonical_address(channel, address_of[key])), []).append(user)
    return holders


async def _current_ids(tx: Transaction, user_keys: Collection[str]) -> dict[str, str]:
    """Return the current ids by user key, apart from the users: in a join SQLite would scan the ids of all users."""
    if not user_keys:
        return {}
    table = user_aliases.c
    where = (tx.in_workspace(user_aliases), in_set(tx, table.user_key, user_keys))
    rows = await tx.execute(select(table.rank, table.external_id, table.user_key).where(*where))
    return {key: id for _, id, key in sorted(map(tuple, rows), reverse=True)}


async def _find(tx: Transaction, condition: ColumnElement[bool]) -> list[MatchedDelivery]:
    table, alias = deliveries.c, user_aliases.c
    names = ("id", "campaign", "channel", "state", "claimed_at", "provider_id", "fault")
    statement = (
        select(*(table[name] for name in names), alias.external_id, alias.rank)
        .join(user_aliases, and_(alias.workspace == table.workspace, alias.user_key == table.user_key))
        .where(tx.in_workspace(deliveries), condition)
    )
    # Sorted here: to sort a few rows, SQLite would scan the ids of all users, which are in order.
    rows = sorted(await tx.execute(statement), key=lambda row: (row.rank, row.external_id), reverse=True)
    return [
        MatchedDelivery(
            row.id,
            row.campaign,
            row.channel,
            DeliveryState(row.state),
            row.claimed_at,
            row.provider_id,
            row.fault,
            None if row.external_id.startswith(ERASED) else row.external_id,
        )
        for row in rows
    ]
