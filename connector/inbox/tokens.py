"""Sign and verify the tokens with which a browser or phone reads one user's inbox.

A token is `inbox-v1.{user_key}.{expiry in seconds since 1970}.{HMAC-SHA256, base64url}`. The signature covers the
workspace too. The token holds no personal data: only the store can resolve the surrogate `user_key`.

ConnectorError
├── InvalidInboxToken     the token is not ours, or is no longer valid
└── MissingInboxSecret    there is no secret to sign with
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from connector.rules.model.errors import ConnectorError
from connector.rules.model.values import canonical_json

PREFIX = "inbox-v1."
_TOKEN_FORMAT = re.compile(r"inbox-v1\.([0-9a-f]{32})\.([0-9]{1,11})\.([A-Za-z0-9_-]{43})", re.ASCII)


class InvalidInboxToken(ConnectorError):
    """The token is forged, truncated, expired, of another workspace, or signed with a withdrawn secret."""


class MissingInboxSecret(ConnectorError):
    """No secret is set. There is no default, because a default would be public."""


@dataclass(frozen=True)
class InboxGrant:
    """The content of a token: whose inbox it opens, and its expiry in seconds since 1970."""

    user_key: str
    expires_at: int

    def user_key_at(self, now: datetime) -> str:
        """Return whose inbox the token opens at `now`. Raises InvalidInboxToken after its expiry."""
        if self.expires_at <= now.timestamp():
            raise InvalidInboxToken("the inbox token has expired; create a new one")
        return self.user_key


class InboxTokens:
    """Creates and verifies the tokens of one workspace.

    Args:
        secrets: the first one signs and all are accepted, so that a secret can be rotated while tokens are in use.
    """

    def __init__(self, workspace: str, secrets: Sequence[SecretStr]) -> None:
        self._workspace = workspace
        self._secrets = [secret.get_secret_value().encode() for secret in secrets]

    def create(self, user_key: str, now: datetime, lifetime: timedelta) -> tuple[str, datetime]:
        """Create a token for a user; returns it with its expiry (UTC, whole seconds).

        Raises:
            MissingInboxSecret: no secret is set.
        """
        if not self._secrets:
            raise MissingInboxSecret("inbox tokens need a secret to be signed with; set CONNECTOR_INBOX_SECRETS")
        expires_at = int((now + lifetime).timestamp())
        token = f"{PREFIX}{user_key}.{expires_at}.{self._signature(self._secrets[0], user_key, expires_at)}"
        return token, datetime.fromtimestamp(expires_at, UTC)

    def verify(self, token: str) -> InboxGrant:
        """Verify a token's signature and return its content; `user_key_at` checks its expiry.

        Raises:
            InvalidInboxToken: the token is not ours.
        """
        match = _TOKEN_FORMAT.fullmatch(token)
        if match is None:
            raise InvalidInboxToken("the inbox token is not valid")
        user_key, expires_at, signature = match[1], int(match[2]), match[3]
        expected = [self._signature(secret, user_key, expires_at) for secret in self._secrets]
        if not any([hmac.compare_digest(signature, one) for one in expected]):
            raise InvalidInboxToken("the inbox token is not valid")
        return InboxGrant(user_key, expires_at)

    def _signature(self, secret: bytes, user_key: str, expires_at: int) -> str:
        signed = canonical_json([PREFIX, self._workspace, user_key, expires_at]).encode()
        return urlsafe_b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode().rstrip("=")
