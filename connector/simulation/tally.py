"""What a backtest comes to: how many follow-ups ended how, and how long it takes until what calls them off."""

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
_SHARES = (10, 25, 50, 75, 90, 99)


@dataclass
class Tally:
    """Counts over users. `excepted` is by what called it off, `dropped` and `refused` by reason.

    `until_exception` has, of every follow-up that an exception would have called off however long it had waited, how
    long after the trigger the first one came: from it the delay can be chosen.
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

    def add(self, person: SimulatedUser, campaign: str, catalogue: Catalogue) -> None:
        """Count one user's follow-ups of the campaign."""
        self.users += 1
        by_id = {logged.id: logged for logged in person.log}
        for follow_up in person.follow_ups.values():
            if follow_up.campaign != campaign:
                continue
            self.triggered += 1
            self._add_end(follow_up, by_id[follow_up.exception_id].item.name_or_type if follow_up.exception_id else "")
            first = next(
                (logged for logged in person.log if is_cancelled_by(_unending(follow_up), logged, catalogue)), None
            )
            if first is not None:
                self.until_exception.append(first.t - follow_up.trigger.t)

    def _add_end(self, follow_up: FollowUp, by: str) -> None:
        if follow_up.is_open:
            self.waiting += 1
        elif follow_up.state is State.SENT:
            self.sent += 1
        elif follow_up.state is State.CONTROL:
            self.control += 1
        elif follow_up.state is State.EXCEPTED:
            self.excepted[by] += 1
        else:
            self.dropped[follow_up.reason.value if follow_up.reason else follow_up.state.value] += 1


def quantiles(waits: Iterable[timedelta], shares: Sequence[int] = _SHARES) -> dict[int, timedelta]:
    """Within how long so many per cent of the waits had ended; nothing where there are none."""
    ordered = sorted(waits)
    if not ordered:
        return {}
    return {share: ordered[min(len(ordered) - 1, -(-len(ordered) * share // 100) - 1)] for share in shares}


def _unending(follow_up: FollowUp) -> FollowUp:
    """As if it had waited for ever, with nothing sent."""
    return replace(reopen(follow_up), state=State.WAITING, next_at=_NEVER, dispatched_at=None)
