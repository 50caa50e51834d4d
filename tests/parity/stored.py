"""The outcomes of a story as the rows of the store have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Table, select

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import State
from connector.rules.sending.launching import is_launched
from connector.store.engine.database import Database
from connector.store.follow_ups.follow_ups import follow_up_from_row
from connector.store.tables import decisions, deliveries, follow_ups, interactions, receipts, user_aliases
from connector.store.users.log import entry_from_row
from tests.parity.outcomes import MadeIds, Outcomes, Row, object_row, printed_object, rounded, row

Trigger = tuple[str, str, str, str, datetime]
"""(follow-on, user key, key, trigger id, its time): an id may be used again beyond the retention."""

StoredRows = dict[str, dict[tuple[Any, ...], RowMapping]]
"""Rows by table and primary key."""

TABLES = (interactions, follow_ups, decisions, deliveries, receipts, user_aliases)


async def load_rows(database: Database, workspace: str) -> StoredRows:
    """Load all rows of one workspace that outcomes are made of."""
    async with database.read(workspace) as tx:
        found = {t.name: (await tx.execute(select(t).where(tx.in_workspace(t)))).mappings().all() for t in TABLES}
    return {
        table.name: {tuple(one[column.name] for column in table.primary_key): one for one in found[table.name]}
        for table in TABLES
    }


async def load_outcomes(
    database: Database,
    workspace: str,
    unlogged: Iterable[Mapping[str, Any]],
    refused: list[str],
    deleted: StoredRows | None = None,
) -> Outcomes:
    """Load everything that one workspace has, in the form that is compared.

    Args:
        deleted: rows as they were before they were deleted, or changed since.
        unlogged: the refusals of items that were rejected, of which there are no rows.
        refused: the problems of the order at which the story ended.
    """

    found = await load_rows(database, workspace)

    def rows(table: Table) -> Sequence[RowMapping]:
        return list({**(deleted or {}).get(table.name, {}), **found[table.name]}.values())

    users = {one["user_key"]: one["external_id"] for one in rows(user_aliases)}
    logs: dict[str, list[LogEntry]] = {user_key: [] for user_key in users}
    for logged in rows(interactions):
        logs[logged["user_key"]].append(entry_from_row(logged))
    made = MadeIds({users[key]: log for key, log in logs.items()})
    begun = sorted(rows(follow_ups), key=lambda one: one["created_at"])
    stored = _Stored(users, made, [follow_up_from_row(one) for one in begun], rows(deliveries))
    objects = [*stored.follow_up_objects(), *stored.decision_objects(rows(decisions)), *unlogged]
    return Outcomes(
        objects=Counter(object_row(one, made) for one in objects),
        deliveries=Counter(stored.delivery_rows()),
        receipts=Counter(
            row(
                campaign=one["campaign"],
                user=users[one["user_key"]],
                key=one["key"],
                received_at=rounded(one["received_at"]),
            )
            for one in rows(receipts)
        ),
        made=made.rows(),
        refused=refused,
    )


@dataclass(frozen=True)
class _Stored:
    """The rows of one workspace; `users` has the external ids by user key, `begun` every follow-up as it began."""

    users: Mapping[str, str]
    made: MadeIds
    begun: Sequence[FollowUp]
    deliveries: Sequence[RowMapping]

    def follow_up_objects(self) -> Iterator[dict[str, Any]]:
        """Yield the last follow-up of each trigger; one of which a part was sent and a part is held counts as held."""
        for follow_up in {_trigger(follow_up): follow_up for follow_up in self.begun}.values():
            if is_launched(follow_up):
                continue
            yield printed_object(
                campaign=follow_up.campaign,
                user=self.users[follow_up.user_key],
                trigger=follow_up.trigger.id,
                key=follow_up.key,
                triggered_at=follow_up.trigger.t,
                due_at=follow_up.due_at,
                state=State.HELD.value if follow_up.state is State.SENDING else follow_up.state.value,
                reason=follow_up.reason and follow_up.reason.value,
                decided_at=follow_up.decided_at,
                channels=[d["channel"] for d in self._deliveries_of(follow_up) if d["state"] == "sent"],
                exception=follow_up.exception_id,
            )

    def decision_objects(self, rows: Sequence[RowMapping]) -> Iterator[dict[str, Any]]:
        """Yield the refusals that no late arrival has undone, and the notes of late exceptions."""
        began_after_all = set(map(_trigger, self.begun))
        for one in rows:
            trigger = (one["campaign"], one["user_key"], one["key"], one["interaction_id"], one["t"])
            if one["state"] == "refused" and trigger in began_after_all:
                continue
            yield printed_object(
                campaign=one["campaign"],
                user=self.users[one["user_key"]],
                trigger=one["interaction_id"],
                key=one["key"],
                triggered_at=one["t"],
                state=one["state"],
                reason=one["reason"],
                decided_at=one["decided_at"],
                exception=one["interaction_id"],
            )

    def delivery_rows(self) -> Iterator[Row]:
        """Yield every delivery, those of launches too."""
        for follow_up in self.begun:
            for one in self._deliveries_of(follow_up):
                yield row(
                    campaign=one["campaign"],
                    user=self.users[one["user_key"]],
                    trigger="(launch)" if is_launched(follow_up) else self.made.name(follow_up.trigger.id),
                    key=follow_up.key,
                    channel=one["channel"],
                    state=one["state"],
                    reason=one["reason"],
                    claimed_at=rounded(one["claimed_at"]),
                )

    def _deliveries_of(self, follow_up: FollowUp) -> list[RowMapping]:
        return [one for one in self.deliveries if one["follow_up_id"] == follow_up.id]


def _trigger(follow_up: FollowUp) -> Trigger:
    return follow_up.campaign, follow_up.user_key, follow_up.key, follow_up.trigger.id, follow_up.trigger.t
