"""Tokens: what a tracked link says of itself, signed, so that nobody can make one or change where it leads.

A token is base64url over its bytes: kind, day of expiry, delivery, and for links their number, alias and target, then
the signature. It names the delivery, never the user. The target stands in it, so that a redirect needs no store.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from connector.rules.model.errors import ConnectorError
from connector.tracking.packing import pack_delivery, pack_text, unpack_delivery, unpack_text

LONGEST = 8192
"""Characters of a token; a link whose token would be longer is not tracked, for proxies cut longer addresses."""

LONGEST_URL = 4096
"""Characters of a target; what deflates well is not let grow without bounds."""

_PURPOSE = b"campaign-connector/tracking/1/"
_HEAD = struct.Struct(">cH")
_LINK = struct.Struct(">H")
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """What a token is for; the value is its path and its first byte."""

    OPEN = "o"
    CLICK = "c"
    UNSUBSCRIBE = "u"
    SHORT = "s"


_SIGNATURE = {Kind.OPEN: 16, Kind.CLICK: 16, Kind.UNSUBSCRIBE: 16, Kind.SHORT: 10}
"""Bytes of a signature. Who guesses has to ask us each time, so 80 bits do for a text message, where space is dear."""


@dataclass(frozen=True)
class Token:
    """What a token says. `link`, `alias` and `url` are of clicks only; links count from 0."""

    kind: Kind
    delivery_id: str
    link: int = 0
    alias: str | None = None
    url: str | None = None


class TokenInvalid(ConnectorError):
    """Nobody here signed this token, or not for this."""


class TokenExpired(ConnectorError):
    """The token was good once."""


class Tokens:
    """Writes and reads tokens.

    Args:
        secrets: the key ring: the first signs, all verify.
        workspace: whose tokens these are; another workspace's are not read.
        lifetime: how long a token is good, in whole days.
    """

    def __init__(self, secrets: Sequence[str], workspace: str, *, lifetime: timedelta) -> None:
        purpose = _PURPOSE + workspace.encode()
        self._keys = [hmac.digest(secret.encode(), purpose, hashlib.sha256) for secret in secrets]
        self._lifetime = lifetime

    def write(self, token: Token, *, at: datetime) -> str:
        """The token as text, good from `at` (aware) for the lifetime, to the end of that day in UTC.

        Raises:
            ValueError: it or its target would be too long, or its link's number too high.
        """
        expires = (at + self._lifetime - _EPOCH) // _DAY
        body = _HEAD.pack(token.kind.value.encode(), expires) + pack_delivery(token.delivery_id)
        if token.url is not None:
            if token.link > 0xFFFF or len(token.url) > LONGEST_URL:
                raise ValueError("the link's number is too high, or its target too long")
            body += _LINK.pack(token.link) + pack_text(f"{token.alias or ''}\0{token.url}")
        text = _encode(body + self._sign(self._keys[0], body, token.kind))
        if len(text) > LONGEST:
            raise ValueError("the target is too long")
        return text

    def read(self, text: str, kind: Kind, *, at: datetime) -> Token:
        """What a token of this kind says, as of `at` (aware).

        Raises:
            TokenInvalid: forged, cut off, changed, or of another kind. TokenExpired: its last day is over.
        """
        signed = _decode(text)
        size = _SIGNATURE[kind]
        body, signature = signed[:-size], signed[-size:]
        good = [hmac.compare_digest(self._sign(key, body, kind), signature) for key in self._keys]
        if not any(good) or body[:1] != kind.value.encode():
            raise TokenInvalid("the token is not one of ours")
        try:
            return _unpacked(body, kind, (at - _EPOCH) // _DAY)
        except (ValueError, struct.error) as error:  # signed by us, in a form that this release does not know
            raise TokenInvalid("the token cannot be read") from error

    def _sign(self, key: bytes, body: bytes, kind: Kind) -> bytes:
        return hmac.digest(key, body, hashlib.sha256)[: _SIGNATURE[kind]]


def _unpacked(body: bytes, kind: Kind, today: int) -> Token:
    _, expires = _HEAD.unpack_from(body)
    delivery_id, rest = unpack_delivery(body[_HEAD.size :])
    if today > expires:
        raise TokenExpired("the token has expired")
    if kind not in (Kind.CLICK, Kind.SHORT):
        return Token(kind, delivery_id)
    (link,) = _LINK.unpack_from(rest)
    alias, _, url = unpack_text(rest[_LINK.size :]).partition("\0")
    return Token(kind, delivery_id, link, alias or None, url)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """The bytes of a text that `_encode` wrote; any other spelling of the same bytes is refused."""
    if len(text) > LONGEST or not text.isascii():
        raise TokenInvalid("the token is not one of ours")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise TokenInvalid("the token is not one of ours") from None
    if _encode(data) != text:
        raise TokenInvalid("the token is not one of ours")
    return data
