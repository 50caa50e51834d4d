"""Read the `Authorization` header: `Bearer KEY`, or Basic with the key as the user name."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from starlette.datastructures import Headers

MAX_HEADER_CHARACTERS = 4096


class AuthorizationWrong(ValueError):
    """The header is there and cannot be read."""


@dataclass(frozen=True)
class Credentials:
    """The bytes sent as a key or token, and as the password beside it, unchecked. `password` is None without Basic."""

    key: bytes
    password: bytes | None = None

    @property
    def is_basic(self) -> bool:
        """Whether they were sent by Basic authentication."""
        return self.password is not None

    @property
    def as_text(self) -> str:
        """The bytes as text. Keys are ASCII; other bytes become replacement characters."""
        return self.key.decode("ascii", errors="replace")


def read_authorization(headers: Headers) -> Credentials | None:
    """Return the credentials of a request; None if it has no such header.

    Raises:
        AuthorizationWrong: another scheme, no key in it, broken base64, no colon, too long, or more than one header.
    """
    sent = headers.getlist("authorization")
    if not sent:
        return None
    if len(sent) > 1 or len(sent[0]) > MAX_HEADER_CHARACTERS:
        raise AuthorizationWrong
    scheme, _, credentials = sent[0].partition(" ")
    raw = credentials.strip().encode("latin-1")  # the original bytes
    if scheme.lower() == "bearer":
        return _credentials(raw)
    if scheme.lower() == "basic":
        return _credentials(*_user_name_and_password(raw))
    raise AuthorizationWrong


def _user_name_and_password(credentials: bytes) -> tuple[bytes, bytes]:
    try:
        name, colon, password = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        raise AuthorizationWrong from None
    if not colon:
        raise AuthorizationWrong
    return name, password


def _credentials(key: bytes, password: bytes | None = None) -> Credentials:
    if not key:
        raise AuthorizationWrong
    return Credentials(key, password)
