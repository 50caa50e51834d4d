"""`POST /v1/apply`, `/v1/plan`, `/v1/validate` and `/v1/simulate` of several definitions, and `/v1/workspace`."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request

from connector.definitions import Definitions, parse_mapping
from connector.rules.model.campaigns import Workspace
from connector.templating.threads import run_in_thread
from starter.api.access.actors import ActorHere, ReasonHere
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere, machine_now
from starter.api.openapi.document import describe_body
from starter.api.requests.body import Description, JsonObject, validate
from starter.api.requests.definitions import (
    ApplyRequest,
    DefinitionsRequest,
    PlanRequest,
    SimulateRequest,
    read_given,
    reader_of,
)
from starter.api.requests.disconnects import while_connected
from starter.api.requests.errors import ApiError
from starter.operations.drafts import apply_definitions
from starter.operations.plan import plan_definitions
from starter.operations.simulation import simulate_story
from starter.operations.validation import validate_read
from starter.operations.workspace import read_workspace

router = APIRouter(prefix="/v1", tags=["definitions"])
_READS, _MANAGES = ([Depends(needs(scope))] for scope in (Scope.READ, Scope.MANAGE))


@router.post("/apply", dependencies=_MANAGES, openapi_extra=describe_body("ApplyRequest"))
async def apply(body: Description, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Save campaigns, cards and the workspace as drafts: all of them, or none (P10).

    Live campaigns do not change until their drafts are published; the workspace's settings hold at once. `warnings`
    name what `publish` would refuse. Repeated, it changes nothing. A fault of a YAML text has its `file` and `line`.
    409 if one is archived, or by `bases` somebody else saved one meanwhile.
    """
    given = validate(ApplyRequest, body)
    definitions = await read_given(given, with_links=not context.settings.link_hosts)
    return await apply_definitions(context, actor, definitions, reason=given.reason, bases=given.bases)


@router.post("/plan", dependencies=_READS, openapi_extra=describe_body("PlanRequest"))
async def plan(body: Description, context: ContextHere) -> dict[str, Any]:
    """Return what applying and publishing these definitions would do, and change nothing.

    `changes` has each difference by key; `order` is the order of the publication (P5), which `refusals` would keep from
    taking effect; `waits` counts who would stay on which earlier revision (P10); `texts` has the segments of each text
    message. 409 if already `apply` would refuse them.
    """
    given = validate(PlanRequest, body)
    definitions = await read_given(given, with_links=not context.settings.link_hosts)
    return await plan_definitions(context, definitions, allow_missed=given.allow_missed)


@router.post("/validate", dependencies=_READS, openapi_extra=describe_body("DefinitionsRequest"), name="validate")
async def check(body: Description, context: ContextHere) -> dict[str, Any]:
    """Check definitions by themselves, without the store: every fault with its file, line and key, as 200.

    Targets are looked up among these definitions only; `POST /v1/plan` looks in the store too.
    """
    read = reader_of(validate(DefinitionsRequest, body), with_links=not context.settings.link_hosts)
    return await run_in_thread(partial(validate_read, read, machine_now()))


@router.post("/simulate", dependencies=_READS, openapi_extra=describe_body("SimulateRequest"), name="simulate")
async def play(request: Request, body: JsonObject, context: ContextHere) -> dict[str, Any]:
    """Play a timeline by the rules of production, without sending.

    `outcomes` has what `connector simulate --json` prints. A lifecycle step that is refused ends the run, and is its
    `failure`. It is played in a process of its own for at most 30 seconds, 10,000 outcomes and 16 million characters;
    beyond them 409. Nothing is read from the store or changed.
    """
    given = validate(SimulateRequest, body)
    await read_given(given, with_links=not context.settings.link_hosts)
    return await while_connected(request, simulate_story(given.story()))


@router.get("/workspace", dependencies=_READS, name="read_workspace")
async def read_settings(context: ContextHere) -> dict[str, Any]:
    """Return the settings of the workspace: as they were written, and all of them with their defaults."""
    return await read_workspace(context)


@router.put("/workspace", dependencies=_MANAGES, openapi_extra=describe_body("Workspace"), name="save_workspace")
async def save_settings(
    body: Description, context: ContextHere, actor: ActorHere, reason: ReasonHere = None
) -> dict[str, Any]:
    """Replace the settings of the workspace, which hold at once; what is left out has its default."""
    settings = parse_mapping({"workspace": context.workspace, **body})
    if not isinstance(settings, Workspace):
        raise ApiError(422, "invalid", "the body must be the settings of the workspace")
    return await apply_definitions(context, actor, Definitions(settings, (), (), {}), reason=reason)
