"""Signed tokens of tracked links, so that nobody can forge a link or change its target.

A token is base64url over its bytes: kind, day of expiry, delivery, and for links their number, alias and target, then
the signature. It names the delivery, never the user. It contains the target, so that a redirect needs no store.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from connector.rules.model.errors import ConnectorError
from connector.settings.application import Settings
from connector.settings.signing import encode_base64url
from connector.tracking.packing import pack_delivery, pack_text, unpack_delivery, unpack_text

MAX_TOKEN_CHARACTERS = 8192
"""A link whose token would be longer is not tracked, for proxies truncate longer URLs."""

MAX_URL_CHARACTERS = 4096
"""The limit for a target: a target that deflates well must not grow without bounds."""

_PURPOSE = b"campaign-connector/tracking/1/"
_HEAD = struct.Struct(">cH")
_LINK = struct.Struct(">H")
_FILLER = "0"
"""The filler after a token that would end with a dash. Only whole groups of four characters do, so it is the first of a
group,
which base64 never has alone."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]*")
_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LinkKind(StrEnum):
    """The purpose of a token; the value is its path and its first byte."""

    OPEN = "o"
    CLICK = "c"
    UNSUBSCRIBE = "u"
    SHORT = "s"


_SIGNATURE_BYTES = {LinkKind.OPEN: 16, LinkKind.CLICK: 16, LinkKind.UNSUBSCRIBE: 16, LinkKind.SHORT: 10}
"""Each guess needs a request to us, so 80 bits are enough for text messages, which must be short."""


@dataclass(frozen=True)
class Token:
    """The content of a token. `link` (its number, from 0), `alias` and `url` are set for clicks only."""

    kind: LinkKind
    delivery_id: str
    link: int = 0
    alias: str | None = None
    url: str | None = None


class TokenInvalid(ConnectorError):
    """The token was not signed by us, or not for this purpose."""


class TokenExpired(ConnectorError):
    """The token is no longer valid."""


class Tokens:
    """Writes and reads tokens.

    Args:
        secrets: the first signs, all verify.
        workspace: the workspace of the tokens; another workspace's tokens are invalid.
        lifetime: how long a token is valid, in whole days.
    """

    def __init__(self, secrets: Sequence[str], workspace: str, *, lifetime: timedelta) -> None:
        purpose = _PURPOSE + workspace.encode()
        self._keys = [hmac.digest(secret.encode(), purpose, hashlib.sha256) for secret in secrets]
        self._lifetime = lifetime

    def write(self, token: Token, *, at: datetime) -> str:
        """Return the token as text, valid from `at` (aware) for the lifetime, until the end of that day in UTC.

        Raises:
            ValueError: the token or its target is too long, or the link's number too high.
        """
        expires = (at + self._lifetime - _EPOCH) // _DAY
        body = _HEAD.pack(token.kind.value.encode(), expires) + pack_delivery(token.delivery_id)
        if token.url is not None:
            if token.link > 0xFFFF or len(token.url) > MAX_URL_CHARACTERS:
                raise ValueError("the link's number is too high, or its target too long")
            body += _LINK.pack(token.link) + pack_text(f"{token.alias or ''}\0{token.url}")
        text = _encode(body + self._sign(self._keys[0], body, token.kind))
        if len(text) > MAX_TOKEN_CHARACTERS:
            raise ValueError("the target is too long")
        return text

    def read(self, text: str, kind: LinkKind, *, at: datetime) -> Token:
        """Return the content of a token of this kind, as of `at` (aware).

        Raises:
            TokenInvalid: forged, truncated, changed, or of another kind.
            TokenExpired: its last day is over.
        """
        signed = _decode(text)
        size = _SIGNATURE_BYTES[kind]
        body, signature = signed[:-size], signed[-size:]
        matches = [hmac.compare_digest(self._sign(key, body, kind), signature) for key in self._keys]
        if not any(matches) or body[:1] != kind.value.encode():
            raise TokenInvalid("the token is not one of ours")
        try:
            return _unpack(body, kind, (at - _EPOCH) // _DAY)
        except (ValueError, struct.error) as error:  # signed by us, in an encoding that this release cannot read
            raise TokenInvalid("the token cannot be read") from error

    def read_link(self, text: str, kind: LinkKind, *, at: datetime) -> Token:
        """Return the content of the token that a link's last part begins with, as `read` does.

        Mail programs and people append to links: a full stop, a bracket, a space, `&amp;x=1`.
        """
        found = _TOKEN.match(text)
        return self.read(found[0] if found else "", kind, at=at)

    def _sign(self, key: bytes, body: bytes, kind: LinkKind) -> bytes:
        return hmac.digest(key, body, hashlib.sha256)[: _SIGNATURE_BYTES[kind]]


class PlaceholderTokens:
    """Writes texts that are as long as tokens and are none: for previews, whose links must not count as a user's.

    Attributes:
        written: the tokens in whose place texts were written.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self.written: list[Token] = []

    def write(self, token: Token, *, at: datetime) -> str:
        """Return a text of the length of the token; raises ValueError as `Tokens.write`."""
        size = len(self._tokens.write(token, at=at))
        self.written.append(token)
        return ("preview-" * (size // len("preview-") + 1))[:size]


@dataclass(frozen=True)
class OwnLinks:
    """Reads our own links, which providers report as clicked when their click tracking wraps ours.

    Args:
        tokens: reads the links' tokens; None: tracking is not configured.
        base: the public URL of our endpoints, without a slash at its end.
    """

    tokens: Tokens | None
    base: str | None

    @property
    def are_configured(self) -> bool:
        """Whether our mails carry our links and pixels."""
        return self.tokens is not None and self.base is not None

    def read(self, url: str | None, at: datetime) -> Token | None:
        """Return the token of our link as of `at` (aware), whatever was appended to the link; None for other links."""
        if url is None or self.tokens is None or self.base is None or not url.startswith(f"{self.base}/"):
            return None
        kind, _, text = url[len(self.base) + 1 :].partition("/")
        try:
            return self.tokens.read_link(text, LinkKind(kind), at=at)
        except (TokenInvalid, TokenExpired, ValueError):
            return None


def open_tokens(settings: Settings) -> Tokens | None:
    """Create the signer and reader of tokens from the settings; None without a secret."""
    secrets = [secret.get_secret_value() for secret in settings.tracking.secrets]
    return Tokens(secrets, settings.workspace, lifetime=settings.tracking.lifetime) if secrets else None


def open_own_links(settings: Settings) -> OwnLinks:
    """Create the reader of our own links from the settings."""
    return OwnLinks(open_tokens(settings), settings.tracking.url)


def _unpack(body: bytes, kind: LinkKind, today: int) -> Token:
    _, expires = _HEAD.unpack_from(body)
    delivery_id, rest = unpack_delivery(body[_HEAD.size :])
    if today > expires:
        raise TokenExpired("the token has expired")
    if kind not in (LinkKind.CLICK, LinkKind.SHORT):
        return Token(kind, delivery_id)
    (link,) = _LINK.unpack_from(rest)
    alias, _, url = unpack_text(rest[_LINK.size :]).partition("\0")
    return Token(kind, delivery_id, link, alias or None, url)


def _encode(data: bytes) -> str:
    """Return the bytes as base64url that ends with a letter or a digit: phones leave a final dash out of a link."""
    text = encode_base64url(data)
    return text + _FILLER if text.endswith(("-", "_")) else text


def _decode(text: str) -> bytes:
    """Return the bytes of a text that `_encode` wrote, now or without the filler; any other spelling is refused."""
    if len(text) > MAX_TOKEN_CHARACTERS or not text.isascii():
        raise TokenInvalid("the token is not one of ours")
    if len(text) % 4 == 1 and text.endswith((f"-{_FILLER}", f"_{_FILLER}")):
        text = text[:-1]
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise TokenInvalid("the token is not one of ours") from None
    if encode_base64url(data) != text:
        raise TokenInvalid("the token is not one of ours")
    return data
