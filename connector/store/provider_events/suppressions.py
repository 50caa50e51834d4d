"""Addresses that take no messages: remembered by themselves, for whoever has one of them now or gets it later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, literal, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.model.addresses import canonical_address
from connector.rules.provider_events.consent import AddressStatement
from connector.store.tables import bare_number, dead_addresses, users

_OF_USER: Mapping[str, ColumnElement[str]] = {"email": func.lower(users.c.email), "sms": bare_number(users.c.phone)}
"""By channel the address of a row of `users`, as it is compared here: by the database, on both sides."""


def dead_columns() -> list[ColumnElement[bool]]:
    """Of rows of `users` whether their present addresses are dead, as `dead_email` and `dead_sms`."""
    return [_is_dead(channel).label(f"dead_{channel}") for channel in _OF_USER]


async def remember(
    c: AsyncConnection, workspace: str, words: Sequence[AddressStatement], user_keys: Mapping[str, str]
) -> None:
    """Remember the last word on each address, in one statement; an older one than is known changes nothing.

    Args:
        words: one an address. user_keys: by the address as told, one who has it or whom the word leads to.
    """
    if not words:
        return
    table = dead_addresses.c
    insert = (postgresql if c.dialect.name == "postgresql" else sqlite).insert(dead_addresses)
    upsert = insert.values(
        workspace=workspace,
        channel=bindparam("on_channel"),
        address=func.lower(bindparam("told")),
        dead=bindparam("is_dead"),
        said_at=bindparam("at", type_=table.said_at.type),
        user_key=bindparam("key"),
    )
    new = upsert.excluded
    statement = upsert.on_conflict_do_update(
        index_elements=["workspace", "channel", "address"],
        set_={"dead": new.dead, "said_at": new.said_at, "user_key": new.user_key},
        where=new.said_at >= table.said_at,
    )
    told = sorted(((w.channel, _bare(w.channel, w.address), w) for w in words), key=lambda told: told[:2])
    rows: list[dict[str, Any]] = [
        {
            "on_channel": channel,
            "told": address,
            "is_dead": word.is_suppressed,
            "at": word.at,
            "key": user_keys.get(word.address),
        }
        for channel, address, word in told
    ]
    await c.execute(statement, rows)


async def erase_addresses(
    c: AsyncConnection, workspace: str, user_key: str, addresses: Mapping[str, str | None]
) -> None:
    """Let go of what is remembered of a user's addresses, unless somebody else has one of them (guarantee 8).

    Args:
        addresses: those that the user had last, by channel; the user's row has none any more.
    """
    table = dead_addresses.c
    theirs = [
        and_(table.channel == channel, table.address == func.lower(literal(_bare(channel, address))))
        for channel, address in addresses.items()
        if address
    ]
    for which in (table.user_key == user_key, *theirs):
        held = or_(*(_is_held(channel) for channel in _OF_USER))
        await c.execute(delete(dead_addresses).where(table.workspace == workspace, which, ~held))


def _bare(channel: str, address: str) -> str:
    """A number without what people write between its digits; the case of an email is the database's matter."""
    return canonical_address(channel, address) if channel == "sms" else address


def _is_dead(channel: str) -> ColumnElement[bool]:
    table = dead_addresses.c
    found = select(literal(1)).where(
        table.workspace == users.c.workspace,
        table.channel == literal(channel),
        table.address == _OF_USER[channel],
        table.dead,
    )
    return found.correlate(users).exists()


def _is_held(channel: str) -> ColumnElement[bool]:
    table = dead_addresses.c
    found = select(literal(1)).where(
        users.c.workspace == table.workspace,
        table.channel == literal(channel),
        # Made an expression: SQLite compares one with a text column in another way than its index does.
        _OF_USER[channel] == table.address + literal(""),
    )
    return found.correlate(dead_addresses).exists()
