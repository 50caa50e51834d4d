"""Look up what providers' events name, for many at once, by indexes; deliveries by our own ids apart."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import func, literal, select

from connector.rules.model.addresses import canonical_address
from connector.rules.sending.deliveries import DeliveryRecord
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import find_deliveries
from connector.store.tables import bare_number, deliveries, user_aliases, users
from connector.store.users.marks import ids_by_pseudonym

_CHANNELS = [literal(name, literal_execute=True) for name in ("email", "sms")]
"""The condition of the partial index `deliveries_by_provider`, in constants (see `engine.bulk`)."""


async def find_by_provider(tx: Transaction, ids: Collection[str]) -> dict[str, DeliveryRecord]:
    """Return the emails and texts that providers know by these ids, by those ids, with their users.

    The messages of erased users are found by the pseudonyms of the ids.
    """
    if not ids:
        return {}
    id_of = await ids_by_pseudonym(tx, ids) | {id: id for id in ids}
    has_id = in_set(tx, deliveries.c.provider_id, id_of)
    records = await find_deliveries(tx, has_id, deliveries.c.channel.in_(_CHANNELS), with_user=True)
    return {id_of[record.provider_id]: record for record in records if record.provider_id is not None}


async def find_holders(tx: Transaction, channel: str, addresses: Collection[str]) -> dict[tuple[str, str], list[str]]:
    """Return the current ids of the users who have these addresses on email or sms, by (channel, canonical address)."""
    if not addresses:
        return {}
    canonical = {canonical_address(channel, address) for address in addresses}
    # The database's lower case may know more letters than ASCII's.
    wanted = canonical | {address.lower() for address in canonical}
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
