"""`/v1/keys`: create, list, rotate and revoke API keys, with a key that has the scope `admin`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from connector.rules.model.values import MAX_TEXT_CHARACTERS
from starter.api.access.actors import ActorHere
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import describe_body
from starter.api.requests.body import JsonObject, JsonOptions, validate
from starter.api.requests.operator_options import CreateKeyOptions, RotateKeyOptions
from starter.api.requests.options import OrderOptions
from starter.operations.keys import create_api_key, list_api_keys, revoke_api_key, rotate_api_key

router = APIRouter(prefix="/v1/keys", tags=["keys"], dependencies=[Depends(needs(Scope.ADMIN))])

KeyId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=MAX_TEXT_CHARACTERS,
        pattern=r"^[^\x00]*$",
        description="The middle part of a key, which is public.",
    ),
]


@router.get("")
async def list_keys(context: ContextHere) -> dict[str, Any]:
    """List every key with its state, oldest first, without secrets. Keys of CONNECTOR_API_KEYS are not among them.

    `active`: valid, without an end. `expires`: valid until its end. `expired`, `revoked`: not valid any more.
    """
    return await list_api_keys(context)


@router.post("", openapi_extra=describe_body("CreateKeyOptions"))
async def create_key(body: JsonObject, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Create a key with any scopes. `key` is the whole key: it is shown this once, and only its hash is stored."""
    given = validate(CreateKeyOptions, body)
    return await create_api_key(
        context,
        actor,
        name=given.name,
        scopes=given.scopes,
        rate=given.rate,
        lifetime=given.expires,
        reason=given.reason,
    )


@router.post("/{id}/rotate", openapi_extra=describe_body("RotateKeyOptions", required=False))
async def rotate_key(id: KeyId, body: JsonOptions, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Create a key with the name, scopes, rate and lifetime of another, which expires after `overlap` at most.

    `key` is the whole new key, shown this once. 409 if the old one is not valid any more.
    """
    given = validate(RotateKeyOptions, body)
    return await rotate_api_key(context, actor, id, overlap=given.overlap, reason=given.reason)


@router.post("/{id}/revoke", openapi_extra=describe_body("OrderOptions", required=False))
async def revoke_key(id: KeyId, body: JsonOptions, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Revoke a key: every API process refuses it within a second. Repeated, it changes nothing."""
    return await revoke_api_key(context, actor, id, reason=validate(OrderOptions, body).reason)
