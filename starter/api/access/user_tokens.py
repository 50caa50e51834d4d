"""Sign and verify user tokens, which say whom a caller with a key of the scope `client` is.

A token is `user-v1.{user id, base64url}.{expiry in seconds since 1970}.{signature, base64url}`, without padding. The
signature is the HMAC-SHA256 of `user-v1.{workspace}.{user id, base64url}.{expiry}`. The team's own servers may sign
tokens too (docs/keys.md), so this form is a contract. The first word is a token's purpose: an inbox token is no user
token, and the reverse.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from connector.rules.model.errors import ConnectorError
from connector.rules.model.values import MAX_TEXT_CHARACTERS
from connector.settings.signing import MAX_TOKEN_LIFETIME, TokenSigner, encode_base64url

PREFIX = "user-v1."
_FORM = re.compile(r"user-v1\.([A-Za-z0-9_-]{2,1360})\.([0-9]{1,11})\.([A-Za-z0-9_-]{43})", re.ASCII)


class InvalidUserToken(ConnectorError):
    """The token is forged, truncated, expired, of another workspace, or signed with a withdrawn secret."""


class MissingClientSecret(ConnectorError):
    """No secret is set. There is no default, because a default would be public."""


class UserTokens:
    """Creates and verifies the tokens of one workspace.

    Args:
        secrets: see `TokenSigner`.
    """

    def __init__(self, workspace: str, secrets: Sequence[SecretStr]) -> None:
        self._workspace = workspace
        self._signer = TokenSigner(secrets)

    def create(self, user: str, now: datetime, lifetime: timedelta) -> tuple[str, datetime]:
        """Create a token for a user; returns it with its expiry (UTC, whole seconds).

        Raises:
            MissingClientSecret: no secret is set.
        """
        if not self._signer.has_secret:
            raise MissingClientSecret("user tokens need a secret to be signed with; set CONNECTOR_CLIENT_SECRETS")
        encoded, expires_at = encode_base64url(user.encode()), int((now + lifetime).timestamp())
        signature = self._signer.sign(self._signed(encoded, str(expires_at)))
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
        if not self._signer.is_signed(self._signed(encoded, expiry), signature):
            raise InvalidUserToken("the user token is not valid")
        if int(expiry) <= now.timestamp():
            raise InvalidUserToken("the user token has expired")
        if int(expiry) > (now + MAX_TOKEN_LIFETIME).timestamp():
            raise InvalidUserToken(f"the user token is valid for more than {MAX_TOKEN_LIFETIME.days} days")
        return _decode(encoded)

    def _signed(self, encoded_user: str, expiry: str) -> str:
        """Return the text that the signature of a token covers."""
        return f"{PREFIX}{self._workspace}.{encoded_user}.{expiry}"


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
