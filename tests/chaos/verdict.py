"""The verdict on a campaign: every follow-up and message in one class, and what no class explains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.chaos.faults import Interval
from tests.chaos.records import Records, Row

_LATE = timedelta(seconds=5)
_NEAR = timedelta(seconds=2)
_ATTEMPT = timedelta(seconds=40)
"""The longest attempt: the database's deadline for the claim, the provider's 20 seconds, and the database's again."""


@dataclass
class Verdict:
    """The findings. `classes` counts follow-ups by outcome; `latest` is how late the latest claim was."""

    classes: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    late: int = 0
    latest: timedelta = timedelta()

    @property
    def is_clean(self) -> bool:
        """Whether everything is explained."""
        return not (self.lost or self.twice or self.wrong)


def evaluate(
    records: Records,
    *,
    accepted: Collection[str],
    received: Mapping[str, int],
    unanswered: Collection[str],
    terminated: Collection[str],
    intervals: Sequence[Interval],
    differences: Sequence[str],
) -> Verdict:
    """Put every follow-up into its class.

    Args:
        accepted: the ids of the acknowledged items.
        received: how many messages the receiver accepted, by idempotency key.
        unanswered: the keys of which the receiver lost the answer.
        terminated: the follow-ups whose workflows were, or may have been, terminated.
        intervals: when faults had an effect.
        differences: between production and the oracle.
    """
    verdict = Verdict()
    logged = {entry.id for entry in records.reported}
    verdict.lost += [f"{id} was acknowledged and is not in the log" for id in sorted(set(accepted) - logged)]
    verdict.twice += [f"{key} was received {count} times" for key, count in received.items() if count > 1]
    for _, row in records.rows:
        _evaluate_follow_up(
            verdict, row, records.deliveries.get(row["id"]), received, unanswered, terminated, intervals
        )
    known = {delivery["id"] for delivery in records.deliveries.values()}
    verdict.wrong += [f"{key} was received, and is no delivery" for key in received if key not in known]
    verdict.wrong += [f"production (-) and simulate (+) differ: {line}" for line in differences]
    return verdict


def _evaluate_follow_up(
    verdict: Verdict,
    row: Row,
    delivery: Row | None,
    received: Mapping[str, int],
    unanswered: Collection[str],
    terminated: Collection[str],
    intervals: Sequence[Interval],
) -> None:
    name = f"{row['campaign']} {row['id']}"
    arrived = received.get(delivery["id"], 0) if delivery is not None else 0
    state, reason = row["state"], row["reason"]
    if state in ("waiting", "held", "sending"):
        verdict.lost.append(f"{name} is still {state}; it was due at {row['due_at']}")
    elif state == "sent":
        verdict.classes["sent"] += 1
        if not arrived:
            verdict.lost.append(f"{name} counts as sent, and was not received")
    elif reason == "send_unknown":
        _evaluate_unknown(verdict, name, delivery, arrived, unanswered, intervals)
    elif arrived:
        verdict.wrong.append(f"{name} is {state} ({reason}), and was received")
    elif reason == "cancelled_by_operator":
        verdict.classes["workflow terminated by the campaign"] += 1
        if row["id"] not in terminated:
            verdict.wrong.append(f"{name} is cancelled_by_operator, and was not terminated")
    else:
        verdict.classes[f"{state}, {reason}"] += 1
    if delivery is not None and delivery["claimed_at"] is not None and state == "sent":
        _evaluate_lateness(verdict, name, row["due_at"], delivery["claimed_at"], row["created_at"])


def _evaluate_unknown(
    verdict: Verdict,
    name: str,
    delivery: Row | None,
    arrived: int,
    unanswered: Collection[str],
    intervals: Sequence[Interval],
) -> None:
    """A message is unknown if its answer was lost, or its process died or stood still; it may have been received."""
    assert delivery is not None, name
    by = "answer lost" if delivery["id"] in unanswered else _fault_at(delivery, intervals)
    if by is None:
        verdict.wrong.append(f"{name} is send_unknown ({delivery['fault']}) while there was no fault")
        return
    was = "received once" if arrived else "not received"
    verdict.classes[f"send_unknown ({delivery['fault']}), {was}"] += 1


def _fault_at(delivery: Row, intervals: Sequence[Interval]) -> str | None:
    """Return the kind of a fault between the claim and its result, whose time the store has as the attempt's start."""
    first = delivery["claimed_at"] - _NEAR
    last = max(delivery["decided_at"], delivery["claimed_at"] + _ATTEMPT) + _NEAR
    return next((one.kind for one in intervals if one.began_at <= last and one.ended_at >= first), None)


def _evaluate_lateness(verdict: Verdict, name: str, due: datetime, claimed: datetime, created: datetime) -> None:
    late = claimed - max(due, created)
    if claimed < due:
        verdict.wrong.append(f"{name} was claimed {-late} before it was due")
    verdict.late += late > _LATE
    verdict.latest = max(verdict.latest, late)
