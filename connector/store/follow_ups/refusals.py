"""Refused triggers as a replay needs them: why each was refused, and which of them waited in event order (T5)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Subquery, and_, exists, func, or_, select, update

from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.triggering.changes import Refusal
from connector.rules.triggering.overtaken import RefusedTrigger
from connector.store.engine.bulk import as_table, in_set, unindexed
from connector.store.engine.transaction import Transaction
from connector.store.tables import decisions, follow_ups, interactions
from connector.store.users.log import entry_from_row

_OF_KEY = ("user_key", "campaign", "key")


@dataclass(frozen=True)
class WaitedAt:
    """A query for the overtaken triggers of these follow-ons that waited at an instant (UTC)."""

    t: datetime
    follow_ons: Collection[str]


async def load_refusals(
    tx: Transaction, user_keys: Collection[str], trigger_ids: Collection[str], since: datetime
) -> dict[str, dict[RefusedTrigger, Reason]]:
    """Load by user key why these triggers, none of them older than `since` (UTC), were refused."""
    table = decisions.c
    statement = select(table.user_key, table.campaign, table.key, table.interaction_id, table.reason).where(
        tx.in_workspace(decisions),
        in_set(tx, table.user_key, user_keys),
        table.t >= since,
        in_set(tx, table.interaction_id, trigger_ids),
        table.state == State.REFUSED.value,
    )
    refusals: dict[str, dict[RefusedTrigger, Reason]] = {user_key: {} for user_key in user_keys}
    for user_key, campaign, key, trigger_id, reason in await tx.execute(statement):
        refusals[user_key][campaign, key, trigger_id] = Reason(reason)
    return refusals


async def replace_reasons(tx: Transaction, revised: Sequence[tuple[str, Refusal]], now: datetime) -> None:
    """Give triggers that were refused before their new reasons; each with the key of its user."""
    if not revised:
        return
    table = decisions.c
    rows = [
        {
            "user_key": user_key, "campaign": refusal.campaign, "key": refusal.key,
            "interaction_id": refusal.logged.id, "t": refusal.logged.t, "reason": refusal.reason.value,
        }
        for user_key, refusal in revised
    ]  # fmt: skip
    new = as_table(tx, {name: table[name].type for name in rows[0]}, rows)
    is_refusal = and_(tx.in_workspace(decisions), table.state == State.REFUSED.value)
    is_same = _is_same(decisions, new, *_OF_KEY, "interaction_id", "t")
    await tx.execute(update(decisions).where(is_refusal, is_same).values(reason=new.c.reason, decided_at=now))


async def load_overtaken(
    tx: Transaction, wanted: Mapping[str, WaitedAt], horizon: datetime
) -> dict[str, dict[tuple[str, str], LogEntry]]:
    """Load by user key the overtaken triggers that waited at an instant, by (follow-on, key), in one statement.

    Triggers from before the horizon (UTC) do not count, even if they have not been deleted yet.

    `last_overtaken` is the rule; this leaves out what follow-ups show that ended before that instant. At most one entry
    of each key is loaded, whatever the length of the log.
    """
    overtaken: dict[str, dict[tuple[str, str], LogEntry]] = {user_key: {} for user_key in wanted}
    rows = [
        {"user_key": user_key, "campaign": follow_on, "until": waited_at.t}
        for user_key, waited_at in wanted.items()
        for follow_on in waited_at.follow_ons
    ]
    types = {"user_key": decisions.c.user_key.type, "campaign": decisions.c.campaign.type, "until": decisions.c.t.type}
    if rows:
        for row in (await tx.execute(_last_overtaken(tx, as_table(tx, types, rows), horizon))).mappings():
            overtaken[row["user_key"]][row["campaign"], row["key"]] = entry_from_row(row)
    return overtaken


def _last_overtaken(tx: Transaction, wanted: FromClause, horizon: datetime) -> Select[Any]:
    """Return the query for the last overtaken trigger of each key that no follow-up of the key began after."""
    last_begun = _last_begun(tx, wanted)
    overtaken = _overtaken(tx, wanted, last_begun, horizon)
    return select(interactions, overtaken.c.campaign, overtaken.c.key).join(
        overtaken,
        and_(
            tx.in_workspace(interactions),
            interactions.c.user_key == overtaken.c.user_key,
            interactions.c.id == overtaken.c.interaction_id,
            unindexed(tx, interactions.c.received_at) >= horizon,
            overtaken.c.place == 1,
        ),
    )


def _overtaken(tx: Transaction, wanted: FromClause, last_begun: Subquery, horizon: datetime) -> Subquery:
    refused, own = decisions.c, follow_ups.alias()
    is_wanted = and_(
        tx.in_workspace(decisions),
        refused.user_key == wanted.c.user_key,
        refused.campaign == wanted.c.campaign,
        refused.t.between(horizon, wanted.c.until),
        refused.state == State.REFUSED.value,
        refused.reason == Reason.SUPERSEDED.value,
    )
    has_begun = exists().where(
        tx.in_workspace(own),
        _is_same(own, decisions, *_OF_KEY),
        own.c.trigger_id == refused.interaction_id,
        own.c.triggered_at == refused.t,
    )
    latest_first = func.row_number().over(
        partition_by=[refused[name] for name in _OF_KEY], order_by=[refused.t.desc(), refused.seq.desc()]
    )
    return (
        select(*(refused[name] for name in _OF_KEY), refused.interaction_id, latest_first.label("place"))
        .join(wanted, is_wanted)
        .outerjoin(last_begun, _is_same(last_begun, decisions, *_OF_KEY))
        .where(
            or_(last_begun.c.last_t.is_(None), last_begun.c.last_t <= refused.t),
            ~has_begun,
        )
        .subquery("overtaken")
    )


def _last_begun(tx: Transaction, wanted: FromClause) -> Subquery:
    """Return by key when the last follow-up began that waited in event order."""
    table = follow_ups.c
    never_waited = and_(table.reason == Reason.SUPERSEDED.value, table.exception_at == table.triggered_at)
    is_wanted = and_(
        tx.in_workspace(follow_ups),
        table.user_key == wanted.c.user_key,
        table.campaign == wanted.c.campaign,
        table.triggered_at <= wanted.c.until,
    )
    return (
        select(*(table[name] for name in _OF_KEY), func.max(table.triggered_at).label("last_t"))
        .join(wanted, is_wanted)
        .where(func.coalesce(never_waited, False).is_(False))
        .group_by(*(table[name] for name in _OF_KEY))
        .subquery("last_begun")
    )


def _is_same(one: FromClause, other: FromClause, *columns: str) -> ColumnElement[bool]:
    return and_(*(one.c[name] == other.c[name] for name in columns))
