"""Send messages again that failed: load → decide → apply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from connector.app.context import AppContext
from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.audit import Act, Actor, AuditAction
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason
from connector.rules.model.values import format_instant
from connector.rules.sending.resending import Resend, ResendRefused, decide_resends
from connector.store.audit import record_audit
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.transaction import Transaction, database_now
from connector.store.follow_ups.follow_ups import load_follow_ups_by_id, load_locked
from connector.store.follow_ups.resends import load_resend_facts, save_resends
from connector.temporal.follow_up_client import OperationRefused
from starter.operations.settling import unknown_follow_up


@dataclass(frozen=True)
class ResendResult:
    """The result of `resend` for one follow-up.

    Args:
        outcome: `resent`: it waits again; `unchanged`: it does so already; `refused`: it stays as it is, because of
            `why`, and of `reason` if a rule refuses it.
        channels: those on which it is sent again.
        left_out: the other channels whose message failed, with the reason for which a rule forbids each.
        held_until: a rule holds it until then, UTC; None: it goes at once.
    """

    id: str
    campaign: str
    outcome: Literal["resent", "unchanged", "refused"]
    why: str | None = None
    reason: Reason | None = None
    channels: tuple[str, ...] = ()
    left_out: Mapping[str, Reason] = field(default_factory=dict)
    held_until: datetime | None = None


async def resend(
    context: AppContext, actor: Actor, ids: Sequence[str], *, channel: str | None = None, note: str | None = None
) -> list[ResendResult]:
    """Send the failed messages of follow-ups again, in one transaction; the result of each, in their order.

    The due-time list is evaluated for each as of now; what a rule forbids stays as it is. Ids that are unknown, or that
    the cleanup deletes meanwhile, are left out.

    Raises:
        StoreUnavailable: nothing was changed.
    """

    async def act(tx: Transaction, catalogue: Catalogue) -> list[ResendResult]:
        found = await load_locked(tx, set(ids))
        decided = await _decide(tx, catalogue, ids, found, channel, tx.now)
        resent = [one for _, one in decided if isinstance(one, Resend) and one.deliveries]
        waiting = await save_resends(tx, resent)
        acts = [
            Act(
                AuditAction.RESEND,
                one.follow_up.user_key,
                {"campaign": one.follow_up.campaign, "channels": [delivery.channel for delivery in one.deliveries]},
                note,
            )
            for one in resent
            if one.follow_up.id in waiting
        ]
        await record_audit(tx, actor, *acts)
        gone = {one.follow_up.id for one in resent} - waiting
        return [_result_of(follow_up, one) for follow_up, one in decided if follow_up.id not in gone]

    results = await with_current_catalogue(context.database, context.cache, context.workspace, act)
    if any(result.outcome == "resent" for result in results):
        context.outbox.nudge()
    return results


async def preview_resend(
    context: StoreContext, ids: Sequence[str], *, channel: str | None = None
) -> list[ResendResult]:
    """Return what `resend` would do now, and change nothing."""
    catalogue = await context.cache.at_least(context.database)
    async with context.database.read(context.workspace) as tx:
        found = await load_follow_ups_by_id(tx, set(ids))
        decided = await _decide(tx, catalogue, ids, found, channel, await database_now(tx))
    return [_result_of(follow_up, one) for follow_up, one in decided]


async def resend_one(
    context: AppContext, actor: Actor, follow_up_id: str, *, channel: str | None, note: str | None, dry_run: bool
) -> ResendResult:
    """Send the failed messages of one follow-up again, or say what that would do.

    Raises:
        FollowUpUnknown: there is no follow-up with this id.
        OperationRefused: it has no message that failed, or a rule forbids it now; nothing was changed.
    """
    if dry_run:
        results = await preview_resend(context, [follow_up_id], channel=channel)
    else:
        results = await resend(context, actor, [follow_up_id], channel=channel, note=note)
    if not results:
        raise unknown_follow_up(follow_up_id)
    if results[0].outcome == "refused":
        raise OperationRefused(results[0].why)
    return results[0]


async def send_again(
    context: AppContext,
    actor: Actor,
    follow_up_id: str,
    *,
    channel: str | None = None,
    note: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Send one follow-up again as `resend_one` does, and return the result as JSON values."""
    result = await resend_one(context, actor, follow_up_id, channel=channel, note=note, dry_run=dry_run)
    return {
        "id": result.id,
        "outcome": result.outcome,
        "channels": list(result.channels),
        "left_out": dict(result.left_out),
        "held_until": format_instant(result.held_until),
        "dry_run": dry_run,
    }


async def _decide(
    tx: Transaction,
    catalogue: Catalogue,
    ids: Sequence[str],
    found: Mapping[str, FollowUp],
    channel: str | None,
    now: datetime,
) -> list[tuple[FollowUp, Resend | ResendRefused]]:
    """Load the facts of the follow-ups that exist, and decide about each, in the order of the ids."""
    meant = [found[id] for id in dict.fromkeys(ids) if id in found]
    return decide_resends(await load_resend_facts(tx, catalogue, meant, now), channel, catalogue, now)


def _result_of(follow_up: FollowUp, decided: Resend | ResendRefused) -> ResendResult:
    if isinstance(decided, ResendRefused):
        return ResendResult(follow_up.id, follow_up.campaign, "refused", decided.why, decided.reason)
    channels = tuple(delivery.channel for delivery in decided.deliveries)
    outcome: Literal["resent", "unchanged"] = "resent" if channels else "unchanged"
    return ResendResult(
        follow_up.id,
        follow_up.campaign,
        outcome,
        channels=channels,
        left_out=decided.left_out,
        held_until=decided.held_until,
    )
