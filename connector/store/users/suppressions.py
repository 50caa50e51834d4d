"""The suppression list: addresses that accept no messages, for whoever has one of them now or gets it later."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, literal, or_, select, update

from connector.rules.model.addresses import canonical_address
from connector.rules.provider_events.consent import AddressStatement
from connector.store.engine.bulk import upsert
from connector.store.engine.transaction import Transaction
from connector.store.tables import bare_number, dead_addresses, users

_USER_ADDRESS: Mapping[str, ColumnElement[str]] = {
    "email": func.lower(users.c.email),
    "sms": bare_number(users.c.phone),
}
"""By channel the address of a row of `users`, as it is compared here: by the database, on both sides."""


def suppressed_columns() -> list[ColumnElement[bool]]:
    """Return columns of rows of `users`, `suppressed_email` and `suppressed_sms`: whether the address is suppressed."""
    return [_is_suppressed(channel).label(f"suppressed_{channel}") for channel in _USER_ADDRESS]


async def is_address_suppressed(tx: Transaction, channel: str, address: str) -> bool:
    """Return whether an address of email or sms is suppressed, whoever has it."""
    table = dead_addresses.c
    is_address = table.address == func.lower(literal(canonical_address(channel, address)))
    where = (tx.in_workspace(dead_addresses), table.channel == channel, is_address, table.dead)
    return (await tx.execute(select(literal(1)).where(*where))).first() is not None


async def save_address_statements(
    tx: Transaction, statements: Sequence[AddressStatement], user_keys: Mapping[str, str]
) -> None:
    """Save the latest statement about each address, in one statement of SQL; an older one changes nothing.

    Args:
        statements: one an address.
        user_keys: by the address as reported, one user who has it or whom the statement concerns.
    """
    if not statements:
        return
    table = dead_addresses.c
    insert = upsert(tx, dead_addresses, ["dead", "said_at", "user_key"], newest_by="said_at").values(
        workspace=tx.workspace,
        channel=bindparam("on_channel"),
        address=func.lower(bindparam("reported_address")),
        dead=bindparam("is_suppressed"),
        said_at=bindparam("at", type_=table.said_at.type),
        user_key=bindparam("key"),
    )
    rows = [
        {
            "on_channel": statement.channel,
            "reported_address": canonical_address(statement.channel, statement.address),
            "is_suppressed": statement.is_suppressed,
            "at": statement.at,
            "key": user_keys.get(statement.address),
        }
        for statement in statements
    ]
    # In order, so that two transactions never wait for each other.
    await tx.execute(insert, sorted(rows, key=itemgetter("on_channel", "reported_address")))


async def find_reported_addresses(tx: Transaction, user_key: str) -> set[tuple[str, str]]:
    """Return the addresses on which providers reported when the user had them, each with its channel."""
    table = dead_addresses.c
    where = (tx.in_workspace(dead_addresses), table.user_key == user_key)
    return {
        (channel, address) for channel, address in await tx.execute(select(table.channel, table.address).where(*where))
    }


async def erase_addresses(tx: Transaction, user_key: str, addresses: Collection[tuple[str, str]]) -> None:
    """Delete what is known of a user's addresses, unless another user has one of them (guarantee 8).

    Args:
        addresses: with their channels, all that the user had; the user's row no longer has any.
    """
    table = dead_addresses.c
    of_user = [
        and_(table.channel == channel, table.address == func.lower(literal(canonical_address(channel, address))))
        for channel, address in sorted(addresses)
    ]
    for condition in (table.user_key == user_key, *of_user):
        is_held = or_(*(_is_held(channel) for channel in _USER_ADDRESS))
        await tx.execute(delete(dead_addresses).where(tx.in_workspace(dead_addresses), condition, ~is_held))
    where = (tx.in_workspace(dead_addresses), table.user_key == user_key)
    await tx.execute(update(dead_addresses).where(*where).values(user_key=None))


def _is_suppressed(channel: str) -> ColumnElement[bool]:
    table = dead_addresses.c
    suppressed = select(literal(1)).where(
        table.workspace == users.c.workspace,
        table.channel == literal(channel),
        table.address == _USER_ADDRESS[channel],
        table.dead,
    )
    return suppressed.correlate(users).exists()


def _is_held(channel: str) -> ColumnElement[bool]:
    table = dead_addresses.c
    holder = select(literal(1)).where(
        users.c.workspace == table.workspace,
        table.channel == literal(channel),
        # Made an expression: SQLite compares a text column differently from its index on an expression.
        _USER_ADDRESS[channel] == table.address + literal(""),
    )
    return holder.correlate(dead_addresses).exists()
