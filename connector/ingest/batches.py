"""Batches of interactions as others report them, over HTTP or from a workflow: one shape, one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from connector.ingest.intake import Intake, ItemResult
from connector.ingest.parsing import describe_fault
from connector.rules.model.errors import ConnectorError
from connector.rules.model.users import User
from connector.rules.model.values import storage_problem

MAX_ITEMS = 1000
_SHAPE = 'the body must be {"interactions": [...]}, with nothing beside it but "users": [...]'
_LONGEST_ID = 255
_LONGEST_FAULT = 1000
_MOST_BYTES = 1_900_000
_SHORT_ID, _SHORT_FAULT = 64, 60
"""What is told of each where all in full would be more than that, in characters of at most 6 bytes: of 2 times 1,000
results, 1,600,000 bytes with all that stands around them."""


class BatchRefused(ConnectorError):
    """Not a batch, or too large a one; nothing of it was taken. The words quote nothing of it.

    Args:
        code: for programs: `invalid_json`, `invalid`, `too_many_interactions` or `too_many_users`.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True)
class InteractionBatch:
    """What a body holds, none of it judged yet; `users` is None where it does not speak of them."""

    items: Sequence[Any]
    users: Sequence[Any] | None = None


@dataclass(frozen=True)
class BatchAnswer:
    """A result for each item and, where users were described, for each of them, in their order.

    `changed`: follow-ups began or ended by it.
    """

    results: Sequence[ItemResult]
    users: Sequence[ItemResult] | None = None
    changed: bool = False

    def as_json(self) -> dict[str, Any]:
        """The answer as it is told, in less than the 2 MiB that Temporal takes: it comes after the commit."""
        whole = self._told(_LONGEST_ID, _LONGEST_FAULT)
        return whole if len(to_json(whole)) <= _MOST_BYTES else self._told(_SHORT_ID, _SHORT_FAULT)

    def _told(self, longest_id: int, longest_fault: int) -> dict[str, Any]:
        results = [_told(result, longest_id, longest_fault) for result in self.results]
        if self.users is None:
            return {"results": results}
        return {"results": results, "users": [_told(user, longest_id, longest_fault) for user in self.users]}


def read_batch(body: Any) -> InteractionBatch:
    """The batch that a body of JSON values is. Raises BatchRefused."""
    if not isinstance(body, dict) or body.keys() - {"users"} != {"interactions"}:
        raise BatchRefused("invalid", _SHAPE)
    batch = InteractionBatch(body["interactions"], body.get("users"))
    if not isinstance(batch.items, list) or not isinstance(body.get("users", []), list):
        raise BatchRefused("invalid", _SHAPE)
    _check_size("interactions", batch.items)
    _check_size("users", batch.users or [])
    return batch


async def ingest_batch(intake: Intake, batch: InteractionBatch) -> BatchAnswer:
    """Take a batch in, all in one transaction; one bad item stops no other.

    What is told of users holds before the items are judged.

    Raises:
        StoreUnavailable: nothing was stored; the batch may be sent again as it is.
    """
    described = batch.users or []
    faults = [_fault_of(changes) for changes in described]
    well_formed = [changes for changes, fault in zip(described, faults, strict=True) if fault is None]
    taken = await intake.ingest_with_users(batch.items, well_formed)
    if batch.users is None:
        return BatchAnswer(taken.results, changed=taken.changed)
    not_merged = iter(taken.faults.get(place) for place in range(len(well_formed)))
    told = [fault or next(not_merged) for fault in faults]
    users = [_described(*one) for one in zip(described, told, strict=True)]
    return BatchAnswer(taken.results, users, taken.changed)


def _check_size(name: str, listed: Sequence[Any]) -> None:
    if len(listed) > MAX_ITEMS:
        words = f"{len(listed)} {name} are more than {MAX_ITEMS}; nothing was taken, send several requests"
        raise BatchRefused(f"too_many_{name}", words)


def _fault_of(changes: Any) -> str | None:
    if fault := storage_problem(changes):
        return fault
    try:
        User.model_validate(changes)
    except ValidationError as error:
        return describe_fault(error.errors()[0])
    return None


def _described(changes: Any, fault: str | None) -> ItemResult:
    name = changes.get("id") if isinstance(changes, dict) else None
    return ItemResult("accepted" if fault is None else "invalid", name if isinstance(name, str) else None, fault)


def _told(result: ItemResult, longest_id: int, longest_fault: int) -> dict[str, str | None]:
    """What is said of one; an id or a fault that quotes endlessly what was sent is cut."""
    told = {"id": result.id and result.id[:longest_id], "status": result.status}
    return told if result.fault is None else {**told, "fault": result.fault[:longest_fault]}
