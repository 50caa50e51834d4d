"""The outcomes of a story as the rows of the store have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, Table, select

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import State
from connector.rules.sending.launching import is_launched
from connector.store.engine.database import Database
from connector.store.follow_ups.follow_ups import follow_up_from_row
from connector.store.tables import decisions, deliveries, follow_ups, receipts, user_aliases
from connector.store.users.log import load_items
from tests.parity.outcomes import MadeIds, Outcomes, Row, object_row, printed_object, rounded, row

Trigger = tuple[str, str, str, str]
"""(follow-on, user key, key, trigger id)."""


async def load_outcomes(
    database: Database, workspace: str, unlogged: Iterable[Mapping[str, Any]], refused: list[str]
) -> Outcomes:
    """Load everything that one workspace has, in the form that is compared.

    Args:
        unlogged: the refusals of items that were rejected, of which there are no rows.
        refused: the problems of the order at which the story ended.
    """

    async def rows(table: Table) -> Sequence[RowMapping]:
        async with database.read(workspace) as tx:
            return (await tx.execute(select(table).where(tx.in_workspace(table)))).mappings().all()

    users = {one["user_key"]: one["external_id"] for one in await rows(user_aliases)}
    async with database.read(workspace) as tx:
        logs = await load_items(tx, dict.fromkeys(users))
    made = MadeIds({users[key]: log for key, log in logs.items()})
    begun = sorted(await rows(follow_ups), key=lambda one: one["created_at"])
    stored = _Stored(users, made, [follow_up_from_row(one) for one in begun], await rows(deliveries))
    objects = [*stored.follow_up_objects(), *stored.decision_objects(await rows(decisions)), *unlogged]
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
            for one in await rows(receipts)
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
            trigger = (one["campaign"], one["user_key"], one["key"], one["interaction_id"])
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
    return follow_up.campaign, follow_up.user_key, follow_up.key, follow_up.trigger.id
