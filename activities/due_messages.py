"""Load messages that are due, in a number of statements that does not depend on their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connector.rules.model.follow_up import FollowUp
from connector.rules.sending.deliveries import DueMessage, delivery_id, newest_by_channel
from connector.store.engine.group_commit import SingleRequest
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_deliveries_by_follow_up
from connector.store.follow_ups.follow_ups import load_follow_ups_by_id, load_locked
from connector.tracing import Context, current_context
from connector.wire import SendRequest


@dataclass(frozen=True)
class Attempt(SingleRequest):
    """One attempt at one message, counted from 1; `now` is as of when the message is evaluated, UTC.

    `has_place`: the message's launch has already taken a place for it in the window of its channel's rate.
    `resends`: the number of the resend whose workflow makes it; 0: the follow-up's first workflow, or its launch.
    `span`: the attempt's span.
    """

    request: SendRequest
    now: datetime
    number: int
    has_place: bool = False
    resends: int = 0
    span: Context | None = field(default_factory=current_context, compare=False)

    @property
    def delivery_id(self) -> str:
        """The id of the message's delivery; another attempt of the same process at it waits for this one."""
        return delivery_id(self.request.follow_up_id, self.request.channel, self.resends)


async def load_turns(tx: Transaction, attempts: Sequence[Attempt]) -> AsyncIterator[dict[int, DueMessage]]:
    """Yield the messages of attempts, with their users locked, by the position of their attempt.

    There is one turn, unless a user has several messages: each of these is loaded after the caller has applied the turn
    before it, so that it is evaluated with what that turn changed. A message whose follow-up is gone, or was sent again
    since, is in no turn: the workflow of the resend has a delivery of its own, which no other one claims or settles.
    """
    follow_ups = await load_locked(tx, {attempt.request.follow_up_id for attempt in attempts})
    for number, turn in enumerate(_plan_turns(attempts, follow_ups)):
        ids = {attempts[position].request.follow_up_id for position in turn}
        if number:  # the turn before may have changed them
            follow_ups = await load_follow_ups_by_id(tx, ids)
        deliveries = await load_deliveries_by_follow_up(tx, ids)
        yield {
            position: DueMessage(
                follow_ups[attempt.request.follow_up_id],
                attempt.request.channel,
                newest_by_channel(deliveries.get(attempt.request.follow_up_id, ())),
                attempt.number,
            )
            for position, attempt in ((position, attempts[position]) for position in turn)
        }


def _plan_turns(attempts: Sequence[Attempt], follow_ups: Mapping[str, FollowUp]) -> list[list[int]]:
    """Return the positions of attempts turn by turn, each user's first messages in the first turn."""
    turns: list[list[int]] = []
    seen: Counter[str] = Counter()
    for position, attempt in enumerate(attempts):
        follow_up = follow_ups.get(attempt.request.follow_up_id)
        if follow_up is None or follow_up.resends != attempt.resends:
            continue
        number = seen[follow_up.user_key]
        seen[follow_up.user_key] += 1
        if number == len(turns):
            turns.append([])
        turns[number].append(position)
    return turns
