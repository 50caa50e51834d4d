"""Undo a join: an id that was joined into a user begins a new user, for what comes after.

ConnectorError
├── IdUnknown  no user has that id
└── NotJoined  there is nothing to split off
"""

from __future__ import annotations

from connector.app.store_context import StoreContext
from connector.rules.model.audit import Act, Actor, AuditAction
from connector.rules.model.errors import ConnectorError
from connector.store.audit import record_audit
from connector.store.engine.database import database_now
from connector.store.engine.transaction import Transaction
from connector.store.users.splitting import split_id
from connector.store.users.users import find_user_keys, load_ids, load_users, lock_users


class IdUnknown(ConnectorError):
    """No user has that id."""


class NotJoined(ConnectorError):
    """The id is the user's only one, or the one by which the user is shown."""


async def split_user(context: StoreContext, id: str, actor: Actor, *, reason: str | None = None) -> str:
    """Split an id off the user whom it was joined into, and return the id by which that user is shown.

    The user keeps everything that happened until now. The id counts as a user's own from now on, so that joining it
    again needs `manage`.

    Raises:
        IdUnknown, NotJoined: nothing has changed. StoreUnavailable: nothing has changed.
    """
    async with context.database.write(context.workspace) as tx:
        user_key = await _lock_known(tx, id)
        if user_key is None:
            raise IdUnknown(f"the user {id} is not known")
        shown = (await load_users(tx, [user_key]))[user_key].user.id
        others = [other for other in await load_ids(tx, user_key) if other != id]
        if not others:
            raise NotJoined(f"{id} is the only id of its user: it is joined with no other")
        if shown == id:
            raise NotJoined(f"{id} is the id in use of its user; split off one that was joined: {', '.join(others)}")
        new_key = await split_id(tx, id, await database_now(tx), actor.id)
        await record_audit(tx, actor, Act(AuditAction.UNDO_JOIN, user_key, {"new_user": new_key}, reason))
        return shown


async def _lock_known(tx: Transaction, id: str) -> str | None:
    """Lock the user's row and return the surrogate key; None if no user has the id, or no longer."""
    known, _ = await find_user_keys(tx, [id])
    is_locked = await lock_users(tx, known.values())
    locked, _ = await find_user_keys(tx, [id])
    return locked.get(id) if is_locked and locked == known else await _lock_known(tx, id)
