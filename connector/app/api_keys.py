"""Where keys are made, replaced and taken back, each in one transaction.

ConnectorError
├── KeyUnknown    no key has that id
└── KeyEnded      it does not hold any more, so it cannot be replaced
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.rules.model.api_keys import Key, KeyState, NewKey, Scope, make_key
from connector.rules.model.errors import ConnectorError
from connector.store.engine.database import Database, database_now
from connector.store.engine.transaction import Transaction
from connector.store.users.api_keys import add_key, end_key, find_key, list_keys


class KeyUnknown(ConnectorError):
    """No key of this workspace has that id."""


class KeyEnded(ConnectorError):
    """The key was revoked or has expired."""


@dataclass(frozen=True)
class Issued:
    """A key that was made, and its text, which can be shown this once only. `replaces`: the one that it follows."""

    key: Key
    made: NewKey
    replaces: Key | None = None


class ApiKeyService:
    """Keeps the keys of one workspace. Everything raises StoreUnavailable where the database is away."""

    def __init__(self, database: Database, workspace: str) -> None:
        self._database, self._workspace = database, workspace

    async def create(
        self, name: str, scopes: Sequence[Scope], *, rate: float | None = None, lifetime: timedelta | None = None
    ) -> Issued:
        """Make a key.

        Args:
            rate: requests a second; None: the API's default. lifetime: whole seconds; None: it does not expire.
        """
        async with self._database.write(self._workspace) as tx:
            return await self._issue(tx, name, scopes, rate, lifetime, await database_now(tx))

    async def rotate(self, id: str, *, overlap: timedelta) -> Issued:
        """Make a key with the same name, scopes, rate and lifetime; the old one expires after `overlap`, or sooner.

        Raises:
            KeyUnknown, KeyEnded: nothing was made.
        """
        async with self._database.write(self._workspace) as tx:
            old = await self._find(tx, id)
            now = await database_now(tx)
            if (state := old.state_at(now)) in (KeyState.REVOKED, KeyState.EXPIRED):
                raise KeyEnded(f"the key {id} is {state}; make a new one with `connector keys create`")
            ends = now + overlap if old.expires_at is None else min(now + overlap, old.expires_at)
            await end_key(tx, id, expires_at=ends)
            issued = await self._issue(tx, old.name, old.scopes, old.rate, old.lifetime, now)
            return Issued(issued.key, issued.made, replaces=await self._find(tx, id))

    async def revoke(self, id: str) -> Key:
        """Let a key hold no longer; one that was revoked before stays as it is. Raises KeyUnknown."""
        async with self._database.write(self._workspace) as tx:
            if (await self._find(tx, id)).revoked_at is None:
                await end_key(tx, id, revoked_at=await database_now(tx))
            return await self._find(tx, id)

    async def listed(self) -> tuple[list[Key], datetime]:
        """Every key, oldest first, and the time by the database's clock that says how they stand."""
        async with self._database.read(self._workspace) as tx:
            return await list_keys(tx), await database_now(tx)

    async def _find(self, tx: Transaction, id: str) -> Key:
        found = await find_key(tx, id)
        if found is None:
            raise KeyUnknown(f"no key has the id {id[:12]!r}; `connector keys list` shows them")
        return found

    async def _issue(
        self,
        tx: Transaction,
        name: str,
        scopes: Sequence[Scope],
        rate: float | None,
        lifetime: timedelta | None,
        now: datetime,
    ) -> Issued:
        made = make_key()
        ends = None if lifetime is None else now + lifetime
        key = Key(made.id, name, tuple(scopes), rate, lifetime, now, ends, None)
        await add_key(tx, key, made.digest)
        return Issued(key, made)
