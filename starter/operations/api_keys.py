"""The service that creates, lists, rotates and revokes API keys, each in one transaction with its audit entry.

ConnectorError
├── KeyUnknown   no key has that id
├── KeyEnded     the key is not valid any more, so it cannot be rotated
└── ScopesWrong  no key may have these scopes together
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.rules.model.api_keys import Key, KeyState, Scope, find_scope_fault, parse_key
from connector.rules.model.audit import Act, Actor, AuditAction
from connector.rules.model.errors import ConnectorError
from connector.rules.model.values import format_instant
from connector.store.audit import record_audit
from connector.store.engine.database import Database, database_now
from connector.store.engine.transaction import Transaction
from connector.store.users.api_keys import add_key, end_key, find_key, list_keys


class KeyUnknown(ConnectorError):
    """No key of this workspace has that id."""


class KeyEnded(ConnectorError):
    """The key was revoked or has expired."""


class ScopesWrong(ConnectorError):
    """No key may have these scopes together."""


@dataclass(frozen=True)
class NewKey:
    """A random key. `text` is the whole key, which nothing stores."""

    id: str
    digest: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class IssuedKey:
    """A new key with its text, which nothing keeps: it can be shown only now. `replaces`: the rotated key."""

    key: Key
    secret: NewKey
    replaces: Key | None = None


def create_key() -> NewKey:
    """Create a key from the system's randomness."""
    text = f"ck_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"
    key = parse_key(text)
    assert key is not None  # noqa: S101 - the text has the form of a key
    return NewKey(key.id, key.digest, text)


class ApiKeyService:
    """Manages the keys of one workspace. Every method raises StoreUnavailable if the database cannot be reached.

    Args:
        actor: who acts, for the audit trail.
        reason: why, as the actor wrote it.
    """

    def __init__(self, database: Database, workspace: str, actor: Actor, *, reason: str | None = None) -> None:
        self._database, self._workspace, self._actor, self._reason = database, workspace, actor, reason

    async def create(
        self, name: str, scopes: Sequence[Scope], *, rate: float | None = None, lifetime: timedelta | None = None
    ) -> IssuedKey:
        """Create a key.

        Args:
            rate: requests per second; None: the API's default. lifetime: whole seconds; None: it does not expire.

        Raises:
            ScopesWrong: nothing was created.
        """
        if fault := find_scope_fault(scopes):
            raise ScopesWrong(fault)
        async with self._database.write(self._workspace) as tx:
            issued = await self._issue(tx, name, scopes, rate, lifetime, await database_now(tx))
            await self._record(tx, AuditAction.CREATE_KEY, issued.key.id, **_describe(issued.key))
            return issued

    async def rotate(self, id: str, *, overlap: timedelta) -> IssuedKey:
        """Create a key with the same name, scopes, rate and lifetime; the old one expires after `overlap` at most.

        Raises:
            KeyUnknown, KeyEnded: nothing was created.
        """
        async with self._database.write(self._workspace) as tx:
            old = await self._find(tx, id)
            now = await database_now(tx)
            if (state := old.state_at(now)) in (KeyState.REVOKED, KeyState.EXPIRED):
                raise KeyEnded(f"the key {id} is {state}; create a new one with `connector keys create`")
            ends = now + overlap if old.expires_at is None else min(now + overlap, old.expires_at)
            await end_key(tx, id, expires_at=ends)
            issued = await self._issue(tx, old.name, old.scopes, old.rate, old.lifetime, now)
            await self._record(tx, AuditAction.ROTATE_KEY, id, replaced_by=issued.key.id, **_describe(issued.key))
            return IssuedKey(issued.key, issued.secret, replaces=await self._find(tx, id))

    async def revoke(self, id: str) -> Key:
        """Revoke a key; a key that was revoked earlier does not change. Raises KeyUnknown."""
        async with self._database.write(self._workspace) as tx:
            if (await self._find(tx, id)).revoked_at is None:
                await end_key(tx, id, revoked_at=await database_now(tx))
                await self._record(tx, AuditAction.REVOKE_KEY, id)
            return await self._find(tx, id)

    async def list_keys(self) -> tuple[list[Key], datetime]:
        """Return every key, oldest first, and the time of the database's clock, on which their states depend."""
        async with self._database.read(self._workspace) as tx:
            return await list_keys(tx), await database_now(tx)

    async def _record(self, tx: Transaction, action: AuditAction, id: str, **details: object) -> None:
        await record_audit(tx, self._actor, Act(action, id, details, self._reason))

    async def _find(self, tx: Transaction, id: str) -> Key:
        key = await find_key(tx, id)
        if key is None:
            raise KeyUnknown(f"no key has the id {id[:12]!r}; `connector keys list` shows them")
        return key

    async def _issue(
        self,
        tx: Transaction,
        name: str,
        scopes: Sequence[Scope],
        rate: float | None,
        lifetime: timedelta | None,
        now: datetime,
    ) -> IssuedKey:
        secret = create_key()
        ends = None if lifetime is None else now + lifetime
        key = Key(secret.id, name, tuple(scopes), rate, lifetime, now, ends, None)
        await add_key(tx, key, secret.digest)
        return IssuedKey(key, secret)


def _describe(key: Key) -> dict[str, object]:
    return {"name": key.name, "scopes": list(key.scopes), "expires_at": format_instant(key.expires_at)}
