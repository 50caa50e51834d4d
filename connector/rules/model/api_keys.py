"""API keys: their form, their scopes, and until when a key is valid.

A key is `ck_{id}_{secret}`. The id, 12 hexadecimal digits, is public and names the key in lists and logs; the secret is
32 random bytes in base64url, 43 characters.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_FORM = re.compile(r"ck_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
_NO_DIGEST = "0" * 64

MAX_KEY_RATE = 1_000_000.0
"""The highest rate of a key in requests per second, far beyond what one process can answer."""
MAX_NAME_CHARACTERS = 255


class Scope(StrEnum):
    """A permission of a key. No scope includes another.

    `admin` creates, rotates and revokes keys of every scope, so that whoever has it can get every other one.
    """

    INGEST = "ingest"
    READ = "read"
    MANAGE = "manage"
    ADMIN = "admin"
    CLIENT = "client"


SERVER_SCOPES = frozenset(Scope) - {Scope.CLIENT}
"""The scopes of servers. `client` is for keys in apps and web pages, which are public."""


class KeyState(StrEnum):
    """Whether a key is valid: `active` keys never expire, `expires` keys are valid until their end."""

    ACTIVE = "active"
    EXPIRES = "expires"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class PresentedKey:
    """A well-formed key as a caller sent it: the id that it names and the digest of its secret."""

    id: str
    digest: str


@dataclass(frozen=True)
class Key:
    """A stored key, without its secret.

    Args:
        rate: requests per second; None: the API's default.
        lifetime: the validity it was created with; None: it does not expire.
        created_at, expires_at, revoked_at: UTC. A rotation brings `expires_at` forward, so it can be earlier than
            `created_at` plus `lifetime`.
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
        """Return the key's state at `now` (UTC); from `expires_at` on it is not valid."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is None:
            return KeyState.ACTIVE
        return KeyState.EXPIRES if now < self.expires_at else KeyState.EXPIRED


def find_scope_fault(scopes: Collection[Scope]) -> str | None:
    """Return why no key may have these scopes together; None if one may."""
    if Scope.CLIENT in scopes and len(set(scopes)) > 1:
        return "a key with the scope client is public, so it can have no other scope; create two keys"
    return None


def find_name_fault(name: str) -> str | None:
    """Return why a key cannot have this name; None if it can."""
    if name.strip() and len(name) <= MAX_NAME_CHARACTERS and name.isprintable():
        return None
    return f"write 1 to {MAX_NAME_CHARACTERS} printable characters"


def find_lifetime_fault(lifetime: timedelta) -> str | None:
    """Return why a key cannot be valid for so long; None if it can."""
    return None if lifetime else 'a key must be valid for some time; write something like "90 days"'


def parse_key(text: str) -> PresentedKey | None:
    """Parse a key; None if the text does not have exactly the form of a key."""
    match = _FORM.fullmatch(text)
    return None if match is None else PresentedKey(match[1], _digest(match[2]))


def has_secret(key: PresentedKey, digest: str | None) -> bool:
    """Return whether the key's secret has the stored digest; None if no key has that id.

    An unknown id takes as long as a wrong secret, so that the time reveals nothing.
    """
    is_equal = hmac.compare_digest(key.digest, _NO_DIGEST if digest is None else digest)
    return is_equal and digest is not None


def _digest(secret: str) -> str:
    # A slow hash protects passwords, which can be guessed; 256 random bits cannot, and a plain hash is fast.
    return hashlib.sha256(secret.encode()).hexdigest()
