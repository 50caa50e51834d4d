"""The transaction that takes the next users of an audience into a launch: rows, assignments, enrolments (W3, T4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import Scheduled
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import State
from connector.rules.model.users import User
from connector.rules.sending.deliveries import draw_assignment, enrolment, has_assignments
from connector.rules.sending.due_list import DueFacts, newest_live
from connector.rules.sending.launching import due_for, evaluate_enrolment, follow_up_of
from connector.rules.targeting.assignment import Assignment
from connector.rules.targeting.audience import is_in_audience, needs_history
from connector.rules.triggering.evaluator import LoggedHistory
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_past_sends
from connector.store.follow_ups.follow_ups import insert_follow_ups, load_receipts, save_receipt
from connector.store.follow_ups.launches import LaunchRow, find_standing, keep_assignments
from connector.store.users.log import load_items
from connector.store.users.users import ERASED, StoredUser, load_users, lock_users


class LaunchAudience:
    """Judges users and takes them in, inside a transaction of the caller's."""

    def __init__(
        self,
        tx: Transaction,
        catalogue: Catalogue,
        intake: Intake,
        launch: LaunchRow,
        delivery: Scheduled,
        *,
        now: datetime,
    ) -> None:
        self._tx, self._catalogue, self._intake = tx, catalogue, intake
        self._launch, self._delivery, self._now = launch, delivery, now
        self._entry = catalogue.entries[launch.campaign]
        self._campaign = newest_live(self._entry)

    async def take(self, user_keys: Sequence[str]) -> int:
        """Take those of these users in who are in the audience and never received it; returns how many that were.

        Control users are enrolled in the same transaction as their rows.
        """
        await lock_users(self._tx, user_keys)
        users = await self._chosen(user_keys)
        assignments = await self._assignments(users)
        follow_ups = [self._follow_up(key, stored.user, assignments[key]) for key, stored in users.items()]
        control = {p.user_key for p in follow_ups if assignments[p.user_key].control}
        decided = [await self._decided(p, users[p.user_key]) if p.user_key in control else p for p in follow_ups]
        await insert_follow_ups(self._tx, decided, self._now, by_launch=True)
        enrolled = [follow_up for follow_up in decided if follow_up.state is State.CONTROL]
        for follow_up in enrolled:
            await save_receipt(self._tx, follow_up.campaign, follow_up.user_key, follow_up.key, self._now)
        made = [enrolment(follow_up, users[follow_up.user_key].user.id, self._now) for follow_up in enrolled]
        if made:
            await self._intake.ingest_in_transaction(self._tx, self._catalogue, made)
        return len(decided)

    async def _chosen(self, user_keys: Sequence[str]) -> dict[str, StoredUser]:
        """The audience among them, by user key; whoever received the campaign, or is about to, is left out."""
        tx, campaign = self._tx, self._launch.campaign
        stored = await load_users(tx, user_keys)
        past = await load_items(tx, dict.fromkeys(stored)) if needs_history(self._campaign.audience) else {}
        received = {key for _, key, _ in await load_receipts(tx, user_keys, [campaign])}
        left_out = received | await find_standing(tx, campaign, user_keys)
        return {
            key: one
            for key, one in sorted(stored.items())
            if key not in left_out
            and not one.user.id.startswith(ERASED)
            and is_in_audience(self._campaign.audience, one.user, LoggedHistory(past.get(key, ())), self._now)
        }

    async def _assignments(self, users: Mapping[str, StoredUser]) -> dict[str, Assignment]:
        if not has_assignments(self._entry):
            return dict.fromkeys(users, Assignment(control=False))
        first = {key: draw_assignment(self._campaign, stored.user.id, received=False) for key, stored in users.items()}
        return await keep_assignments(self._tx, self._launch.campaign, first)

    def _follow_up(self, user_key: str, user: User, assignment: Assignment) -> FollowUp:
        due = due_for(self._delivery, user, self._launch.published_at, self._catalogue.workspace)
        return follow_up_of(self._entry, self._launch.launch_id, user, user_key, assignment, due_at=due, at=self._now)

    async def _decided(self, follow_up: FollowUp, stored: StoredUser) -> FollowUp:
        """A control user's follow-up, which ends as it begins."""
        capped = bool(self._catalogue.workspace.frequency_caps)
        sends = await load_past_sends(self._tx, follow_up.user_key, self._now) if capped else ()
        facts = [
            DueFacts(
                now=self._now,
                next_at=follow_up.next_at,
                entry=self._entry,
                window_id=follow_up.window_id,
                workspace=self._catalogue.workspace,
                channel=channel,
                user=stored.user,
                history=LoggedHistory(()),
                received_at=None,
                past_sends=sends,
                assignment=Assignment(control=True),
                follow_up_id=follow_up.id,
                unreachable=stored.unreachable,
            )
            for channel in follow_up.channels
        ]
        state, reason = evaluate_enrolment(facts)
        return replace(follow_up, state=state, reason=reason, decided_at=self._now)
