"""What others' workflows report: the batches of `POST /v1/interactions`, from inside Temporal."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import structlog
from pydantic_core import from_json
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.failures import without_texts
from connector import names
from connector.ingest.batches import BatchRefused, InteractionBatch, ingest_batch, read_batch
from connector.ingest.intake import Intake

_log = structlog.get_logger("record")
_NOTHING = RawValue(Payload())
_Activity = TypeVar("_Activity", bound=Callable[..., Any])


def _of_one_argument(activity_: _Activity) -> _Activity:
    """An activity that the SDK takes for one of one raw argument, though it can be called with more.

    Of a function that says that it takes any number, the SDK decodes each; one that takes one and gets two fails anew
    in every attempt.
    """
    said = inspect.signature(activity_)
    kinds = [one for one in said.parameters.values() if one.kind is not inspect.Parameter.VAR_POSITIONAL]
    activity_.__signature__ = said.replace(parameters=kinds)  # type: ignore[attr-defined]
    return activity_


class Recorder:
    """Takes batches in for the workspace of this worker.

    Args:
        changed: called when there may be something for the outbox, so that it looks at once.
    """

    def __init__(self, intake: Intake, *, changed: Callable[[], None] = lambda: None) -> None:
        self._intake, self._changed = intake, changed

    @activity.defn(name=names.RECORD_INTERACTIONS)
    @_of_one_argument
    async def record_interactions(self, body: RawValue = _NOTHING, *more: Any) -> dict[str, Any]:
        """Take in a batch, in one transaction; resolves with the answer of `POST /v1/interactions`.

        An item without a time happened when this activity was scheduled, whichever attempt takes it in: so one without
        an id has the same one in each of them (M6).

        Args:
            body: as it came: a worker that decodes it first fails again and again at what no attempt can decode.
            more: what must not be there.

        Raises:
            ApplicationError: of type InvalidInteractions, not retryable: it is no batch, too large a one, or not alone.
        """
        with without_texts():
            batch = _batch_of(body, len(more))
            answer = await ingest_batch(self._intake, _with_times(batch, activity.info().scheduled_time.isoformat()))
            self._changed()
            return answer.as_json()


def _batch_of(body: RawValue, more: int) -> InteractionBatch:
    try:
        if more:
            raise BatchRefused("invalid", f"{more + 1} arguments are more than one; send the body as the only one")
        return read_batch(_decoded(body.payload))
    except BatchRefused as refused:
        _log.warning("batch_refused", code=refused.code, workflow_type=activity.info().workflow_type)
        raise ApplicationError(
            str(refused),
            refused.code,
            type=names.INVALID_INTERACTIONS,
            non_retryable=True,
            category=ApplicationErrorCategory.BENIGN,
        ) from None


def _decoded(payload: Payload) -> Any:
    """The JSON values of a payload; None where it has none."""
    encoding = payload.metadata.get("encoding", b"binary/null")
    if encoding == b"binary/null":
        return None
    if encoding != b"json/plain":
        raise BatchRefused("invalid_json", "the body is not JSON: its payload's encoding is not json/plain")
    try:
        return from_json(payload.data, allow_inf_nan=False)
    except ValueError as error:
        raise BatchRefused("invalid_json", f"the body is not JSON: {error}") from None


def _with_times(batch: InteractionBatch, told_at: str) -> InteractionBatch:
    items = [{"occurred_at": told_at, **item} if isinstance(item, dict) else item for item in batch.items]
    return replace(batch, items=items)
