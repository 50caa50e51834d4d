"""`/v1/users/{id}/inbox` and `/v1/inbox/{message}/…`: the inbox that client apps show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel

from connector.app.context import AppContext
from connector.inbox.actions import ForeignMessage, InboxActions, UnknownMessage
from connector.inbox.tokens import MissingInboxSecret
from connector.rules.model.inbox import CARD_ID_PREFIX, InboxAction, InboxKind, InboxVerb, UnknownButton
from connector.rules.model.values import storage_problem
from connector.store.engine.database import database_now
from connector.store.users.users import StoredUser, UserErased, find_user, resolve_and_lock
from starter.api.access.client import user_tokens
from starter.api.access.inbox_token import InboxAccess, InboxReader, InboxWriter, inbox_tokens, user_key_of
from starter.api.access.scopes import Scope, needs
from starter.api.access.user_tokens import MissingClientSecret
from starter.api.context import ContextHere, machine_now
from starter.api.openapi.document import describe_body
from starter.api.openapi.model_names import described_by
from starter.api.requests.body import JsonOptions, validate
from starter.api.requests.errors import ApiError, not_found
from starter.api.requests.metrics import interactions_ingested
from starter.api.requests.options import ClickOptions, InboxActionOptions, NoOptions
from starter.api.routes.users import UserId
from starter.operations.inbox import MAX_MESSAGES, view_inbox

router = APIRouter(prefix="/v1", tags=["inbox"])
_M = TypeVar("_M", bound=InboxActionOptions)


class InboxView(BaseModel):
    """The first messages of an inbox; `is_cut` is true if there are more."""

    messages: list[Annotated[dict[str, Any], described_by("InboxMessageView")]]
    is_cut: bool


class InboxActionView(BaseModel):
    """`accepted` or `duplicate`, and the type of the interaction that it made, None if it made none."""

    status: str
    interaction: str | None


class TokenView(BaseModel):
    """A token for one user, and when it expires (UTC)."""

    token: str
    expires_at: datetime


MessageId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,200}$")]


@router.get("/users/{id}/inbox")
async def read_inbox(
    id: UserId,
    holder: InboxReader,
    context: ContextHere,
    kind: InboxKind | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_MESSAGES)] = 50,
) -> InboxView:
    """List in-app messages and cards, highest priority first, then newest; expired and dismissed ones are left out."""
    catalogue = await context.cache.at_least(context.database)
    async with context.database.read(context.workspace) as tx:
        stored = _visible_user(await find_user(tx, id), holder.user_key, id)
        return InboxView(**await view_inbox(context, tx, catalogue, stored, kind=kind, limit=limit))


@router.post("/inbox/{message}/view", openapi_extra=describe_body("InboxActionOptions", required=False))
async def view(message: MessageId, holder: InboxWriter, options: JsonOptions, context: ContextHere) -> InboxActionView:
    """Report that the user saw the message: one view interaction per message, however often it is reported."""
    return await _perform(context, message, holder, "view", _options(InboxActionOptions, options))


@router.post("/inbox/{message}/click", openapi_extra=describe_body("ClickOptions", required=False))
async def click(message: MessageId, holder: InboxWriter, options: JsonOptions, context: ContextHere) -> InboxActionView:
    """Report a click on the message or a button: one interaction per `id`, or per second without one."""
    return await _perform(context, message, holder, "click", _options(ClickOptions, options))


@router.post("/inbox/{message}/dismiss", openapi_extra=describe_body("InboxActionOptions", required=False))
async def dismiss(
    message: MessageId, holder: InboxWriter, options: JsonOptions, context: ContextHere
) -> InboxActionView:
    """Remove the message from the inbox; dismissing a content card is an interaction."""
    return await _perform(context, message, holder, "dismiss", _options(InboxActionOptions, options))


@router.post(
    "/users/{id}/inbox-token",
    dependencies=[Depends(needs(Scope.READ, Scope.INGEST))],
    openapi_extra=describe_body("NoOptions", required=False),
)
async def mint_token(id: UserId, options: JsonOptions, context: ContextHere) -> TokenView:
    """Create a token with which a browser or phone reads and uses the inbox of this user. An unknown user is created.

    409 if no secret is set. Give the token to the user's own device only. It reads and writes, so the key must do both.
    """
    validate(NoOptions, options)
    try:
        async with context.database.write(context.workspace) as tx:
            now = await database_now(tx)
            user_key = (await resolve_and_lock(tx, [id], now)).get(id)
            if user_key is None:
                raise UserErased
            lifetime = context.settings.inbox.token_lifetime
            token, expires_at = inbox_tokens(context).create(user_key, id, now, lifetime)
    except MissingInboxSecret as error:
        raise ApiError(409, "not_set_up", str(error)) from None
    return TokenView(token=token, expires_at=expires_at)


@router.post(
    "/users/{id}/user-token",
    dependencies=[Depends(needs(Scope.READ, Scope.INGEST))],
    openapi_extra=describe_body("NoOptions", required=False),
)
async def mint_user_token(id: UserId, options: JsonOptions, context: ContextHere) -> TokenView:
    """Create a token with which a client, by a key with the scope `client`, acts for this user, who may be new.

    409 if no secret is set. Give the token to the user's own device only.
    """
    validate(NoOptions, options)
    tokens, lifetime = user_tokens(context), context.settings.client.token_lifetime
    try:
        token, expires_at = tokens.create(id, machine_now(), lifetime)
    except MissingClientSecret as error:
        raise ApiError(409, "not_set_up", str(error)) from None
    await user_key_of(context, id)
    return TokenView(token=token, expires_at=expires_at)


async def _perform(
    context: AppContext, message: str, holder: InboxAccess, verb: InboxVerb, options: InboxActionOptions
) -> InboxActionView:
    doer = await _acting_user(context, message, holder, options.user)
    acts = InboxActions(context.database, context.cache, context.intake, context.workspace)
    try:
        acted = await acts.perform(message, doer, InboxAction(verb, **options.model_dump(exclude={"user"})))
    except UnknownMessage as error:
        raise ApiError(404, "not_found", str(error)) from None
    except ForeignMessage as error:
        raise ApiError(403, "forbidden", str(error)) from None
    except UnknownButton as error:
        raise ApiError(422, "invalid", str(error)) from None
    if acted.interaction is not None:
        interactions_ingested.labels(acted.status).inc()
    if acted.changed:
        context.outbox.nudge()
    return InboxActionView(
        status=holder.visible_status(acted.status), interaction=acted.interaction.type if acted.interaction else None
    )


async def _acting_user(context: AppContext, message: str, holder: InboxAccess, named: str | None) -> str | None:
    """Return the user key of the acting user; None: the owner of the message."""
    if named is None:
        if holder.user_key is None and message.startswith(CARD_ID_PREFIX):
            raise ApiError(422, "invalid", "user: a published card belongs to every user; name the user")
        return holder.user_key
    if not holder.may_read:
        return await user_key_of(context, named)  # a key with `ingest` alone does not learn which users exist
    async with context.database.read(context.workspace) as tx:
        return _visible_user(await find_user(tx, named), holder.user_key, named).user_key


def _visible_user(stored: StoredUser | None, holder: str | None, id: str) -> StoredUser:
    """Return the user if the caller may see them. A token does not reveal which other users exist."""
    if holder is not None and (stored is None or stored.user_key != holder):
        raise ApiError(403, "forbidden", "the token is another user's")
    if stored is None:
        raise not_found(f"the user {id}")
    return stored


def _options(model: type[_M], options: Mapping[str, Any]) -> _M:
    if fault := storage_problem(options):
        raise ApiError(422, "invalid", f"the body {fault}")
    return validate(model, options)
