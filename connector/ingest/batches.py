"""Parse and ingest reported batches, over HTTP or from a workflow: one format, one response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import to_json

from connector.ingest.intake import Intake, ItemResult
from connector.ingest.parsing import ParsedItem, UnreadableItem, find_user_fault, read_client_item
from connector.rules.model.addresses import address_warnings
from connector.rules.model.errors import ConnectorError, InvalidItem
from connector.rules.model.values import replace_surrogates
from connector.rules.targeting.client_reports import ClientReports, own_id, set_apart

MAX_ITEMS = 1000
_FORMAT = 'the body must be {"interactions": [...]}, with an optional "users": [...] and no other key'
_MAX_RESPONSE_BYTES = 1_900_000
_FULL_LENGTHS = (255, 1000)
_SHORT_LENGTHS = (64, 60)
"""Characters of an id and of a fault. With the short ones, 2 times 1,000 results of characters of at most 6 bytes take
1,600,000 bytes, punctuation included."""


class BatchRefused(ConnectorError):
    """The body is not a batch, or the batch is too large; nothing was ingested. The message quotes nothing of it.

    Args:
        code: for programs: `invalid_json`, `invalid`, `too_many_interactions` or `too_many_users`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class InteractionBatch:
    """The content of a body, not yet validated; `users` is None if the body has no such key."""

    items: Sequence[Any]
    users: Sequence[Any] | None = None


@dataclass(frozen=True)
class BatchResponse:
    """One result per item and, if the batch has `users`, per user, in their order.

    `changed`: follow-ups began or ended.
    """

    results: Sequence[ItemResult]
    users: Sequence[ItemResult] | None = None
    changed: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the response, below the 2 MiB that Temporal accepts: it is sent after the commit."""
        full = self._as_json(*_FULL_LENGTHS)
        return full if len(to_json(full)) <= _MAX_RESPONSE_BYTES else self._as_json(*_SHORT_LENGTHS)

    def as_text(self) -> bytes:
        """Return the same response as JSON text."""
        full = to_json(self._as_json(*_FULL_LENGTHS))
        return full if len(full) <= _MAX_RESPONSE_BYTES else to_json(self._as_json(*_SHORT_LENGTHS))

    def _as_json(self, max_id: int, max_fault: int) -> dict[str, Any]:
        response = {"results": [_result_as_json(result, max_id, max_fault) for result in self.results]}
        if self.users is not None:
            response["users"] = [_result_as_json(user, max_id, max_fault) for user in self.users]
        return response


def parse_batch(body: Any, *, max_items: int = MAX_ITEMS) -> InteractionBatch:
    """Parse the batch of a body of JSON values. Raises BatchRefused, also for more than `max_items` items or users."""
    if not isinstance(body, dict) or body.keys() - {"users"} != {"interactions"}:
        raise BatchRefused("invalid", _FORMAT)
    batch = InteractionBatch(body["interactions"], body.get("users"))
    if not isinstance(batch.items, list) or not isinstance(body.get("users", []), list):
        raise BatchRefused("invalid", _FORMAT)
    _check_size("interactions", batch.items, max_items)
    _check_size("users", batch.users or [], max_items)
    return batch


async def ingest_batch(intake: Intake, batch: InteractionBatch, client: ClientReports | None = None) -> BatchResponse:
    """Ingest a batch in one transaction; user changes apply before the items, and an invalid item affects no other.

    Args:
        client: what the caller may report; None: the caller is a server, and may report everything.

    Raises:
        StoreUnavailable: nothing was stored; the same batch may be sent again.
    """
    items = batch.items if client is None else [read_client_item(item, client) for item in batch.items]
    users, faults = _checked_users(batch.users or [], client)
    valid = [changes for changes, fault in zip(users, faults, strict=True) if fault is None]
    ingested = await intake.ingest_with_users(items if client is None else _set_apart(items), valid)
    if client is not None:  # it gets back the ids that it sent
        shown = zip(ingested.results, items, strict=True)
        ingested = replace(ingested, results=[replace(r, id=item.id or own_id(r.id)) for r, item in shown])
    if batch.users is None:
        return BatchResponse(ingested.results, changed=ingested.changed)
    merge_faults = iter(ingested.faults.get(position) for position in range(len(valid)))
    all_faults = [fault or next(merge_faults) for fault in faults]
    results = [_user_result(changes, fault) for changes, fault in zip(users, all_faults, strict=True)]
    return BatchResponse(ingested.results, results, ingested.changed)


def _set_apart(items: Sequence[ParsedItem]) -> list[ParsedItem]:
    return [item if isinstance(item, UnreadableItem) else set_apart(item) for item in items]


def _checked_users(users: Sequence[Any], client: ClientReports | None) -> tuple[Sequence[Any], list[str | None]]:
    """Return the changes, each with its user, and what is wrong with them."""
    if client is None:
        return users, [find_user_fault(changes) for changes in users]
    bound, faults = [], []
    for changes in users:
        fault = None
        try:
            changes = client.bind(changes, "id")
            fault = find_user_fault(changes)
            if fault is None:
                client.check_changes(changes)
        except InvalidItem as refusal:
            fault = str(refusal)
        bound.append(changes)
        faults.append(fault)
    return bound, faults


def _check_size(name: str, entries: Sequence[Any], max_items: int) -> None:
    if len(entries) > max_items:
        message = f"{len(entries)} {name} are more than {max_items}; nothing was ingested, send several requests"
        raise BatchRefused(f"too_many_{name}", message)


def _user_result(changes: Any, fault: str | None) -> ItemResult:
    id = changes.get("id") if isinstance(changes, dict) else None
    if fault is not None:
        return ItemResult("invalid", id if isinstance(id, str) else None, fault)
    return ItemResult("accepted", changes["id"], warnings=tuple(address_warnings(changes)))


def _result_as_json(result: ItemResult, max_id: int, max_text: int) -> dict[str, Any]:
    """Return one result; an id or a fault that quotes a long input is truncated."""
    id = None if result.id is None else replace_surrogates(result.id[:max_id])
    shown: dict[str, Any] = {"id": id, "status": result.status}
    shown |= {} if result.fault is None else {"fault": replace_surrogates(result.fault[:max_text])}
    return shown | ({"warnings": [warning[:max_text] for warning in result.warnings]} if result.warnings else {})
