"""`/v1/users/{id}`: profiles with addresses, attributes and consent; erasure, `explain` and the history."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from connector.rules.model.addresses import address_warnings
from connector.rules.model.audit import Actor
from connector.rules.model.consent import ConsentSource, read_statements
from connector.rules.model.users import User
from connector.rules.model.values import MAX_TEXT_CHARACTERS
from connector.store.engine.database import database_now
from connector.store.users.consent_history import BY_STATEMENT, ChangeOrigin
from connector.store.users.descriptions import merge_user, save_user
from connector.store.users.users import find_user
from starter.api.access.actors import ActorHere, ReasonHere
from starter.api.access.scopes import Caller, Scope, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import describe_body
from starter.api.openapi.views import SplitView
from starter.api.requests.body import Description, validate
from starter.api.requests.errors import ApiError, not_found
from starter.api.routes.follow_ups import Cursor
from starter.explain.explain import explain_user
from starter.explain.explanation import Explanation
from starter.explain.timeline import MAX_ENTRIES, read_timeline
from starter.operations.consent import audited_consent
from starter.operations.erasure import erase as erase_user
from starter.operations.joins import split_user
from starter.operations.users import find_users
from starter.operations.users import read_user as show_user

router = APIRouter(prefix="/v1/users", tags=["users"])
_ingests = needs(Scope.INGEST)

_READ_ONLY = ("consent_statements", "consent_history", "unreachable", "joins", "warnings")
"""The keys of responses beside the profile."""

UserId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=MAX_TEXT_CHARACTERS,
        pattern=r"^[^\x00]*$",
        description="Any id, percent-encoded: `a/b` is `a%2Fb`.",
    ),
]
CampaignId = Annotated[str | None, Query(max_length=MAX_TEXT_CHARACTERS, pattern=r"^[^\x00]*$")]


@router.get("", dependencies=[Depends(needs(Scope.READ))], name="find_users")
async def search(
    context: ContextHere,
    text: Annotated[str, Query(description="An id, a user key, an email or a phone number; at most 255 characters.")],
) -> dict[str, Any]:
    """Return the users whom a text names: any of their ids, the user key, the email or the phone number.

    An id is compared exactly, an email without the case of its letters, and a number without its separators. Of those
    who share an address, at most the first 50 by id; `is_cut` is true if there are more. Of a user who was erased
    nothing is shown; `erased` is true if the text names one.
    """
    return await find_users(context, text=text)


@router.put("/{id}", openapi_extra=describe_body("User"))
async def replace_user(
    caller: Annotated[Caller, Depends(_ingests)], id: UserId, body: Description, context: ContextHere, actor: ActorHere
) -> dict[str, Any]:
    """Replace the profile, consent excepted. At most 256 KB of attributes.

    Without `consent`, the user's consent does not change. A channel's bare `subscribed` never replaces an opt-out that
    was stated with its time; `{"state": "subscribed", "effective_at": …}` does, if it is not older. A bare
    `unsubscribed` always applies.

    The response is the user as stored if the key also has `read`, else the profile as sent. `warnings` names the
    given addresses that are not valid: they are stored, and messages to them are dropped as unreachable.
    """
    user = validate(User, {**_without_id(body, id), "id": id})
    operator = _operator(caller, actor, body)
    async with context.database.write(context.workspace) as tx, audited_consent(tx, id, operator):
        now = await database_now(tx)
        stated = read_statements(body.get("consent", {}), now, _source(operator))
        await save_user(tx, user, now, stated, _origin(operator))
        stored = await find_user(tx, id)
    shown = stored.user if stored is not None and caller.has_scope(Scope.READ) else user
    return shown.model_dump(mode="json") | _warnings_of(body)


@router.patch("/{id}", openapi_extra=describe_body("User"))
async def change_user(
    caller: Annotated[Caller, Depends(_ingests)], id: UserId, body: Description, context: ContextHere, actor: ActorHere
) -> dict[str, Any]:
    """Merge into the profile: attributes by key, consent as in `PUT`, other fields as a whole.

    An unknown user is created. At most 256 KB of attributes in total; larger existing ones must not grow.

    The response is the whole user if the key also has `read`, else `{"id": …}`; `warnings` as of `PUT`.
    """
    changes = _without_id(body, id)
    validate(User, {**changes, "id": id})
    operator = _operator(caller, actor, body)
    async with context.database.write(context.workspace) as tx, audited_consent(tx, id, operator):
        await merge_user(tx, id, changes, await database_now(tx), source=_source(operator), origin=_origin(operator))
        stored = await find_user(tx, id)
    if stored is None:
        raise not_found(f"the user {id}")
    # `ingest` alone does not read: an empty change must not be a way to do so.
    shown = stored.user.model_dump(mode="json") if caller.has_scope(Scope.READ) else {"id": id}
    return shown | _warnings_of(changes)


@router.get("/{id}", dependencies=[Depends(needs(Scope.READ))])
async def read_user(id: UserId, context: ContextHere) -> dict[str, Any]:
    """Return the profile; `unreachable` lists addresses that providers reported as undeliverable.

    `consent_statements` has, by channel, when the consent that holds was stated, and by whom: `user` (by a link to
    unsubscribe), `provider`, or a `service` or an `operator` with `effective_at`. A profile's bare state is not listed.

    `consent_history` lists the changes of consent, newest first, at most 1,000: `old` and `new` state, when it changed,
    when it was stated, and its source. It is kept until the user is erased.

    `joins` lists the ids that were joined into this user: who did it and when, by a key's id or a user name of the
    operating system, and when a join was undone. `undone_by` is null if a service used the id as a user's own.
    """
    return await show_user(context, id)


@router.delete("/{id}", dependencies=[Depends(needs(Scope.MANAGE))], status_code=204)
async def erase(id: UserId, context: ContextHere, actor: ActorHere, reason: ReasonHere = None) -> None:
    """Erase a user for good: waiting follow-ups end as `dropped: erased`; late reports change nothing.

    A user who is not known, or was erased before, is not found; nothing is changed then.
    """
    result = (await erase_user(context, actor, id, reason=reason))["result"]
    if result != "erased":
        raise ApiError(404, "not_found", f"the user {id} is not known", details={"result": result})


@router.post("/{id}/split", dependencies=[Depends(needs(Scope.MANAGE))])
async def split(id: UserId, context: ContextHere, actor: ActorHere, reason: ReasonHere = None) -> SplitView:
    """Undo a join: this id begins a new user, for what comes after; `split_from` keeps everything until now.

    The id counts as a user's own from now on, so that joining it again needs `manage`. 409 if the id is joined with no
    other, or is itself the one by which its user is shown.
    """
    return SplitView.model_validate(await split_user(context, actor, id, reason=reason))


@router.get("/{id}/explain", dependencies=[Depends(needs(Scope.READ))])
async def explain(id: UserId, context: ContextHere, campaign: CampaignId = None) -> Explanation:
    """Return every decision about a user in order: the interaction, the evidence, the outcome and its reason.

    With `campaign`, the decisions of that campaign, and if there are none the nearest miss. A repeated interaction
    leaves no decision. Attributes, consent and settings are the current ones. At most the newest 1,000 decisions;
    `is_cut` is true if there are older ones. 410 if the user was erased.
    """
    return await explain_user(context, id, campaign)


@router.get("/{id}/history", dependencies=[Depends(needs(Scope.READ))], name="read_history")
async def show_history(
    id: UserId,
    context: ContextHere,
    limit: Annotated[int, Query(ge=1, le=MAX_ENTRIES)] = 50,
    after: Cursor = None,
) -> dict[str, Any]:
    """List what a user did, what was decided about it, the messages, and changes of consent, newest first.

    An entry is an `interaction` with its `decisions`, a `message`, the `outcome` of a follow-up without one, or a
    change of `consent`. The newest 1,000 decisions, interactions and changes are listed; `is_cut` is true if there are
    older decisions. `id` is any id of the user, or the `user_key`. If `has_more` is true, the next page is the same
    request with `after` set to `next`. 410 if the user was erased.
    """
    return await read_timeline(context, id, limit=limit, after=after)


def _without_id(body: dict[str, Any], id: str) -> dict[str, Any]:
    """Drop the id and the read-only fields, so that a profile that was read can be sent back."""
    if body.get("id", id) != id:
        raise ApiError(422, "invalid", f"the body's id differs from the path's, {id!r}; leave it out of the body")
    return {name: value for name, value in body.items() if name not in ("id", *_READ_ONLY)}


def _warnings_of(changes: dict[str, Any]) -> dict[str, list[str]]:
    warnings = list(address_warnings(changes))
    return {"warnings": warnings} if warnings else {}


def _operator(caller: Caller, actor: Actor, body: dict[str, Any]) -> Actor | None:
    """Return who changes consent as an operator: whoever may manage."""
    return actor if "consent" in body and caller.has_scope(Scope.MANAGE) else None


def _source(operator: Actor | None) -> ConsentSource:
    return ConsentSource.SERVICE if operator is None else ConsentSource.OPERATOR


def _origin(operator: Actor | None) -> ChangeOrigin:
    return BY_STATEMENT if operator is None else ChangeOrigin(operator=operator.id)
