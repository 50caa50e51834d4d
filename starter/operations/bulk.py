"""Operator actions on many follow-ups: page by page, each page in one transaction with its audit entries.

A run that was interrupted is continued by the same command, because an action leaves alone what it has done already.
The rows change in the store, as with a stop; the outbox signals their workflows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from connector.app.context import AppContext
from connector.rules.model.audit import Act, Actor, AuditAction
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason
from connector.rules.sending.deliveries import newest_by_channel, with_rest
from connector.rules.sending.effects import end_rest
from connector.rules.sending.operating import BulkVerb, decide_bulk_action
from connector.store.audit import record_audit
from connector.store.engine.transaction import Transaction, database_now
from connector.store.follow_ups.counting import count_ended
from connector.store.follow_ups.deliveries import load_deliveries_by_follow_up, write_deliveries
from connector.store.follow_ups.follow_ups import (
    end_follow_ups,
    load_follow_ups_by_id,
    load_locked,
    move_follow_ups,
)
from connector.store.follow_ups.selection import select_page
from starter.operations.bulk_actions import MAX_ACTED_ON, BulkAction, check_action, select_criteria
from starter.operations.cursors import read_cursor, write_cursor
from starter.operations.follow_ups import describe_unknown_campaign, resolve_criteria
from starter.operations.resending import preview_resend, resend
from starter.operations.settling import NotSettled, Verdict, preview_resolve, resolve_many

Outcome = Literal["done", "unchanged", "refused"]


@dataclass(frozen=True)
class BulkItem:
    """What an action does with one follow-up. `unchanged`: nothing was to be done; `refused`: because of `why`.

    `left_out` has the channels on which a resend sends nothing, with the reason for which a rule forbids each.
    """

    id: str
    outcome: Outcome
    why: str | None = None
    reason: Reason | None = None
    left_out: Mapping[str, Reason] = field(default_factory=dict)


@dataclass(frozen=True)
class BulkPage:
    """One page of an action, and the cursor of the next page; None: it was the last."""

    items: Sequence[BulkItem]
    next: str | None


async def act_on_follow_ups(
    context: AppContext,
    actor: Actor,
    action: BulkAction,
    *,
    after: str | None = None,
    limit: int = MAX_ACTED_ON,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Carry out an action on the next page of follow-ups, as `act_on_page` does, and return the page as JSON values."""
    page = await act_on_page(context, actor, action, after=after, limit=limit, dry_run=dry_run)
    return view_page(page, dry_run=dry_run)


async def act_on_page(
    context: AppContext,
    actor: Actor,
    action: BulkAction,
    *,
    after: str | None = None,
    limit: int = MAX_ACTED_ON,
    dry_run: bool = False,
) -> BulkPage:
    """Carry out an action on the next page of follow-ups, in one transaction.

    Args:
        after: `next` of the previous page of the same action.
        dry_run: return what the action would do, and change nothing.

    Raises:
        DefinitionError: the action or the cursor is wrong; nothing was changed.
        StoreUnavailable: nothing of this page was changed.
    """
    ids, following = await _select(context, action, after, limit)
    if not ids:
        unknown = await describe_unknown_campaign(context, action.criteria)
        if unknown is not None:
            raise DefinitionError([Fault("campaign", unknown)])
        return BulkPage((), following)
    if action.verb == "resend":
        return BulkPage(await _resend(context, actor, action, ids, dry_run=dry_run), following)
    if action.verb == "resolve":
        return BulkPage(await _resolve(context, actor, action, ids, dry_run=dry_run), following)
    if dry_run:
        async with context.database.read(context.workspace) as tx:
            decided = await _decide(tx, action, action.verb, ids, await load_follow_ups_by_id(tx, ids))
    else:
        async with context.database.write(context.workspace) as tx:
            decided = await _decide(tx, action, action.verb, ids, await load_locked(tx, ids))
            await _apply(tx, actor, action, [one for _, one in decided if isinstance(one, FollowUp)])
        context.outbox.nudge()
    return BulkPage([_item(follow_up, one) for follow_up, one in decided], following)


async def _resend(
    context: AppContext, actor: Actor, action: BulkAction, ids: Sequence[str], *, dry_run: bool
) -> list[BulkItem]:
    channel = action.criteria.channel
    if dry_run:
        results = await preview_resend(context, ids, channel=channel)
    else:
        results = await resend(context, actor, ids, channel=channel, note=action.note)
    return [
        BulkItem(one.id, "done" if one.outcome == "resent" else one.outcome, one.why, one.reason, one.left_out)
        for one in results
    ]


async def _resolve(
    context: AppContext, actor: Actor, action: BulkAction, ids: Sequence[str], *, dry_run: bool
) -> list[BulkItem]:
    verdict = Verdict(bool(action.was_sent), action.criteria.channel)
    if dry_run:
        results = await preview_resolve(context, ids, verdict)
    else:
        results = await resolve_many(context, actor, ids, verdict, note=action.note or "")
    return [
        BulkItem(one.follow_up.id, "refused", one.why)
        if isinstance(one, NotSettled)
        else BulkItem(one.follow_up.id, "done" if one.changed else "unchanged")
        for one in results
    ]


def view_page(page: BulkPage, *, dry_run: bool) -> dict[str, Any]:
    """Return a page as JSON values."""
    return {
        "done": [one.id for one in page.items if one.outcome == "done"],
        "unchanged": [one.id for one in page.items if one.outcome == "unchanged"],
        "refused": [
            {"id": one.id, "why": one.why, "reason": one.reason} for one in page.items if one.outcome == "refused"
        ],
        "left_out": [
            {"id": one.id, "channel": channel, "reason": reason}
            for one in page.items
            for channel, reason in one.left_out.items()
        ],
        "dry_run": dry_run,
        "has_more": page.next is not None,
        "next": page.next,
    }


async def _select(
    context: AppContext, action: BulkAction, after: str | None, limit: int
) -> tuple[list[str], str | None]:
    """Return the ids of the next page, and the cursor of the one after it."""
    position = None if after is None else read_cursor(after, action.digest)
    async with context.database.read(context.workspace) as tx:
        check_action(action, await database_now(tx))
        if action.ids:
            return list(action.ids), None
        wanted = await resolve_criteria(tx, select_criteria(action))
        if wanted is None:
            return [], None
        selected = await select_page(tx, wanted, limit, after=position)
    ids = [one.id for one in selected.positions]
    return ids, None if selected.next is None else write_cursor(selected.next, action.digest)


async def _decide(
    tx: Transaction, action: BulkAction, verb: BulkVerb, ids: Sequence[str], found: dict[str, FollowUp]
) -> list[tuple[FollowUp, FollowUp | str | None]]:
    """Decide about each follow-up that exists, in the order of the ids."""
    now = await database_now(tx)
    records = await load_deliveries_by_follow_up(tx, ids)
    decided = []
    for follow_up in (found[id] for id in ids if id in found):
        newest = newest_by_channel(records.get(follow_up.id, ()))
        loaded = with_rest(follow_up, newest)
        decided.append((loaded, decide_bulk_action(verb, loaded, newest.values(), now, to=action.to)))
    return decided


async def _apply(tx: Transaction, actor: Actor, action: BulkAction, changed: Sequence[FollowUp]) -> None:
    """Save the changed follow-ups, whose users are locked, and an entry for each."""
    now = await database_now(tx)
    if action.verb == "cancel":
        await write_deliveries(tx, [write for one in changed for write in end_rest(one, now)])
        await end_follow_ups(tx, changed)
        count_ended(tx, changed)
    else:
        await move_follow_ups(tx, changed, now)
    acts = [
        Act(AuditAction(action.verb), one.user_key, _details(action, one), action.note)  # of the user, never of its id
        for one in changed
    ]
    await record_audit(tx, actor, *acts)


def _details(action: BulkAction, follow_up: FollowUp) -> dict[str, str]:
    details = {"campaign": follow_up.campaign}
    if action.verb == "postpone":  # its day: the time may follow from one that is spread by user
        details["until"] = f"{follow_up.next_at:%Y-%m-%d}"
    return details


def _item(follow_up: FollowUp, decided: FollowUp | str | None) -> BulkItem:
    if isinstance(decided, str):
        return BulkItem(follow_up.id, "refused", decided)
    return BulkItem(follow_up.id, "unchanged" if decided is None else "done")
