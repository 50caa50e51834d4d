"""Count the follow-ups of a backtest by their ends, and measure how long after the trigger exceptions come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp, reopen
from connector.rules.model.reasons import State
from connector.rules.triggering.exceptions import is_cancelled_by
from connector.simulation.users import SimulatedUser

_NEVER = datetime.max.replace(tzinfo=UTC)
_PERCENTAGES = (10, 25, 50, 75, 90, 99)


@dataclass
class Tally:
    """Counts over users.

    Args:
        excepted: by the type or name of the exception.
        dropped: by reason.
        refused: by reason.
        until_exception: for every follow-up that an exception would cancel if it waited long enough, the time from the
            trigger to the first one: a basis for choosing the delay.
    """

    users: int = 0
    triggered: int = 0
    sent: int = 0
    control: int = 0
    waiting: int = 0
    excepted: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    until_exception: list[timedelta] = field(default_factory=list)

    def add(self, user: SimulatedUser, campaign: str, catalogue: Catalogue) -> None:
        """Count one user's follow-ups of the campaign."""
        self.users += 1
        by_id = {logged.id: logged for logged in user.log}
        for follow_up in user.follow_ups.values():
            if follow_up.campaign != campaign:
                continue
            self.triggered += 1
            self._add_end(follow_up, by_id[follow_up.exception_id].item.name_or_type if follow_up.exception_id else "")
            first = next(
                (logged for logged in user.log if is_cancelled_by(_endlessly_waiting(follow_up), logged, catalogue)),
                None,
            )
            if first is not None:
                self.until_exception.append(first.t - follow_up.trigger.t)

    def _add_end(self, follow_up: FollowUp, exception: str) -> None:
        if follow_up.is_open:
            self.waiting += 1
        elif follow_up.state is State.SENT:
            self.sent += 1
        elif follow_up.state is State.CONTROL:
            self.control += 1
        elif follow_up.state is State.EXCEPTED:
            self.excepted[exception] += 1
        else:
            self.dropped[follow_up.reason.value if follow_up.reason else follow_up.state.value] += 1


def quantiles(waits: Iterable[timedelta], percentages: Sequence[int] = _PERCENTAGES) -> dict[int, timedelta]:
    """Return the durations within which these percentages of the waits ended; empty if there are no waits."""
    ordered = sorted(waits)
    if not ordered:
        return {}
    return {part: ordered[min(len(ordered) - 1, -(-len(ordered) * part // 100) - 1)] for part in percentages}


def _endlessly_waiting(follow_up: FollowUp) -> FollowUp:
    """Return the follow-up as it would be if it waited for ever and sent nothing."""
    return replace(reopen(follow_up), state=State.WAITING, next_at=_NEVER, dispatched_at=None)
