"""The client of one follow-up: an operator sends it now, postpones it or cancels it.

ConnectorError
├── FollowUpUnknown      the store has no follow-up with that id
├── OperationRefused     it has ended, is being sent, belongs to a launch, or cannot wait until then
└── FollowUpUnavailable  no answer: no worker runs, Temporal is down, or its workflow was not started yet
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from connector import names
from connector.rules.model.audit import Act, Actor, AuditAction, Outcome
from connector.rules.model.errors import ConnectorError
from connector.rules.model.follow_up import FollowUp
from connector.rules.sending.launching import is_launched
from connector.rules.sending.operating import refusal
from connector.store.audit import record_audit
from connector.store.engine.database import Database
from connector.store.engine.outages import StoreUnavailable
from connector.store.follow_ups.follow_ups import load_follow_up
from connector.wire import Operation, OperationResult, OperatorRequest, OperatorVerb, Postponement

_DEFAULT_TIMEOUT = timedelta(seconds=30)


class FollowUpUnknown(ConnectorError):
    """The store has no follow-up with that id."""


class OperationRefused(ConnectorError):
    """The follow-up has ended, is being sent, belongs to a launch, or cannot wait until then. Nothing was changed."""


class FollowUpUnavailable(ConnectorError):
    """There was no answer. The operation can be repeated."""


class FollowUpClient:
    """Sends updates to the follow-ups of one workspace, each recorded in the audit trail with its note as the reason.

    Args:
        actor: who acts; it is recorded before Temporal is asked, and does not cross Temporal (guarantee 8).
        client: a way to get Temporal's client; it is used only if the store does not refuse the operation.
        answer_timeout: how long to wait for an answer; the operation may still be carried out later.
    """

    def __init__(
        self,
        database: Database,
        workspace: str,
        client: Callable[[], Awaitable[Client]],
        actor: Actor,
        *,
        answer_timeout: timedelta = _DEFAULT_TIMEOUT,
    ) -> None:
        self._database, self._workspace, self._client, self._timeout = database, workspace, client, answer_timeout
        self._actor = actor

    async def find(self, follow_up_id: str) -> FollowUp:
        """Return the current row of a follow-up, by its id or the id of its workflow. Raises FollowUpUnknown."""
        workspace, id = names.parse_follow_up_id(follow_up_id)
        async with self._database.read(self._workspace) as tx:
            follow_up = await load_follow_up(tx, id) if workspace in (None, self._workspace) else None
        if follow_up is None:
            raise FollowUpUnknown(
                f"there is no follow-up {follow_up_id!r}; GET /v1/follow-ups and `connector explain` show their ids"
            )
        return follow_up

    async def send_now(self, follow_up_id: str, *, note: str | None = None) -> OperationResult:
        """Evaluate and send it now; the rules of its due time still apply. Raises what `cancel` raises."""
        return await self._update(await self.find(follow_up_id), "send_now", OperatorRequest(note=note))

    async def postpone(self, follow_up_id: str, until: datetime, *, note: str | None = None) -> OperationResult:
        """Make it wait until an instant with a time zone. Raises what `cancel` raises."""
        request = Postponement(until=until.astimezone(UTC).isoformat(), note=note)
        return await self._update(await self.find(follow_up_id), "postpone", request)

    async def cancel(self, follow_up_id: str, *, note: str | None = None) -> OperationResult:
        """End it unsent.

        Raises:
            FollowUpUnknown: the store has no follow-up with that id.
            OperationRefused: it has ended, is being sent, or belongs to a launch.
            FollowUpUnavailable: there was no answer; the operation can be repeated.
        """
        return await self._update(await self.find(follow_up_id), "cancel", OperatorRequest(note=note))

    async def _update(self, follow_up: FollowUp, verb: OperatorVerb, request: OperatorRequest) -> OperationResult:
        if not follow_up.is_open:
            raise OperationRefused(refusal(follow_up))
        if is_launched(follow_up):
            raise OperationRefused(
                f"it has no workflow of its own: the launch of {follow_up.campaign} sends it, with all the others; "
                f"`connector stop {follow_up.campaign}` pauses the launch, "
                f"`connector archive {follow_up.campaign}` ends it"
            )
        workflow_id = names.follow_up_id(
            self._workspace, follow_up.campaign, follow_up.user_key, follow_up.id, follow_up.resends
        )
        handle = (await self._client()).get_workflow_handle(workflow_id)
        update_id = f"{verb}-{uuid4().hex}"
        await self._record(follow_up, verb, request, update_id, "requested")
        try:
            return await self._execute(handle, follow_up, verb, request, update_id)
        except OperationRefused:
            with suppress(StoreUnavailable):
                await self._record(follow_up, verb, request, update_id, "refused")
            raise

    async def _record(
        self, follow_up: FollowUp, verb: OperatorVerb, request: OperatorRequest, update_id: str, outcome: Outcome
    ) -> None:
        details = {"campaign": follow_up.campaign}
        if isinstance(request, Postponement):  # its day: the time may follow from one that is spread by user
            details["until"] = request.until[:10]
        operation = Operation(workspace=self._workspace, follow_up_id=follow_up.id, verb=verb, update_id=update_id)
        act = Act(AuditAction(verb), follow_up.user_key, details, request.note, outcome, operation.act_id)
        async with self._database.write(self._workspace, lock="none") as tx:
            await record_audit(tx, self._actor, act)

    async def _execute(
        self,
        handle: WorkflowHandle[Any, Any],
        follow_up: FollowUp,
        verb: OperatorVerb,
        request: OperatorRequest,
        update_id: str,
    ) -> OperationResult:
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                operated: OperationResult = await handle.execute_update(
                    verb,
                    request,
                    id=update_id,
                    result_type=OperationResult,
                    rpc_timeout=self._timeout,
                )
                return operated
        except WorkflowUpdateFailedError as error:
            problem = error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
            raise OperationRefused(problem) from None
        except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
            raise FollowUpUnavailable(
                f"no worker is polling {names.main_queue(self._workspace)!r}, or the database is down: no answer in "
                f"{self._timeout.total_seconds():g} seconds; start one with `connector worker`, then try again"
            ) from None
        except RPCError as error:
            raise await self._translate(follow_up.id, error) from None

    async def _translate(self, follow_up_id: str, error: RPCError) -> ConnectorError:
        if error.status is not RPCStatusCode.NOT_FOUND:
            return FollowUpUnavailable(f"Temporal does not answer ({error.status.name}); is it running?")
        follow_up = await self.find(follow_up_id)
        if not follow_up.is_open:
            return OperationRefused(refusal(follow_up))
        return FollowUpUnavailable(
            "its workflow does not run: it was not started yet, or was closed in Temporal a moment ago; "
            "a running worker (`connector worker`) corrects either within a minute"
        )
