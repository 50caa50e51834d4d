"""Tokens with which a browser or phone reads one user's inbox: signed, of limited life, and without personal data.

A token is `inbox-v1.{user_key}.{seconds since 1970 at which it expires_at}.{HMAC-SHA256, base64url}`. The signature covers
the workspace too. The surrogate `user_key` leads to nobody outside of the store.

ConnectorError
├── TokenRefused     it is not one of ours, or no longer
└── SecretMissing    there is no secret to sign with
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
_FORM = re.compile(r"inbox-v1\.([0-9a-f]{32})\.([0-9]{1,11})\.([A-Za-z0-9_-]{43})", re.ASCII)


class InvalidInboxToken(ConnectorError):
    """The token is forged, cut, of another workspace, signed with a secret that was withdrawn, or has expired."""


class MissingInboxSecret(ConnectorError):
    """Tokens are not made with a secret that everybody knows: one has to be set."""


@dataclass(frozen=True)
class InboxGrant:
    """What a token says: whose inbox it opens, and until when, in seconds since 1970."""

    user_key: str
    ends: int

    def user_key_at(self, now: datetime) -> str:
        """Whose inbox it opens at `now`. Raises TokenRefused from its end on."""
        if self.expires_at <= now.timestamp():
            raise InvalidInboxToken("the inbox token has expired; mint a new one")
        return self.user_key


class InboxTokens:
    """Makes and checks the tokens of one workspace.

    Args:
        secrets: the first one signs; all are accepted, so that a secret can be replaced while tokens are out.
    """

    def __init__(self, workspace: str, secrets: Sequence[SecretStr]) -> None:
        self._workspace = workspace
        self._secrets = [secret.get_secret_value().encode() for secret in secrets]

    def create(self, user_key: str, now: datetime, lifetime: timedelta) -> tuple[str, datetime]:
        """A token for that user, and when it ends (UTC, whole seconds).

        Raises:
            SecretMissing: no secret is set.
        """
        if not self._secrets:
            raise MissingInboxSecret("inbox tokens are signed with a secret of yours; set CONNECTOR_INBOX_SECRETS")
        ends = int((now + lifetime).timestamp())
        token = f"{PREFIX}{user_key}.{ends}.{self._signature(self._secrets[0], user_key, ends)}"
        return token, datetime.fromtimestamp(ends, UTC)

    def verify(self, token: str) -> InboxGrant:
        """What a token of ours says; whether it still holds, its ticket tells.

        Raises:
            TokenRefused: it is not one of ours.
        """
        found = _FORM.fullmatch(token)
        if found is None:
            raise InvalidInboxToken("the inbox token is not valid")
        user_key, ends, given = found[1], int(found[2]), found[3]
        signatures = [self._signature(secret, user_key, ends) for secret in self._secrets]
        if not any([hmac.compare_digest(given, signature) for signature in signatures]):
            raise InvalidInboxToken("the inbox token is not valid")
        return InboxGrant(user_key, ends)

    def _signature(self, secret: bytes, user_key: str, ends: int) -> str:
        signed = canonical_json([PREFIX, self._workspace, user_key, ends]).encode()
        return urlsafe_b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode().rstrip("=")
