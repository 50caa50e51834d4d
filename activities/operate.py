"""Carry out operator actions: move or end a follow-up's wait, in one transaction under the user's lock."""

from __future__ import annotations

from datetime import datetime

from temporalio import activity

from connector import names
from connector.rules.model.audit import AuditAction
from connector.rules.model.follow_up import FollowUp
from connector.rules.sending.deliveries import with_rest
from connector.rules.sending.effects import end_rest
from connector.rules.sending.operating import cancel_wait, is_cancelled, move_wait, refusal
from connector.store.audit import record_done
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.counting import count_ended
from connector.store.follow_ups.deliveries import load_deliveries, write_deliveries
from connector.store.follow_ups.follow_ups import end_follow_ups, load_locked, update_follow_ups
from connector.wire import Operation, OperationResult

_DONE = {
    names.SEND_NOW: (
        "It is evaluated and sent now. Every rule of the due time still applies: quiet hours may hold it, and a cap, "
        "consent or the audience may drop it."
    ),
    names.POSTPONE: "It is evaluated and sent at its new time; until then exceptions cancel it as before.",
    names.CANCEL: "It has ended; nothing is sent.",
}


class Operator:
    """Carries out operator actions on the follow-ups of one workspace."""

    def __init__(self, database: Database, workspace: str) -> None:
        self._database, self._workspace = database, workspace

    @activity.defn(name=names.OPERATE)
    async def operate(self, operation: Operation) -> OperationResult:
        """Move or end a wait if one of its messages is still to come; a repeated attempt changes nothing more.

        A refusal is in the result, with the follow-up's state. The audit entry is committed with the change.
        """
        info = activity.info()
        now, act_id = info.started_time, operation.act_id or f"{info.workflow_run_id}-{info.activity_id}"
        async with self._database.write(self._workspace) as tx:
            follow_up = (await load_locked(tx, [operation.follow_up_id])).get(operation.follow_up_id)
            deliveries = await load_deliveries(tx, operation.follow_up_id)
            follow_up = follow_up and with_rest(follow_up, deliveries)
            refused = refusal(follow_up)
            if follow_up is not None and refused is None:
                follow_up = await _carry_out(tx, operation, follow_up, now)
                entry = {follow_up.user_key: {"campaign": follow_up.campaign}}
                await record_done(tx, AuditAction(operation.verb), act_id, entry)
        if operation.verb == names.CANCEL and is_cancelled(follow_up, deliveries.values()):
            refused = None  # an earlier attempt cancelled it, and its answer was lost
        return _result_of(follow_up, refused, operation.verb)


async def _carry_out(tx: Transaction, operation: Operation, follow_up: FollowUp, now: datetime) -> FollowUp:
    """Move or end a wait. The workflow requested it, so only a follow-up that was partly sent needs a signal."""
    if operation.verb != names.CANCEL:
        moved = move_wait(follow_up, operation.until or now).follow_up
        await update_follow_ups(tx, [moved])
        return moved
    ended = cancel_wait(follow_up, now)
    count_ended(tx, [ended])
    if ended.rest is None:
        await update_follow_ups(tx, [ended])
    else:
        await write_deliveries(tx, end_rest(ended, now))
        await end_follow_ups(tx, [ended])
    return ended


def _result_of(follow_up: FollowUp | None, refused: str | None, verb: str) -> OperationResult:
    return OperationResult(
        done=refused is None,
        says=refused or _DONE[verb],
        state=follow_up.state.value if follow_up else None,
        reason=follow_up.reason if follow_up else None,
        next_at=follow_up.next_at if follow_up and follow_up.is_open else None,
    )
