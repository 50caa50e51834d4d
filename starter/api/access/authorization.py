"""The header `Authorization`: what was sent as a key, by `Bearer KEY`, or by Basic with the key as the user name."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from starlette.datastructures import Headers

_LONGEST = 4096


class AuthorizationWrong(ValueError):
    """There is such a header, and it cannot be read."""


@dataclass(frozen=True)
class Given:
    """What was sent, byte by byte; it may be anything."""

    key: bytes
    is_basic: bool

    @property
    def text(self) -> str:
        """The same to read; no key of ours has characters beyond ASCII, and those show as others."""
        return self.key.decode("ascii", errors="replace")


def read_authorization(headers: Headers) -> Given | None:
    """What was sent as a key; None where nothing was.

    Raises:
        AuthorizationWrong: another scheme, no key in it, broken base64, no colon, too long, or more than one header.
    """
    sent = headers.getlist("authorization")
    if not sent:
        return None
    if len(sent) > 1 or len(sent[0]) > _LONGEST:
        raise AuthorizationWrong
    scheme, _, credentials = sent[0].partition(" ")
    raw = credentials.strip().encode("latin-1")  # the bytes as they came
    if scheme.lower() == "bearer":
        return _given(raw, is_basic=False)
    if scheme.lower() == "basic":
        return _given(_user_name(raw), is_basic=True)
    raise AuthorizationWrong


def _user_name(credentials: bytes) -> bytes:
    try:
        name, colon, _ = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        raise AuthorizationWrong from None
    if not colon:
        raise AuthorizationWrong
    return name


def _given(key: bytes, *, is_basic: bool) -> Given:
    if not key:
        raise AuthorizationWrong
    return Given(key, is_basic)
