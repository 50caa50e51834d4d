"""The suppression list: addresses that nothing is sent to, whoever has them now or gets them later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, literal, or_, select

from connector.rules.model.users import canonical_address
from connector.rules.provider_events.consent import AddressStatement
from connector.store.engine.bulk import upsert
from connector.store.engine.transaction import Transaction
from connector.store.tables import bare_number, dead_addresses, users

_ADDRESS_OF_USER: Mapping[str, ColumnElement[str]] = {
    "email": func.lower(users.c.email),
    "sms": bare_number(users.c.phone),
}
"""The address of a row of `users` by channel, normalised by the database, as are those that it is compared with."""


def suppressed_columns() -> list[ColumnElement[bool]]:
    """Return columns for queries of `users`: whether the present addresses are suppressed, `suppressed_{channel}`."""
    return [_is_suppressed(channel).label(f"suppressed_{channel}") for channel in _ADDRESS_OF_USER]


async def save_address_statements(
    tx: Transaction, statements: Sequence[AddressStatement], user_keys: Mapping[str, str]
) -> None:
    """Save what providers last reported of addresses, in one statement; an older report changes nothing.

    Args:
        statements: at most one for each address.
        user_keys: by address as reported: a user who has it, or to whom the report was matched.
    """
    if not statements:
        return
    table = dead_addresses.c
    insert = upsert(tx, dead_addresses, ["dead", "said_at", "user_key"], newest_by="said_at").values(
        workspace=tx.workspace,
        channel=bindparam("on_channel"),
        address=func.lower(bindparam("reported_address")),
        dead=bindparam("is_dead"),
        said_at=bindparam("at", type_=table.said_at.type),
        user_key=bindparam("key"),
    )
    rows: list[dict[str, Any]] = [
        {
            "on_channel": one.channel,
            "reported_address": _bare(one.channel, one.address),
            "is_dead": one.dead,
            "at": one.at,
            "key": user_keys.get(one.address),
        }
        for one in statements
    ]
    await tx.execute(insert, sorted(rows, key=itemgetter("on_channel", "reported_address")))


async def erase_addresses(tx: Transaction, user_key: str, addresses: Mapping[str, str | None]) -> None:
    """Delete the entries of an erased user's addresses, except those that another user has (guarantee 8).

    Args:
        addresses: the user's last ones, by channel; the user's row has none any more.
    """
    table = dead_addresses.c
    has_address = [
        and_(table.channel == channel, table.address == func.lower(literal(_bare(channel, address))))
        for channel, address in addresses.items()
        if address
    ]
    for condition in (table.user_key == user_key, *has_address):
        is_held = or_(*(_is_held(channel) for channel in _ADDRESS_OF_USER))
        await tx.execute(delete(dead_addresses).where(tx.in_workspace(dead_addresses), condition, ~is_held))


def _bare(channel: str, address: str) -> str:
    """Return a number without separators between its digits; the database lowers the case of an email."""
    return canonical_address(channel, address) if channel == "sms" else address


def _is_suppressed(channel: str) -> ColumnElement[bool]:
    table = dead_addresses.c
    found = select(literal(1)).where(
        table.workspace == users.c.workspace,
        table.channel == literal(channel),
        table.address == _ADDRESS_OF_USER[channel],
        table.dead,
    )
    return found.correlate(users).exists()


def _is_held(channel: str) -> ColumnElement[bool]:
    table = dead_addresses.c
    found = select(literal(1)).where(
        users.c.workspace == table.workspace,
        table.channel == literal(channel),
        # An expression on purpose: SQLite compares a text column in another way than the index on `users` does.
        _ADDRESS_OF_USER[channel] == table.address + literal(""),
    )
    return found.correlate(dead_addresses).exists()
