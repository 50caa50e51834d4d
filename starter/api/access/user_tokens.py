"""Sign and verify user tokens, which say whom a caller with a key of the scope `client` is.

A token is `user-v1.{user id, base64url}.{expiry in seconds since 1970}.{signature, base64url}`, without padding. The
signature is the HMAC-SHA256 of `user-v1.{workspace}.{user id, base64url}.{expiry}`. The team's own servers may sign
tokens too (docs/keys.md), so this form is a contract. The first word is a token's purpose: an inbox token is no user
token, and the reverse.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from connector.rules.model.errors import ConnectorError
from connector.rules.model.values import MAX_TEXT_CHARACTERS
from connector.settings.client import MAX_TOKEN_LIFETIME

PREFIX = "user-v1."
_FORM = re.compile(r"user-v1\.([A-Za-z0-9_-]{2,1360})\.([0-9]{1,11})\.([A-Za-z0-9_-]{43})", re.ASCII)


class InvalidUserToken(ConnectorError):
    """The token is forged, truncated, expired, of another workspace, or signed with a withdrawn secret."""


class MissingClientSecret(ConnectorError):
    """No secret is set. There is no default, because a default would be public."""


class UserTokens:
    """Creates and verifies the tokens of one workspace.

    Args:
        secrets: the first one signs and all are accepted, so that a secret can be rotated while tokens are in use.
    """

    def __init__(self, workspace: str, secrets: Sequence[SecretStr]) -> None:
        self._workspace = workspace
        self._secrets = [secret.get_secret_value().encode() for secret in secrets]

    def create(self, user: str, now: datetime, lifetime: timedelta) -> tuple[str, datetime]:
        """Create a token for a user; returns it with its expiry (UTC, whole seconds).

        Raises:
            MissingClientSecret: no secret is set.
        """
        if not self._secrets:
            raise MissingClientSecret("user tokens need a secret to be signed with; set CONNECTOR_CLIENT_SECRETS")
        encoded, expires_at = _encode(user.encode()), int((now + lifetime).timestamp())
        signature = self._signature(self._secrets[0], encoded, str(expires_at))
        return f"{PREFIX}{encoded}.{expires_at}.{signature}", datetime.fromtimestamp(expires_at, UTC)

    def verify(self, token: str, now: datetime) -> str:
        """Return the id of the token's user.

        Raises:
            InvalidUserToken: the token is not ours, has expired, or expires more than 30 days after `now`.
        """
        match = _FORM.fullmatch(token)
        if match is None:
            raise InvalidUserToken("the user token is not valid")
        encoded, expiry, signature = match.groups()
        expected = [self._signature(secret, encoded, expiry) for secret in self._secrets]
        if not any([hmac.compare_digest(signature, one) for one in expected]):
            raise InvalidUserToken("the user token is not valid")
        if int(expiry) <= now.timestamp():
            raise InvalidUserToken("the user token has expired")
        if int(expiry) > (now + MAX_TOKEN_LIFETIME).timestamp():
            raise InvalidUserToken(f"the user token is valid for more than {MAX_TOKEN_LIFETIME.days} days")
        return _decode(encoded)

    def _signature(self, secret: bytes, encoded_user: str, expiry: str) -> str:
        signed = f"{PREFIX}{self._workspace}.{encoded_user}.{expiry}"
        return _encode(hmac.digest(secret, signed.encode(), hashlib.sha256))


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(encoded: str) -> str:
    """Return the user id. Raises InvalidUserToken: whoever signed the token encoded something else."""
    try:
        user = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        user = ""
    if not 1 <= len(user) <= MAX_TEXT_CHARACTERS or "\0" in user:
        raise InvalidUserToken(
            f"the user token does not name a user id in UTF-8, of at most {MAX_TEXT_CHARACTERS} characters"
        )
    return user
