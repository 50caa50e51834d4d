"""API keys: written by the command line, and read as a whole by the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, insert, or_, select, update

from connector.rules.model.api_keys import Key, Scope
from connector.store.engine.transaction import Transaction, clock
from connector.store.tables import keys


@dataclass(frozen=True)
class LiveKey:
    """A key that was valid when it was read, with the digest of its secret. `expires_at` is UTC; None: never."""

    id: str
    digest: str
    scopes: frozenset[Scope]
    rate: float | None
    expires_at: datetime | None


@dataclass(frozen=True)
class LiveKeys:
    """All valid keys of a workspace by id, and the database's clock when they were read; None if there are none."""

    by_id: Mapping[str, LiveKey]
    read_at: datetime | None


async def load_live_keys(tx: Transaction) -> LiveKeys:
    """Load the keys that are neither revoked nor, by the database's clock, expired; in one statement."""
    now = clock(tx)
    columns = keys.c.id, keys.c.digest, keys.c.scopes, keys.c.rate, keys.c.expires_at, now.label("now")
    is_valid = keys.c.revoked_at.is_(None), or_(keys.c.expires_at.is_(None), keys.c.expires_at > now)
    rows = (await tx.execute(select(*columns).where(tx.in_workspace(keys), *is_valid))).mappings().all()
    return LiveKeys({row["id"]: _live(row) for row in rows}, rows[0]["now"] if rows else None)


async def list_keys(tx: Transaction) -> list[Key]:
    """Load every key ever created, oldest first."""
    statement = select(keys).where(tx.in_workspace(keys)).order_by(keys.c.created_at, keys.c.id)
    return [_key(row) for row in (await tx.execute(statement)).mappings()]


async def find_key(tx: Transaction, id: str) -> Key | None:
    """Load a key and lock its row until the transaction ends; None if no key has that id."""
    statement = select(keys).where(tx.in_workspace(keys), keys.c.id == id).with_for_update()
    row = (await tx.execute(statement)).mappings().one_or_none()
    return None if row is None else _key(row)


async def add_key(tx: Transaction, key: Key, digest: str) -> None:
    """Insert a new key with the digest of its secret."""
    lifetime = None if key.lifetime is None else int(key.lifetime.total_seconds())
    await tx.execute(
        insert(keys).values(
            workspace=tx.workspace,
            id=key.id,
            name=key.name,
            scopes=[scope.value for scope in key.scopes],
            digest=digest,
            rate=key.rate,
            lifetime_seconds=lifetime,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )
    )


async def end_key(
    tx: Transaction,
    id: str,
    *,
    revoked_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> None:
    """Set when a key was revoked, or when it expires (UTC); None leaves the column as it is."""
    instants = {"revoked_at": revoked_at, "expires_at": expires_at}
    changes = {name: at for name, at in instants.items() if at is not None}
    await tx.execute(update(keys).where(tx.in_workspace(keys), keys.c.id == id).values(changes))


def _key(row: RowMapping) -> Key:
    seconds = row["lifetime_seconds"]
    return Key(
        id=row["id"],
        name=row["name"],
        scopes=_scopes(row),
        rate=row["rate"],
        lifetime=None if seconds is None else timedelta(seconds=seconds),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )


def _live(row: RowMapping) -> LiveKey:
    return LiveKey(row["id"], row["digest"], frozenset(_scopes(row)), row["rate"], row["expires_at"])


def _scopes(row: RowMapping) -> tuple[Scope, ...]:
    """Return the scopes that this version knows, in their order."""
    return tuple(scope for scope in Scope if scope in row["scopes"])
