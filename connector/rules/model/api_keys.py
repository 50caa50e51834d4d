"""API keys: their form, what each may be used for, and whether one still holds. Nothing here reads or writes.

A key is `ck_{id}_{secret}`: the id, 12 hexadecimal digits, is public and names the key in lists and logs; the secret is
32 random bytes in base64url, 43 characters.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

_FORM = re.compile(r"ck_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
_NOBODYS = "0" * 64

MAX_KEY_RATE = 1_000_000.0
"""Requests a second that a key may be given: far beyond what one process answers."""


class Scope(StrEnum):
    """What a key may be used for. None includes another."""

    INGEST = "ingest"
    READ = "read"
    MANAGE = "manage"


class KeyState(StrEnum):
    """Whether a key holds: `active` for good, and `expires` until its end."""

    ACTIVE = "active"
    EXPIRES = "expires"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class NewKey:
    """A key that was just made. `text` is the whole of it, and is kept nowhere."""

    id: str
    digest: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class PresentedKey:
    """A well-formed key as somebody sent it: the id that it names, and the digest of its secret."""

    id: str
    digest: str


@dataclass(frozen=True)
class Key:
    """What is known of a key, without its secret.

    Args:
        rate: requests a second; None: the API's own default.
        lifetime: how long it was made for; None: for good.
        created_at, expires_at, revoked_at: UTC. A rotation brings `expires_at` forward, so it can be earlier than the
            lifetime says.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    rate: float | None
    lifetime: timedelta | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def state_at(self, now: datetime) -> KeyState:
        """Whether it holds at `now`; from `expires_at` on it does not."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is None:
            return KeyState.ACTIVE
        return KeyState.EXPIRES if now < self.expires_at else KeyState.EXPIRED


def create_key() -> NewKey:
    """A new key, out of the system's randomness."""
    id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return NewKey(id, _digest(secret), f"ck_{id}_{secret}")


def parse_key(text: str) -> PresentedKey | None:
    """The parts of a key; None for anything that does not have exactly its form."""
    found = _FORM.fullmatch(text)
    return None if found is None else PresentedKey(found[1], _digest(found[2]))


def has_secret(given: PresentedKey, digest: str | None) -> bool:
    """Whether the secret is that of the stored digest; None, where no key has that id, takes as long to be refused."""
    same = hmac.compare_digest(given.digest, _NOBODYS if digest is None else digest)
    return same and digest is not None


def _digest(secret: str) -> str:
    # A slow hash is for passwords, which people choose and others guess. This is 256 random bits: there is nothing to
    # guess, and a plain hash keeps requests fast.
    return hashlib.sha256(secret.encode()).hexdigest()
