"""Users who were reached: the condition of follow-ups that were sent or enrolled, and the steps of erased users."""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, func, literal, select, update

from connector.rules.model.reasons import State
from connector.store.engine.transaction import Transaction
from connector.store.tables import entries, follow_ups, reached_users

ENROLLED, SENT = 1, 2
"""The bits of `steps` that follow-ups set."""


def has_reached() -> ColumnElement[bool]:
    """Return the condition that a follow-up was sent or enrolled, in constants, so that its partial index is used."""
    return follow_ups.c.state.in_([literal(state.value, literal_execute=True) for state in (State.SENT, State.CONTROL)])


async def forget_steps(tx: Transaction, user_key: str) -> None:
    """Reset the steps of a user whose log was deleted to those of follow-ups (sent, enrolled), in each campaign."""
    table, done = reached_users.c, follow_ups.c
    campaigns = select(entries.c.id).where(tx.in_workspace(entries))  # by the primary key, which begins with them
    of_campaign = (
        tx.in_workspace(follow_ups), done.user_key == user_key, done.campaign == table.campaign, has_reached()
    )  # fmt: skip
    first = select(func.min(func.coalesce(done.decided_at, done.created_at))).where(*of_campaign)
    enrolled, sent = (
        func.coalesce(func.max(case((done.state == state.value, bit), else_=0)), 0)
        for state, bit in ((State.CONTROL, ENROLLED), (State.SENT, SENT))
    )
    kept = {"at": first.scalar_subquery(), "steps": select(enrolled + sent).where(*of_campaign).scalar_subquery()}
    where = (tx.in_workspace(reached_users), table.campaign.in_(campaigns), table.user_key == user_key)
    await tx.execute(update(reached_users).where(*where).values(kept))
