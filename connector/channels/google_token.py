"""Access tokens for Google's APIs by a service account's key: the JWT bearer grant (RFC 7523), kept while they hold."""

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
    """The service account's key cannot be used. Nothing of it is quoted."""


_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFETIME = 3600
"""Seconds that an assertion holds, the longest that Google takes."""
_MARGIN = 60
"""Seconds before its end at which a token is given up, so that none expires on its way."""


def read_service_account(path: Path) -> dict[str, str]:
    """The key file that Google's console gives out.

    Raises:
        CredentialsWrong: it cannot be read, or is no service account's key. Its content is not quoted.
    """
    try:
        told = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidCredentials(f"CONNECTOR_FCM_CREDENTIALS: the file cannot be read: {error.strerror}") from None
    except ValueError:
        raise InvalidCredentials("CONNECTOR_FCM_CREDENTIALS: the file is not JSON") from None
    names = ("client_email", "private_key", "token_uri", "project_id")
    if not isinstance(told, dict) or any(not isinstance(told.get(name), str) for name in names):
        raise InvalidCredentials(f"CONNECTOR_FCM_CREDENTIALS: a service account's key has the texts {', '.join(names)}")
    return told


class GoogleToken:
    """The access token of one service account for one scope.

    Args:
        account: as `read_service_account` gives it.
        url: where tokens are granted; it is also the assertion's audience.
        clock: seconds since 1970.

    Raises:
        CredentialsWrong: the private key is none.
    """

    def __init__(
        self,
        account: Mapping[str, str],
        scope: str,
        url: str,
        exchange: ProviderHttpClient,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._email, self._scope, self._url = account["client_email"], scope, url
        self._signer = _signer(account)
        self._exchange, self._clock = exchange, clock
        self._turn = asyncio.Lock()
        self._token, self._until = "", 0.0

    async def get(self, deadline: float) -> str:
        """The token that holds now; asked for once, however many want it.

        Args:
            deadline: the loop's time at which the wait ends.

        Raises:
            TryLater: none was granted, for whatever reason: no message has been sent.
        """
        try:
            async with asyncio.timeout_at(deadline), self._turn:
                if not self._token or self._clock() >= self._until:
                    self._token, self._until = await self._granted(deadline)
                return self._token
        except TimeoutError:
            raise TryLater("fcm_auth", "no token in time") from None

    def forget(self, token: str) -> None:
        """The API refused this token: ask for another next time."""
        if self._token == token:
            self._token = ""

    async def _granted(self, deadline: float) -> tuple[str, float]:
        form = {"grant_type": _GRANT, "assertion": self._assertion()}
        try:
            answer = await self._exchange.post(self._url, deadline=deadline, data=form)
        except SendError as fault:
            raise TryLater("fcm_auth", fault.code) from None
        token, seconds = answer.told.get("access_token"), answer.told.get("expires_in", _LIFETIME)
        if answer.status != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise TryLater("fcm_auth", f"the token's endpoint answered {answer.status}")
        held = seconds if isinstance(seconds, int) else _LIFETIME
        return token, self._clock() + max(held - _MARGIN, 0)

    def _assertion(self) -> str:
        now = int(self._clock())
        claims: dict[str, Any] = {"iss": self._email, "scope": self._scope, "aud": self._url}
        claims |= {"iat": now, "exp": now + _LIFETIME}
        signed: bytes = jwt.encode(self._signer, claims)  # type: ignore[no-untyped-call]
        return signed.decode()


def _signer(account: Mapping[str, str]) -> crypt.RSASigner:
    try:
        signer: crypt.RSASigner = crypt.RSASigner.from_service_account_info(account)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        # Without the cause: it may quote the key.
        raise InvalidCredentials("CONNECTOR_FCM_CREDENTIALS: the private_key is not an RSA key in PEM") from None
    return signer
