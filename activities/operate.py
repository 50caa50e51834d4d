"""Carry out operator actions: move or end a follow-up's wait, in one transaction under the user's lock."""

from __future__ import annotations

from temporalio import activity

from connector import names
from connector.rules.model.audit import AuditAction
from connector.rules.model.follow_up import FollowUp
from connector.rules.sending.operating import cancel_wait, is_cancelled, move_wait, refusal
from connector.store.audit import record_done
from connector.store.engine.database import Database
from connector.store.follow_ups.follow_ups import load_locked, update_follow_ups
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
        """Move or end a wait, provided that no message of it has been claimed; a repeated attempt changes nothing more.

        A refusal is in the result, with the follow-up's state. The audit entry is committed with the change.
        """
        info = activity.info()
        now, act_id = info.started_time, operation.act_id or f"{info.workflow_run_id}-{info.activity_id}"
        async with self._database.write(self._workspace) as tx:
            follow_up = (await load_locked(tx, [operation.follow_up_id])).get(operation.follow_up_id)
            refused = refusal(follow_up)
            if follow_up is not None and refused is None:
                is_cancel = operation.verb == names.CANCEL
                change = cancel_wait(follow_up, now) if is_cancel else move_wait(follow_up, operation.until or now)
                await update_follow_ups(tx, [change.follow_up])
                follow_up = change.follow_up
                entry = {follow_up.user_key: {"campaign": follow_up.campaign}}
                await record_done(tx, AuditAction(operation.verb), act_id, entry)
        if operation.verb == names.CANCEL and is_cancelled(follow_up):
            refused = None  # an earlier attempt cancelled it, and its answer was lost
        return _result_of(follow_up, refused, operation.verb)


def _result_of(follow_up: FollowUp | None, refused: str | None, verb: str) -> OperationResult:
    return OperationResult(
        done=refused is None,
        says=refused or _DONE[verb],
        state=follow_up.state.value if follow_up else None,
        reason=follow_up.reason if follow_up else None,
        next_at=follow_up.next_at if follow_up and follow_up.is_open else None,
    )
