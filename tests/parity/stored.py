"""What a story came to, as the store has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import RowMapping, Table, select

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import State
from connector.rules.sending.launching import is_launched
from connector.simulation.outcomes import Outcome, of_follow_up
from connector.store.engine.database import Database
from connector.store.follow_ups.follow_ups import follow_up_from_row
from connector.store.tables import decisions, deliveries, follow_ups, receipts, user_aliases
from connector.store.users.log import load_items
from tests.parity.outcomes import MadeIds, Outcomes, Row, object_row, rounded, row

Trigger = tuple[str, str, str, str]
"""(follow-on, user key, key, trigger id)."""


async def stored_outcomes(
    database: Database, workspace: str, unlogged: Sequence[Outcome], refused: list[str]
) -> Outcomes:
    """Everything that one workspace has, in the form that is compared.

    Args:
        unlogged: refusals of what was answered as known or too old, of which there are no rows.
        refused: the problems of the order at which the story ended.
    """

    async def rows(table: Table) -> Sequence[RowMapping]:
        async with database.read(workspace) as tx:
            return (await tx.execute(select(table).where(tx.in_workspace(table)))).mappings().all()

    users = {one["user_key"]: one["external_id"] for one in await rows(user_aliases)}
    async with database.read(workspace) as tx:
        logs = await load_items(tx, dict.fromkeys(users))
    made = MadeIds({users[key]: log for key, log in logs.items()})
    begun = [(one["created_at"], follow_up_from_row(one)) for one in await rows(follow_ups)]
    store = _Stored(users, made, {follow_up.id: follow_up for _, follow_up in begun}, await rows(deliveries))
    last = {_trigger(follow_up): follow_up for _, follow_up in sorted(begun, key=lambda one: one[0])}
    return Outcomes(
        objects=Counter(
            [
                *store.follow_ups(last.values()),
                *store.decisions(await rows(decisions), last),
                *(object_row(one.as_json(), made) for one in unlogged),
            ]
        ),
        deliveries=Counter(store.sent()),
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
    """The rows of one workspace. `users` has the external ids by user key, `all_follow_ups` every row by its id."""

    users: Mapping[str, str]
    made: MadeIds
    all_follow_ups: Mapping[str, FollowUp]
    deliveries: Sequence[RowMapping]

    def follow_ups(self, last: Iterable[FollowUp]) -> Iterator[Row]:
        """The last follow-up of each trigger, as it stands; one of which a part is held is shown as held."""
        for follow_up in last:
            if is_launched(follow_up):
                continue
            shown = replace(follow_up, state=State.HELD) if follow_up.state is State.SENDING else follow_up
            sent = tuple(
                d["channel"] for d in self.deliveries if d["follow_up_id"] == follow_up.id and d["state"] == "sent"
            )
            printed = of_follow_up(shown, self.users[follow_up.user_key], sent)
            yield object_row(printed.as_json(), self.made)

    def decisions(self, rows: Sequence[RowMapping], last: Mapping[Trigger, FollowUp]) -> Iterator[Row]:
        """Refusals that no late arrival has undone, and notes of late exceptions."""
        for one in rows:
            if (
                one["state"] == "refused"
                and (one["campaign"], one["user_key"], one["key"], one["interaction_id"]) in last
            ):
                continue
            printed = Outcome(
                campaign=one["campaign"],
                user=self.users[one["user_key"]],
                trigger=one["interaction_id"],
                key=one["key"],
                triggered_at=one["t"],
                due_at=None,
                state=one["state"],
                reason=one["reason"],
                decided_at=one["decided_at"],
            )
            yield object_row(printed.as_json(), self.made)

    def sent(self) -> Iterator[Row]:
        """Every delivery."""
        for one in self.deliveries:
            follow_up = self.all_follow_ups[one["follow_up_id"]]
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


def _trigger(follow_up: FollowUp) -> Trigger:
    return follow_up.campaign, follow_up.user_key, follow_up.key, follow_up.trigger.id
