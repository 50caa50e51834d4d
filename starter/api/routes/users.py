"""`/v1/users/{id}`: who users are, where messages reach them, and what they agreed to."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from connector.rules.model.users import User
from connector.store.engine.database import database_now
from connector.store.users.erasure import erase_user
from connector.store.users.users import find_user, merge_user, save_user
from starter.api.access.scopes import Caller, Scope, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import body_of
from starter.api.requests.body import Description, checked
from starter.api.requests.errors import ApiError, not_found

router = APIRouter(prefix="/v1/users", tags=["users"])
_ingests = needs(Scope.INGEST)

UserId = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]


@router.put("/{id}", dependencies=[Depends(_ingests)], openapi_extra=body_of("User"))
async def replace_user(id: UserId, body: Description, context: ContextHere) -> dict[str, Any]:
    """Put this description in the place of whatever was known. At most 256 KB of attributes."""
    user = checked(User, {**_without_id(body, id), "id": id})
    async with context.database.write(context.workspace) as tx:
        await save_user(tx, user, await database_now(tx))
    return user.model_dump(mode="json")


@router.patch("/{id}", openapi_extra=body_of("User"))
async def change_user(
    caller: Annotated[Caller, Depends(_ingests)], id: UserId, body: Description, context: ContextHere
) -> dict[str, Any]:
    """Merge: attributes and consent by their keys, everything else as a whole. An unknown user is made.

    At most 256 KB of attributes, all of the user's together; what was larger already may not grow.

    The answer is the whole user where the key may also `read`, else `{"id": …}`.
    """
    changes = _without_id(body, id)
    checked(User, {**changes, "id": id})
    async with context.database.write(context.workspace) as tx:
        await merge_user(tx, id, changes, await database_now(tx))
        stored = await find_user(tx, id)
    if stored is None:
        raise not_found(f"the user {id}")
    # A key for ingest alone may be in an app, and an empty change must not be a way to read.
    return stored.user.model_dump(mode="json") if caller.may(Scope.READ) else {"id": id}


@router.get("/{id}", dependencies=[Depends(needs(Scope.READ))])
async def read_user(id: UserId, context: ContextHere) -> dict[str, Any]:
    """What is known of a user; where a provider told that addresses take no messages, with those as `unreachable`."""
    async with context.database.read(context.workspace) as tx:
        stored = await find_user(tx, id)
    if stored is None:
        raise not_found(f"the user {id}")
    told = {"unreachable": dict(stored.unreachable)} if stored.unreachable else {}
    return stored.user.model_dump(mode="json") | told


@router.delete("/{id}", dependencies=[Depends(needs(Scope.MANAGE))], status_code=204)
async def erase(id: UserId, context: ContextHere) -> None:
    """Erase a user for good: what waits ends as `dropped: erased`, and a late report does not bring them back."""
    async with context.database.write(context.workspace) as tx:
        erased = await erase_user(tx, id, await database_now(tx))
    if not erased:
        raise not_found(f"the user {id}")
    context.outbox.nudge()


def _without_id(body: dict[str, Any], id: str) -> dict[str, Any]:
    """Without what the path says, and what only providers tell, so that what was read can be sent back."""
    if body.get("id", id) != id:
        raise ApiError(422, "invalid", f"the body's id is not the path's, {id!r}; leave it out of the body")
    return {name: value for name, value in body.items() if name not in ("id", "unreachable")}
