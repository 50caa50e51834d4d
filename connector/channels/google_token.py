"""Access tokens for Google's APIs by a service account's key: the JWT bearer grant (RFC 7523), cached while valid."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.auth import crypt, jwt

from connector.channels.http_client import ProviderHttpClient
from connector.channels.protocol import SendError, TryLater
from connector.rules.model.errors import ConnectorError


class InvalidCredentials(ConnectorError):
    """The service account's key cannot be used. The message quotes nothing of it."""


_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_SECONDS = 3600
"""The lifetime of an assertion, the longest that Google accepts."""
_MARGIN_SECONDS = 60
"""The time before its expiry at which a token is replaced, so that no token expires on its way."""


def read_service_account(path: Path) -> dict[str, str]:
    """Read the key file that Google's console creates.

    Raises:
        InvalidCredentials: the file cannot be read or is not a service account's key.
    """
    try:
        account = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidCredentials(f"CONNECTOR_FCM_CREDENTIALS: the file cannot be read: {error.strerror}") from None
    except ValueError:
        raise InvalidCredentials("CONNECTOR_FCM_CREDENTIALS: the file is not JSON") from None
    names = ("client_email", "private_key", "token_uri", "project_id")
    if not isinstance(account, dict) or any(not isinstance(account.get(name), str) for name in names):
        raise InvalidCredentials(f"CONNECTOR_FCM_CREDENTIALS: a service account's key has the texts {', '.join(names)}")
    return account


class GoogleToken:
    """The access token of one service account for one scope.

    Args:
        account: as returned by `read_service_account`.
        url: the token endpoint, which is also the assertion's audience.
        clock: seconds since 1970.

    Raises:
        InvalidCredentials: the private key is not an RSA key.
    """

    def __init__(
        self,
        account: Mapping[str, str],
        scope: str,
        url: str,
        http: ProviderHttpClient,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._email, self._scope, self._url = account["client_email"], scope, url
        self._signer = _create_signer(account)
        self._http, self._clock = http, clock
        self._lock = asyncio.Lock()
        self._token, self._valid_until = "", 0.0

    async def get(self, deadline: float) -> str:
        """Return a valid token; concurrent callers share one request.

        Args:
            deadline: the event loop's time at which the wait ends.

        Raises:
            TryLater: no token was granted, for whatever reason: no message has been sent.
        """
        try:
            async with asyncio.timeout_at(deadline), self._lock:
                if not self._token or self._clock() >= self._valid_until:
                    self._token, self._valid_until = await self._request_token(deadline)
                return self._token
        except TimeoutError:
            raise TryLater("fcm_auth", "no token in time") from None

    def invalidate(self, token: str) -> None:
        """Drop a token that the API refused, so that the next call requests a new one."""
        if self._token == token:
            self._token = ""

    async def _request_token(self, deadline: float) -> tuple[str, float]:
        form = {"grant_type": _GRANT, "assertion": self._assertion()}
        try:
            answer = await self._http.post(self._url, deadline=deadline, data=form)
        except SendError as fault:
            raise TryLater("fcm_auth", fault.code) from None
        token, seconds = answer.data.get("access_token"), answer.data.get("expires_in", _ASSERTION_SECONDS)
        if answer.status != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise TryLater("fcm_auth", f"the token endpoint answered {answer.status}")
        lifetime_seconds = seconds if isinstance(seconds, int) else _ASSERTION_SECONDS
        return token, self._clock() + max(lifetime_seconds - _MARGIN_SECONDS, 0)

    def _assertion(self) -> str:
        now = int(self._clock())
        claims: dict[str, Any] = {"iss": self._email, "scope": self._scope, "aud": self._url}
        claims |= {"iat": now, "exp": now + _ASSERTION_SECONDS}
        signed: bytes = jwt.encode(self._signer, claims)  # type: ignore[no-untyped-call]
        return signed.decode()


def _create_signer(account: Mapping[str, str]) -> crypt.RSASigner:
    try:
        signer: crypt.RSASigner = crypt.RSASigner.from_service_account_info(account)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        # Without the cause: it may quote the key.
        raise InvalidCredentials("CONNECTOR_FCM_CREDENTIALS: the private_key is not an RSA key in PEM") from None
    return signer
