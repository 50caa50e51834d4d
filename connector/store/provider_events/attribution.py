"""What is known of everything that providers' events name, looked up for many at once, by indexes."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, func, literal, select

from connector.rules.model.users import canonical_address
from connector.rules.provider_events.attribution import MatchedDelivery
from connector.rules.sending.deliveries import DeliveryState
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import bare_number, deliveries, user_aliases, users
from connector.store.users.users import ERASED, mark_of_erased

_CHANNELS = [literal(name, literal_execute=True) for name in ("email", "sms")]
"""In constants, so that SQLite sees that the partial index `deliveries_by_provider` fits."""


async def find_matched_deliveries(tx: Transaction, ids: Collection[str]) -> dict[str, MatchedDelivery]:
    """Those of these messages of ours that there are, by id."""
    return {one.id: one for one in await _find(tx, in_set(tx, deliveries.c.id, ids))} if ids else {}


async def find_by_provider(tx: Transaction, ids: Collection[str]) -> dict[str, MatchedDelivery]:
    """The messages of ours that providers know by these ids, by those."""
    if not ids:
        return {}
    known = and_(in_set(tx, deliveries.c.provider_id, ids), deliveries.c.channel.in_(_CHANNELS))
    return {one.provider_id: one for one in await _find(tx, known) if one.provider_id is not None}


async def find_erased(tx: Transaction, ids: Collection[str]) -> set[str]:
    """Those of these users' ids that were erased."""
    if not ids:
        return set()
    marks, table = {mark_of_erased(id): id for id in ids}, user_aliases.c
    where = (tx.in_workspace(user_aliases), in_set(tx, table.external_id, marks))
    return {marks[mark] for mark in (await tx.execute(select(table.external_id).where(*where))).scalars()}


async def find_holders(tx: Transaction, channel: str, addresses: Collection[str]) -> dict[tuple[str, str], list[str]]:
    """The ids used now of who has one of these addresses on email or sms, by (channel, `canonical_address` address)."""
    if not addresses:
        return {}
    # The database's lower case may know fewer letters than ours.
    wanted = {canonical_address(channel, address) for address in addresses} | {address.lower() for address in addresses}
    column = users.c.email if channel == "email" else users.c.phone
    looked_for = func.lower(column) if channel == "email" else bare_number(column)
    where = (tx.in_workspace(users), in_set(tx, looked_for, wanted))
    held = {key: address for key, address in await tx.execute(select(users.c.user_key, column).where(*where))}
    found: dict[tuple[str, str], list[str]] = {}
    for key, user in (await _shown_ids(tx, held)).items():
        found.setdefault((channel, canonical_address(channel, held[key])), []).append(user)
    return found


async def _shown_ids(tx: Transaction, user_keys: Collection[str]) -> dict[str, str]:
    """By user key; in a statement of its own, for in a join SQLite would begin with the ids of all users."""
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
    # Sorted here: SQLite would walk through the ids of all users, which stand in order, rather than sort a few.
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
