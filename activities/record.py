"""Ingest what is reported inside Temporal: batches of other workflows, and exceptions signalled to a follow-up."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import structlog
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, FailureError

from connector import names
from connector.ingest.batch_text import read_batch_text
from connector.ingest.batches import BatchRefused, InteractionBatch, ingest_batch, parse_batch
from connector.ingest.intake import Intake, ItemResult
from connector.ingest.parsing import with_time
from connector.rules.model.interactions import Event, Interaction
from connector.rules.model.json_text import JsonInvalid
from connector.rules.model.users import ERASED_FAULT
from connector.store.engine.database import Database, StoreUnavailable
from connector.store.users.users import load_users
from connector.wire import ReportedException

_log = structlog.get_logger("record")
_NO_BODY = RawValue(Payload())
_FIELDS = Interaction.model_fields.keys() | Event.model_fields.keys() | {"stale", "erased"}
_Activity = TypeVar("_Activity", bound=Callable[..., Any])


def _of_one_argument(activity_: _Activity) -> _Activity:
    """Show the SDK an activity of one raw argument, though it can be called with more.

    The SDK decodes every argument of a function that accepts any number; and a function of one argument that gets two
    fails in every attempt.
    """
    signature = inspect.signature(activity_)
    parameters = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_POSITIONAL]
    activity_.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return activity_


class Recorder:
    """Ingests batches for the workspace of this worker.

    Args:
        changed: called when there may be something for the outbox, so that it looks at once.
    """

    def __init__(self, intake: Intake, *, changed: Callable[[], None] = lambda: None) -> None:
        self._intake, self._changed = intake, changed

    @activity.defn(name=names.RECORD_INTERACTIONS)
    @_of_one_argument
    async def record_interactions(self, body: RawValue = _NO_BODY, *more: Any) -> dict[str, Any]:
        """Ingest a batch in one transaction; returns the answer of `POST /v1/interactions`.

        An item without a time happened when this activity was scheduled, whichever attempt ingests it; so an item
        without an id has the same id in each attempt (M6).

        Args:
            body: raw, because a worker that decodes it first fails again and again on what no attempt can decode.
            more: arguments that must not be there.

        Raises:
            ApplicationError: of type InvalidInteractions, not retryable: no batch, too large a batch, or more than one.
        """
        with _without_texts():
            batch = _batch_of(body, len(more))
            answer = await ingest_batch(self._intake, _with_times(batch, activity.info().scheduled_time.isoformat()))
            self._changed()
            return answer.as_json()


class ExceptionSignalReporter:
    """Ingests the exceptions that are signalled to follow-ups of one workspace."""

    def __init__(
        self, database: Database, intake: Intake, workspace: str, *, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._database, self._intake, self._workspace, self._changed = database, intake, workspace, changed

    @activity.defn(name=names.REPORT_EXCEPTION)
    async def report_exception(self, reported: ReportedException) -> str:
        """Ingest an item for the follow-up's user; returns accepted, duplicate or invalid.

        An item without a time happened when this activity was scheduled, whichever attempt ingests it. A `user` in the
        item is ignored: a signal is about the user of the follow-up to which it was sent.
        """
        with _without_texts():
            result = await self._ingest(reported)
            _warn(reported, result)
            self._changed()
            return result.status

    async def _ingest(self, reported: ReportedException) -> ItemResult:
        async with self._database.read(self._workspace) as tx:
            users = await load_users(tx, [reported.user_key])
        if reported.user_key not in users:
            return ItemResult("invalid", fault=ERASED_FAULT)
        scheduled_at = activity.info().scheduled_time.isoformat()
        item = with_time(reported.item, scheduled_at) | {"user": users[reported.user_key].user.id}
        [result] = await self._intake.ingest([item], anonymous={item["user"]})
        return result


@contextmanager
def _without_texts() -> Iterator[None]:
    """Raise failures without texts that could quote a user's data (guarantee 8); the log has the defect's location.

    Raises:
        ApplicationError: retryable, of type StoreUnavailable or of the defect's type. Temporal's own failures pass.
    """
    try:
        yield
    except FailureError:
        raise
    except StoreUnavailable:
        raise ApplicationError("the database cannot be used now", type=StoreUnavailable.__name__) from None
    except Exception as error:
        _log.exception("activity_broke")
        raise ApplicationError("it failed; the worker's log has the location", type=type(error).__name__) from None


def _batch_of(body: RawValue, more: int) -> InteractionBatch:
    try:
        if more:
            raise BatchRefused("invalid", f"{more + 1} arguments are more than one; send the body as the only one")
        return parse_batch(_decode(body.payload))
    except BatchRefused as refused:
        _log.warning("batch_refused", code=refused.code, workflow_type=activity.info().workflow_type)
        raise ApplicationError(
            str(refused),
            refused.code,
            type=names.INVALID_INTERACTIONS,
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        ) from None


def _decode(payload: Payload) -> Any:
    """Return the JSON value of a payload; None if it is empty."""
    encoding = payload.metadata.get("encoding", b"binary/null")
    if encoding == b"binary/null":
        return None
    if encoding != b"json/plain":
        raise BatchRefused("invalid_json", "the body is not JSON: its payload's encoding is not json/plain")
    try:
        return read_batch_text(payload.data)
    except JsonInvalid as fault:
        raise BatchRefused("invalid_json", f"the body {fault}") from None


def _with_times(batch: InteractionBatch, occurred_at: str) -> InteractionBatch:
    items = [with_time(item, occurred_at) if isinstance(item, dict) else item for item in batch.items]
    return replace(batch, items=items)


def _warn(reported: ReportedException, result: ItemResult) -> None:
    """Log which field is wrong without quoting the item, whose names and values could be anything."""
    if result.fault is not None:
        field = re.split("[:.]", result.fault, maxsplit=1)[0]
        place = field if field in _FIELDS else "unknown"
        _log.warning("reported_exception_is_invalid", user_key=reported.user_key, place=place)
    if "user" in reported.item:
        _log.warning("reported_exception_names_a_user", user_key=reported.user_key, note="ignored; leave `user` out")
