"""Settle messages whose result is unknown: load → decide → apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.app.context import AppContext
from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.audit import Act, Actor, AuditAction
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Interaction, is_too_old
from connector.rules.sending.deliveries import DeliveryRecord, build_receive_interaction, newest_by_channel
from connector.rules.sending.resolving import Resolution, decide_resolution
from connector.store.audit import record_audit
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.transaction import Transaction, database_now
from connector.store.follow_ups.counting import count_ended
from connector.store.follow_ups.deliveries import load_deliveries_by_follow_up, save_resolutions
from connector.store.follow_ups.follow_ups import load_follow_ups_by_id, load_locked, update_follow_ups
from connector.store.follow_ups.receipts import (
    load_logged_receipts,
    receipt_key,
    save_receipts,
    withdraw_receipts,
)
from connector.store.users.users import load_users
from connector.temporal.follow_up_client import FollowUpUnknown, OperationRefused

Change = tuple[FollowUp, Resolution]
"""A follow-up as it was, and what settling its message changes."""


@dataclass(frozen=True)
class Verdict:
    """What an operator says of messages whose results are unknown.

    Args:
        was_sent: whether they went out; else they failed, and may be sent again.
        channel: theirs; None: the only message of each follow-up that can be meant.
    """

    was_sent: bool
    channel: str | None = None


@dataclass(frozen=True)
class Settled:
    """The result of settling a message. `changed` is false if it was settled so before."""

    follow_up: FollowUp
    channel: str
    changed: bool


@dataclass(frozen=True)
class NotSettled:
    """A follow-up without a message that can be settled so, and why, in one sentence."""

    follow_up: FollowUp
    why: str


async def resolve_many(
    context: AppContext, actor: Actor, ids: Sequence[str], verdict: Verdict, *, note: str
) -> list[Settled | NotSettled]:
    """Settle messages whose results are unknown, in one transaction: they were sent, or were not (guarantee 4).

    A message that was sent makes its `receive_*` interaction, at its dispatch. One that was not is no receipt any more.

    Returns:
        The result of each follow-up, in the order of the ids; unknown ids are left out.

    Raises:
        StoreUnavailable: nothing was changed.
    """

    async def act(tx: Transaction, catalogue: Catalogue) -> tuple[list[Settled | NotSettled], bool]:
        decided = await _decide(tx, ids, await load_locked(tx, set(ids)), verdict, tx.now)
        changes = [(one, made) for one, made in decided if isinstance(made, Resolution) and made.follow_up is not None]
        begun = await _apply(tx, catalogue, context, changes, was_sent=verdict.was_sent)
        await record_audit(tx, actor, *(_act(one, made, verdict, note) for one, made in changes))
        return [_result(one, made) for one, made in decided], begun

    results, begun = await with_current_catalogue(context.database, context.cache, context.workspace, act)
    if begun:
        context.outbox.nudge()
    return results


async def preview_resolve(context: StoreContext, ids: Sequence[str], verdict: Verdict) -> list[Settled | NotSettled]:
    """Return what `resolve_many` would do now, and change nothing."""
    async with context.database.read(context.workspace) as tx:
        decided = await _decide(tx, ids, await load_follow_ups_by_id(tx, set(ids)), verdict, await database_now(tx))
    return [_result(one, made) for one, made in decided]


async def resolve(
    context: AppContext, actor: Actor, follow_up_id: str, *, was_sent: bool, channel: str | None, note: str
) -> Settled:
    """Settle the message of one follow-up as `resolve_many` does.

    Raises:
        FollowUpUnknown: there is no follow-up with this id.
        OperationRefused: its result is known and differs, or a channel must be named.
        StoreUnavailable: nothing was changed.
    """
    results = await resolve_many(context, actor, [follow_up_id], Verdict(was_sent, channel), note=note)
    if not results:
        raise unknown_follow_up(follow_up_id)
    if isinstance(results[0], NotSettled):
        raise OperationRefused(results[0].why)
    return results[0]


async def settle(
    context: AppContext, actor: Actor, follow_up_id: str, *, was_sent: bool, channel: str | None, note: str
) -> dict[str, Any]:
    """Settle a message as `resolve` does, and return it as JSON values."""
    settled = await resolve(context, actor, follow_up_id, was_sent=was_sent, channel=channel, note=note)
    follow_up = settled.follow_up
    return {
        "id": follow_up.id,
        "channel": settled.channel,
        "changed": settled.changed,
        "state": follow_up.state.value,
        "reason": follow_up.reason,
    }


async def _decide(
    tx: Transaction, ids: Sequence[str], found: Mapping[str, FollowUp], verdict: Verdict, now: datetime
) -> list[tuple[FollowUp, Resolution | str]]:
    """Decide about each follow-up that exists, in the order of the ids."""
    records = await load_deliveries_by_follow_up(tx, set(ids))
    decided = []
    for follow_up in (found[id] for id in dict.fromkeys(ids) if id in found):
        newest = newest_by_channel(records.get(follow_up.id, ()))
        made = decide_resolution(follow_up, newest, verdict.channel, was_sent=verdict.was_sent, now=now)
        decided.append((follow_up, made))
    return decided


async def _apply(
    tx: Transaction, catalogue: Catalogue, context: AppContext, changes: Sequence[Change], *, was_sent: bool
) -> bool:
    """Save settled messages and their follow-ups; return whether their interactions began or ended other follow-ups."""
    ended = [made.follow_up for _, made in changes if made.follow_up is not None]
    messages = [made.delivery for _, made in changes]
    await save_resolutions(tx, messages)
    await update_follow_ups(tx, ended)
    count_ended(tx, [after for (before, _), after in zip(changes, ended, strict=True) if before.is_open])
    dispatched = [(receipt_key(one), made.delivery.claimed_at or tx.now) for one, made in changes]
    if not was_sent:
        await withdraw_receipts(tx, dispatched)
        return False
    await save_receipts(tx, dict(sorted(dispatched, key=lambda one: one[1])))
    items = await _receive_interactions(tx, context, messages)
    if not items:
        return False
    anonymous = {item.user for item in items}
    return (await context.intake.ingest_in_transaction(tx, catalogue, items, anonymous=anonymous)).changed


async def _receive_interactions(
    tx: Transaction, context: StoreContext, messages: Sequence[DeliveryRecord]
) -> list[Interaction]:
    """Return the interactions of receiving these messages that are not logged yet, nor older than the log."""
    stored = await load_users(tx, {one.user_key for one in messages})
    logged = await load_logged_receipts(tx, messages)
    items = []
    for one in messages:
        if one.user_key in stored and one.id not in logged:
            user, at = stored[one.user_key].user.id, one.claimed_at or tx.now
            item = build_receive_interaction(one.id, one.channel, one.campaign, user, at)
            if item is not None and not is_too_old(item, tx.now, context.settings.retention):
                items.append(item)
    return items


def _act(follow_up: FollowUp, made: Resolution, verdict: Verdict, note: str) -> Act:
    details = {"campaign": follow_up.campaign, "channel": made.delivery.channel, "sent": verdict.was_sent}
    return Act(AuditAction.RESOLVE, follow_up.user_key, details, note)


def _result(follow_up: FollowUp, made: Resolution | str) -> Settled | NotSettled:
    if isinstance(made, str):
        return NotSettled(follow_up, made)
    return Settled(made.follow_up or follow_up, made.delivery.channel, changed=made.follow_up is not None)


def unknown_follow_up(id: str) -> FollowUpUnknown:
    """Return the error of an id that no follow-up has."""
    return FollowUpUnknown(f"there is no follow-up {id!r}; `connector follow-ups` lists them")
