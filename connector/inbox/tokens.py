"""Sign and verify the tokens with which a browser or phone reads one user's inbox.

A token is `inbox-v1.{user_key}.{mark of the id}.{expiry in seconds since 1970}.{HMAC-SHA256, base64url}`. The signature
covers the workspace too. The mark is a keyed hash of the id that the token was created for: when that id is split off
the user, the token opens no inbox any more. The token holds no personal data: only the store can resolve the surrogate
`user_key`.

ConnectorError
├── InvalidInboxToken     the token is not ours, or is no longer valid
└── MissingInboxSecret    there is no secret to sign with
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from connector.rules.model.errors import ConnectorError
from connector.rules.model.values import canonical_json
from connector.settings.signing import TokenSigner

PREFIX = "inbox-v1."
_TOKEN_FORMAT = re.compile(
    r"inbox-v1\.([0-9a-f]{32})\.([A-Za-z0-9_-]{43})\.([0-9]{1,11})\.([A-Za-z0-9_-]{43})", re.ASCII
)


class InvalidInboxToken(ConnectorError):
    """The token is forged, truncated, expired, of another workspace, or signed with a withdrawn secret."""


class MissingInboxSecret(ConnectorError):
    """No secret is set. There is no default, because a default would be public."""


@dataclass(frozen=True)
class InboxGrant:
    """The content of a token: whose inbox it opens, the mark of that user's id, its expiry in seconds since 1970."""

    user_key: str
    mark: str
    expires_at: int

    def user_key_at(self, now: datetime) -> str:
        """Return whose inbox the token opens at `now`. Raises InvalidInboxToken after its expiry."""
        if self.expires_at <= now.timestamp():
            raise InvalidInboxToken("the inbox token has expired; create a new one")
        return self.user_key


class InboxTokens:
    """Creates and verifies the tokens of one workspace.

    Args:
        secrets: see `TokenSigner`.
    """

    def __init__(self, workspace: str, secrets: Sequence[SecretStr]) -> None:
        self._workspace = workspace
        self._signer = TokenSigner(secrets)

    def create(self, user_key: str, id: str, now: datetime, lifetime: timedelta) -> tuple[str, datetime]:
        """Create a token for a user, by one of the user's ids; returns it with its expiry (UTC, whole seconds).

        Raises:
            MissingInboxSecret: no secret is set.
        """
        if not self._signer.has_secret:
            raise MissingInboxSecret("inbox tokens need a secret to be signed with; set CONNECTOR_INBOX_SECRETS")
        expires_at = int((now + lifetime).timestamp())
        mark = self._signer.sign(self._marked(id))
        signature = self._signer.sign(self._signed(user_key, mark, expires_at))
        return f"{PREFIX}{user_key}.{mark}.{expires_at}.{signature}", datetime.fromtimestamp(expires_at, UTC)

    def verify(self, token: str) -> InboxGrant:
        """Verify a token's signature and return its content; `user_key_at` checks its expiry, `check_id` its id.

        Raises:
            InvalidInboxToken: the token is not ours.
        """
        match = _TOKEN_FORMAT.fullmatch(token)
        if match is None:
            raise InvalidInboxToken("the inbox token is not valid")
        user_key, mark, expires_at, signature = match[1], match[2], int(match[3]), match[4]
        if not self._signer.is_signed(self._signed(user_key, mark, expires_at), signature):
            raise InvalidInboxToken("the inbox token is not valid")
        return InboxGrant(user_key, mark, expires_at)

    def check_id(self, grant: InboxGrant, ids: Collection[str]) -> None:
        """Raise InvalidInboxToken unless the token was created for one of these ids, which are all of its user's."""
        if not any([self._signer.is_signed(self._marked(id), grant.mark) for id in ids]):
            raise InvalidInboxToken("the inbox token is for an id that is not the user's any more; create a new one")

    def _marked(self, id: str) -> str:
        """Return the text whose signature is the mark of an id."""
        return canonical_json(["id", PREFIX, self._workspace, id])

    def _signed(self, user_key: str, mark: str, expires_at: int) -> str:
        """Return the text that the signature of a token covers."""
        return canonical_json([PREFIX, self._workspace, user_key, mark, expires_at])
