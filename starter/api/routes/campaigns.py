"""`/v1/campaigns/{id}`: definitions, what is live, lifecycle orders, and results. Cards share the ids."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from connector.app.context import AppContext
from connector.definitions import parse_mapping
from connector.rules.catalogue.catalogue import Lifecycle
from connector.rules.catalogue.lifecycle import OrderVerb
from connector.rules.model.audit import Actor
from connector.rules.model.campaigns import Publishable, Workspace
from connector.rules.model.values import Instant
from connector.templating.threads import run_in_thread
from starter.api.access.actors import ActorHere, ReasonHere
from starter.api.access.order_keys import OrderKeyHere
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import describe_body
from starter.api.requests.body import Description, JsonObject, JsonOptions, validate
from starter.api.requests.definitions import MAX_REVISION, BacktestRequest
from starter.api.requests.errors import ApiError
from starter.api.requests.options import OrderOptions, PublishOptions
from starter.api.routes.follow_ups import Word
from starter.operations import campaigns
from starter.operations.backtest import backtest_campaign
from starter.operations.campaigns import MAX_PAGE
from starter.operations.drafts import save_definitions
from starter.operations.entries import find_entry
from starter.operations.order_keys import OrderKey
from starter.operations.orders import give_order, preview_resuming
from starter.operations.results import read_results
from starter.operations.review import review_campaign

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"])
_OPTIONS = describe_body("OrderOptions", required=False)
_BACKTEST_SECONDS = 120.0
Base = Annotated[
    int | None,
    Query(
        ge=0,
        le=MAX_REVISION,
        description="The `newest_revision` that the definition was edited from; 0: there was none.",
    ),
]
_READS, _MANAGES = ([Depends(needs(scope))] for scope in (Scope.READ, Scope.MANAGE))


@router.get("", dependencies=_READS, name="list_campaigns")
async def list_all(
    context: ContextHere,
    state: Lifecycle | None = None,
    search: Word = None,
    after: Word = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> dict[str, Any]:
    """List campaigns and cards by id: state, live and newest revision, since when, and follow-ups by state and reason.

    `search` finds ids and names that contain a text. If `has_more` is true, the next page is the same request with
    `after` set to `next`.
    """
    return await campaigns.list_campaigns(context, state=state, search=search, after=after, limit=limit)


@router.get("/{id}", dependencies=_READS)
async def read_campaign(id: str, context: ContextHere) -> dict[str, Any]:
    """Return the newest saved definition, and which revision is live since when."""
    return await campaigns.read_campaign(context, id)


@router.get("/{id}/review", dependencies=_READS, name="review_campaign")
async def review(id: str, context: ContextHere) -> dict[str, Any]:
    """Return what deciding about a campaign or card needs: its newest draft as a diff, and what each order would do.

    `draft` has the differences from what is live. `publish` has the publication `alone` and, if draft follow-ons listen
    to it, `together` with them: the `order` in which they take effect, `refusals`, `warnings`, and `launches` by number
    of users. `resume` is there for a stopped one. `open` counts the follow-ups by revision that a stop would end.
    """
    return await review_campaign(context, id)


@router.put("/{id}", dependencies=_MANAGES, openapi_extra=describe_body("Campaign", "Card"))
async def save_campaign(
    id: str, body: Description, context: ContextHere, actor: ActorHere, reason: ReasonHere = None, base: Base = None
) -> dict[str, Any]:
    """Save a draft; the live revision does not change until the draft is published (P10).

    With `base`, nothing is saved (409) if somebody else has saved another revision meanwhile.
    """
    definition = await run_in_thread(partial(_definition, id, body, not context.settings.link_hosts))
    bases = None if base is None else {id: base}
    (saved,), notes = await save_definitions(context, actor, [definition], reason=reason, bases=bases)
    return {"id": saved.id, "revision": saved.revision, "change": saved.change, "warnings": notes}


@router.post("/{id}/publish", dependencies=_MANAGES, openapi_extra=describe_body("PublishOptions", required=False))
async def publish(
    id: str, options: JsonOptions, key: OrderKeyHere, context: ContextHere, actor: ActorHere
) -> dict[str, Any]:
    """Make the newest saved revision live (P5)."""
    return await _order(context, actor, "publish", id, validate(PublishOptions, options), key)


@router.post("/{id}/stop", dependencies=_MANAGES, openapi_extra=_OPTIONS)
async def stop(
    id: str, options: JsonOptions, key: OrderKeyHere, context: ContextHere, actor: ActorHere
) -> dict[str, Any]:
    """End its waiting and held follow-ups as `dropped: stopped`, and start none (P9)."""
    return await _order(context, actor, "stop", id, validate(OrderOptions, options), key)


@router.post("/{id}/resume", dependencies=_MANAGES, openapi_extra=_OPTIONS)
async def resume(
    id: str, options: JsonOptions, key: OrderKeyHere, context: ContextHere, actor: ActorHere
) -> dict[str, Any]:
    """Make it live again, unchanged; interactions while it was stopped do not count (P9)."""
    return await _order(context, actor, "resume", id, validate(OrderOptions, options), key)


@router.get("/{id}/resume", dependencies=_READS, name="preview_resume")
async def read_resume(id: str, context: ContextHere) -> dict[str, Any]:
    """Return what resuming it now would do, and change nothing: to how many users of a launch it sends at once (P9).

    `launches` has, for a scheduled original: `at_once`, the users who would get the message now; `stale`, those whose
    time is more than `stale_after` past, who would get none; `later`, those whose time is still to come.
    """
    await find_entry(context, id)
    return await preview_resuming(context, [id])


@router.post("/{id}/archive", dependencies=_MANAGES, openapi_extra=_OPTIONS)
async def archive(
    id: str, options: JsonOptions, key: OrderKeyHere, context: ContextHere, actor: ActorHere
) -> dict[str, Any]:
    """Stop it for good; it cannot be edited any more (P9)."""
    return await _order(context, actor, "archive", id, validate(OrderOptions, options), key)


@router.post("/{id}/backtest", dependencies=_READS, openapi_extra=describe_body("BacktestRequest"), name="backtest")
async def backtest(id: str, body: JsonObject, context: ContextHere) -> dict[str, Any]:
    """Return what its newest revision, draft or live, would have done if it had been live since then.

    `excepted` counts by exception, `dropped` and `refused` by reason; `seconds_until_exception` has the times from the
    trigger to the exception, within which 50, 75, 90 … per cent came. Nothing is sent or changed. 409 if it is no
    follow-on, or if it takes longer than two minutes: begin it later, or run `connector backtest` on the store.
    """
    since = validate(BacktestRequest, body).since
    return await backtest_campaign(context, id, since, seconds=_BACKTEST_SECONDS)


@router.get("/{id}/results", dependencies=_READS, name="read_results")
async def show_results(
    id: str,
    context: ContextHere,
    since: Instant | None = None,
    until: Instant | None = None,
    by: Literal["day"] | None = None,
) -> dict[str, Any]:
    """Return how many users were enrolled, sent, opened, clicked and converted: control group, receivers, each variant.

    Each user counts once per step. `uplift` has, by conversion, the receivers' rate against the control group's, the
    difference with its 95% confidence interval (`low` to `high`, Newcombe's) and the relative uplift; it is null if
    either group is empty. `follow_ups` counts the follow-ups by state and reason, and the refused triggers; `reasons`
    says in words why nothing was sent, the most frequent first. The `funnel` counts follow-ups that were `triggered`,
    that wait and that were `sent`, then users. `exceptions_after` has how long after the trigger exceptions came: `p50`
    is the number of seconds within which half of them did.

    `since` and `until` (which is excluded) choose users by when they were first reached, whatever they did later, and
    follow-ups by their trigger. With `by=day`, `days` has the results of each day in the workspace's `zone`; the days
    add up to the whole. `template_faults` and `retried` are always of all times.
    """
    return await read_results(context, id, since=since, until=until, by=by)


async def _order(
    context: AppContext, actor: Actor, verb: OrderVerb, id: str, options: OrderOptions, key: OrderKey | None
) -> dict[str, Any]:
    await find_entry(context, id)
    return await give_order(context, actor, verb, [id], key=key, **options.model_dump())


def _definition(id: str, body: dict[str, Any], with_links: bool) -> Publishable:
    word = "card" if "card" in body else "campaign"
    definition = parse_mapping({word: id, **body}, with_links=with_links)
    if isinstance(definition, Workspace) or definition.id != id:
        raise ApiError(422, "invalid", f"the body is about {body.get(word)!r}, the path names {id!r}")
    return definition
