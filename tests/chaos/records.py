"""What the store recorded of a campaign: what arrived and was ordered when, and the outcome of each follow-up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select

from connector.rules.model.interactions import Interaction, LogEntry
from connector.store.engine.database import Database
from connector.store.tables import decisions, deliveries, follow_ups, orders, user_aliases
from connector.store.users.log import load_items
from tests.parity.outcomes import MADE, MadeIds

Row = Mapping[str, Any]
Trigger = tuple[str, str, str, str]
"""(follow-on, user, key, trigger): a made trigger by what it is, because its id is a hash over surrogate keys."""


@dataclass(frozen=True)
class Records:
    """The rows of one workspace.

    `follow_ups` has those of each trigger in the order in which they began, `deliveries` is by follow-up,
    `refused_waits` has when triggers were refused as `already_waiting`, by follow-on, user and key, and `recorded_at`
    when the result of a sent message was recorded, by its campaign, user and claim. `busy` has when the receiver did
    not accept a message, by delivery: an attempt was under way, of which the store keeps no time.
    """

    reported: Sequence[LogEntry]
    orders: Sequence[Row]
    follow_ups: Mapping[Trigger, Sequence[Row]]
    deliveries: Mapping[str, Row]
    refused_waits: Mapping[tuple[str, str, str], Sequence[datetime]]
    recorded_at: Mapping[tuple[str, str, datetime], datetime]
    busy: Mapping[str, Sequence[datetime]] = field(default_factory=dict)

    @property
    def rows(self) -> list[tuple[Trigger, Row]]:
        """Every follow-up with its trigger."""
        return [(trigger, row) for trigger, rows in self.follow_ups.items() for row in rows]

    def text(self) -> str:
        """Return everything as lines to search for a user in."""
        lines = [f"{entry.received_at} {entry.item.user} reported {entry!r}" for entry in self.reported]
        lines += [f"{order['ordered_at']} {dict(order)}" for order in self.orders]
        for (_, user, *_rest), row in self.rows:
            lines.append(f"{row['created_at']} {user} follow-up {dict(row)} {dict(self.deliveries.get(row['id'], {}))}")
        lines += [f"{at} {delivery} was not accepted" for delivery, times in self.busy.items() for at in times]
        return "\n".join(sorted(lines))


async def load_records(database: Database, workspace: str, busy: Mapping[str, Sequence[datetime]]) -> Records:
    """Load everything, with the external ids of users."""

    async def rows(table: Table) -> list[Row]:
        async with database.read(workspace) as tx:
            found = await tx.execute(select(table).where(tx.in_workspace(table)))
            return [dict(one) for one in found.mappings()]

    users = {one["user_key"]: one["external_id"] for one in await rows(user_aliases)}
    async with database.read(workspace) as tx:
        logs = await load_items(tx, dict.fromkeys(users))
    made = MadeIds({users[key]: log for key, log in logs.items()})
    begun: dict[Trigger, list[Row]] = defaultdict(list)
    for one in sorted(await rows(follow_ups), key=lambda one: one["created_at"]):
        name = made.name(one["trigger_id"]) or ""
        begun[one["campaign"], users[one["user_key"]], one["key"], name].append(one)
    refused: dict[tuple[str, str, str], list[datetime]] = defaultdict(list)
    for one in await rows(decisions):
        if one["reason"] == "already_waiting":
            refused[one["campaign"], users[one["user_key"]], one["key"]].append(one["decided_at"])
    return Records(
        reported=[_named(entry, users[key]) for key, log in logs.items() for entry in log if not _is_made(entry)],
        orders=await rows(orders),
        follow_ups=begun,
        deliveries={one["follow_up_id"]: one for one in await rows(deliveries)},
        refused_waits=refused,
        recorded_at={
            (entry.item.target or "", users[key], entry.t): entry.received_at
            for key, log in logs.items()
            for entry in log
            if _is_made(entry) and isinstance(entry.item, Interaction)
        },
        busy=busy,
    )


def _is_made(entry: LogEntry) -> bool:
    return entry.id.startswith(MADE)


def _named(entry: LogEntry, user: str) -> LogEntry:
    item: Any = entry.item.model_copy(update={"id": entry.id, "user": user})
    return LogEntry(entry.id, entry.seq, entry.t, entry.received_at, item)
