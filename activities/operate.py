"""Operators' hands on one follow-up: its wait moved or ended, in one transaction under the user's lock."""

from __future__ import annotations

from datetime import datetime

from temporalio import activity

from connector import names
from connector.rules.model.follow_up import FollowUp
from connector.rules.sending.operating import is_cancelled, refusal
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.follow_ups import load_follow_up, lock_user_of
from connector.store.follow_ups.operating import cancel_wait, move_wait
from connector.wire import Operated, Operation

_DONE = {
    names.SEND_NOW: (
        "It is judged and sent now. Every rule of the due time still applies: quiet hours may hold it, and a cap, "
        "consent or the audience may drop it."
    ),
    names.POSTPONE: "It is judged and sent at its new time; until then exceptions call it off as before.",
    names.CANCEL: "It has ended; nothing is sent.",
}


class Operator:
    """Changes the rows of one workspace as operators want it."""

    def __init__(self, database: Database, workspace: str) -> None:
        self._database, self._workspace = database, workspace

    @activity.defn(name=names.OPERATE)
    async def operate(self, operation: Operation) -> Operated:
        """Move or end a wait while nothing of it has been claimed; a repeated attempt changes nothing more.

        A refusal is told in the result, with the state that stands in the way.
        """
        now = activity.info().started_time
        async with self._database.write(self._workspace) as tx:
            await lock_user_of(tx, operation.follow_up_id)
            follow_up = await load_follow_up(tx, operation.follow_up_id)
            refused = refusal(follow_up)
            if refused is None:
                await _change(tx, operation, now)
                follow_up = await load_follow_up(tx, operation.follow_up_id)
        if operation.verb == names.CANCEL and is_cancelled(follow_up):
            refused = None  # an earlier attempt did it, and its answer was lost
        return _told(follow_up, refused, operation.verb)


async def _change(tx: Transaction, operation: Operation, now: datetime) -> None:
    if operation.verb == names.CANCEL:
        await cancel_wait(tx, operation.follow_up_id, now)
    else:
        await move_wait(tx, operation.follow_up_id, operation.until or now)


def _told(follow_up: FollowUp | None, refused: str | None, verb: str) -> Operated:
    return Operated(
        done=refused is None,
        says=refused or _DONE[verb],
        state=follow_up.state.value if follow_up else None,
        reason=follow_up.reason if follow_up else None,
        next_at=follow_up.next_at if follow_up and follow_up.is_open else None,
    )
