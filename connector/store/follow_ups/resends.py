"""Follow-ups that are sent again: what a decision about them needs, and how they wait once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import null, update

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.times import start_of_second
from connector.rules.sending.decisions import Recipient, needs_history_when_due
from connector.rules.sending.deliveries import newest_by_channel
from connector.rules.sending.effects import WriteDelivery
from connector.rules.sending.resending import Resend, ResendFacts
from connector.store.engine.bulk import as_table
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.counting import count_begun
from connector.store.follow_ups.deliveries import load_deliveries_by_follow_up, write_deliveries
from connector.store.follow_ups.follow_ups import load_follow_ups
from connector.store.follow_ups.recipients import load_recipients
from connector.store.tables import follow_ups
from connector.store.users.log import WantedTypes, item_columns, load_types

_REOPENED = ("id", "state", "next_at", "dispatched_at", "window_id", "channels", "resends", "trigger_id", "trigger")

_EMPTIED = (
    "reason",
    "exception_id",
    "exception_at",
    "decided_at",
    "started_at",
    "signalled_at",
    "moved_to",
    "moved_at",
)


async def load_resend_facts(
    tx: Transaction, catalogue: Catalogue, meant: Sequence[FollowUp], now: datetime
) -> Iterator[ResendFacts]:
    """Load what is known of follow-ups, in their order; the number of statements grows only with their campaigns.

    Args:
        now: as of when they are evaluated, UTC.
    """
    records = await load_deliveries_by_follow_up(tx, {follow_up.id for follow_up in meant})
    keys = {follow_up.user_key for follow_up in meant}
    others = [other for of_user in (await load_follow_ups(tx, keys, now)).values() for other in of_user]
    open_ones = {(one.campaign, one.user_key, one.key): one.id for one in others if one.is_open}
    logs = await load_types(tx, _exceptions_wanted(meant, catalogue))
    recipients: dict[tuple[str, str], Recipient] = {}
    for campaign in sorted({follow_up.campaign for follow_up in meant}):
        entry = catalogue.entries[campaign]
        of_campaign = {one.user_key: entry for one in meant if one.campaign == campaign}
        loaded = await load_recipients(tx, catalogue, of_campaign, now, needs_history=needs_history_when_due)
        recipients |= {(campaign, user_key): recipient for user_key, recipient in loaded.items()}

    def facts_of(follow_up: FollowUp) -> ResendFacts:
        blocking = open_ones.get((follow_up.campaign, follow_up.user_key, follow_up.key))
        return ResendFacts(
            follow_up,
            newest_by_channel(records.get(follow_up.id, ())),
            recipients[follow_up.campaign, follow_up.user_key],
            None if blocking == follow_up.id else blocking,
            logs[follow_up.user_key].entries if follow_up.user_key in logs else (),
        )

    return map(facts_of, meant)


async def save_resends(tx: Transaction, resent: Sequence[Resend]) -> set[str]:
    """Let follow-ups wait again, whose users are locked; return the ids of those that do: the outbox starts these.

    The cleanup deletes old follow-ups without their users' locks, so that one may be gone since it was loaded.
    """
    if not resent:
        return set()
    rows = [_row(one.follow_up) for one in resent]
    new, table = as_table(tx, {name: follow_ups.c[name].type for name in _REOPENED}, rows).c, follow_ups.c
    values: dict[str, Any] = {name: new[name] for name in _REOPENED if name != "id"}
    values |= dict.fromkeys(_EMPTIED, null()) | {"ended_outside": False}
    reopen = update(follow_ups).where(tx.in_workspace(follow_ups), table.id == new.id).values(values)
    waiting = set((await tx.execute(reopen.returning(table.id))).scalars())
    begun = [one for one in resent if one.follow_up.id in waiting]
    count_begun(tx, (one.follow_up.campaign for one in begun))
    await write_deliveries(
        tx, [WriteDelivery(one.follow_up, delivery, attempt=0) for one in begun for delivery in one.deliveries]
    )
    return waiting


def _exceptions_wanted(meant: Sequence[FollowUp], catalogue: Catalogue) -> Mapping[str, WantedTypes]:
    """Return by user the types of items that may have cancelled a follow-up since its trigger's second (M8)."""
    wanted: dict[str, dict[Any, datetime | None]] = {}
    for follow_up in meant:
        began = start_of_second(follow_up.trigger.t)
        types = wanted.setdefault(follow_up.user_key, {})
        for type in catalogue.entries[follow_up.campaign].exception_types:
            earliest = types.get(type)
            types[type] = began if earliest is None else min(earliest, began)
    return wanted


def _row(follow_up: FollowUp) -> dict[str, Any]:
    return {
        **{name: getattr(follow_up, name) for name in _REOPENED if not name.startswith("trigger")},
        "state": follow_up.state.value,
        "channels": list(follow_up.channels),
        "trigger_id": follow_up.trigger.id,
        "trigger": {**item_columns(follow_up.trigger.item), "seq": follow_up.trigger.seq},
    }
