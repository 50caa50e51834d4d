"""Push by FCM's HTTP v1 API: one request a token, and a user has been reached where one of them was taken."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.channels.fcm_message import write_message
from connector.channels.google_token import GoogleToken, read_service_account
from connector.channels.http_client import ProviderHttpClient, ProviderResponse, check_provider_status
from connector.channels.protocol import Accepted, OutcomeUnknown, OutgoingMessage, Rejected, SendError, TryLater
from connector.settings.providers import Fcm

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_AT_ONCE = 10
"""Requests of one message at the same time."""
_UNREGISTERED = "UNREGISTERED"
_CODE = re.compile(r"[A-Z_]{1,32}")
_OF_TOKEN = {_UNREGISTERED: "unregistered", "SENDER_ID_MISMATCH": "sender_id_mismatch"}


class FcmChannel:
    """The push channel.

    Args:
        settings: with the service account's key file; `timeout_seconds` bounds one send in all.
        tls: what to trust; None: the usual authorities.
        clock: seconds since 1970, for tokens' ends and Retry-After's dates.

    Raises:
        CredentialsWrong: the key file cannot be used. ValueError: none is set.
    """

    def __init__(
        self, settings: Fcm, *, tls: ssl.SSLContext | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        if settings.credentials is None:
            raise ValueError("CONNECTOR_FCM_CREDENTIALS is missing")
        account = read_service_account(settings.credentials)
        self._seconds, self._clock = settings.timeout_seconds, clock
        self._exchange = ProviderHttpClient("fcm", settings.timeout_seconds, tls=tls)
        self._url = f"{settings.api_url}/v1/projects/{settings.project or account['project_id']}/messages:send"
        self._token = GoogleToken(
            account, _SCOPE, settings.token_url or account["token_uri"], self._exchange, clock=clock
        )

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Hand `message.content` (title, body, link, buttons, pages) to FCM for each of the user's tokens.

        The provider's id is that of the first message taken.

        Raises:
            Rejected: `unregistered` where no token is left, or FCM refuses the message.
            TryLater: no access token, no connection, 429 or 503, and no token was served.
            OutcomeUnknown: an answer was lost, and no token was surely served.
        """
        tokens = tuple(dict.fromkeys(message.address.push_tokens))
        if not tokens:
            raise Rejected("unregistered", "the user has no push token")
        written, free = write_message(message), asyncio.Semaphore(_AT_ONCE)
        deadline = asyncio.get_running_loop().time() + self._seconds

        async def served(token: str) -> _Served:
            async with free:
                return await self._serve(written, token, deadline)

        return _concluded(await asyncio.gather(*map(served, tokens)))

    async def close(self) -> None:
        """Let go of connections."""
        await self._exchange.close()

    async def _serve(self, written: dict[str, Any], token: str, deadline: float) -> _Served:
        try:
            answer = await self._post({"message": {**written, "token": token}}, deadline)
            check_provider_status("fcm", answer, datetime.fromtimestamp(self._clock(), UTC))
        except SendError as fault:
            return _Served(token, fault=fault)
        if not 200 <= answer.status < 300:
            return _Served(token, fault=_refusal(answer))
        name = answer.told.get("name")
        return _Served(token, name=name if isinstance(name, str) else None)

    async def _post(self, body: dict[str, Any], deadline: float) -> ProviderResponse:
        """Post with an access token; one that is refused is renewed once."""
        access = await self._token.get(deadline)
        answer = await self._authorized(body, access, deadline)
        if answer.status == 401:
            self._token.forget(access)
            answer = await self._authorized(body, await self._token.get(deadline), deadline)
        return answer

    async def _authorized(self, body: dict[str, Any], access: str, deadline: float) -> ProviderResponse:
        headers = {"Authorization": f"Bearer {access}"}
        return await self._exchange.post(self._url, deadline=deadline, json=body, headers=headers)


@dataclass(frozen=True)
class _Served:
    """What became of one token: the id of the message that FCM took, or the fault."""

    token: str
    name: str | None = None
    fault: SendError | None = None


def _refusal(answer: ProviderResponse) -> SendError:
    code = _error_code(answer)
    if code in _OF_TOKEN:
        return Rejected(_OF_TOKEN[code])
    if code == "QUOTA_EXCEEDED" or answer.status in (401, 403) or answer.status < 400:
        return TryLater(f"fcm_http_{answer.status}")
    return Rejected(f"fcm_{code.lower()}" if code else f"fcm_http_{answer.status}")


def _error_code(answer: ProviderResponse) -> str:
    """FCM's own code, "" where there is none. A 404 alone may as well be a project that does not exist."""
    error = answer.told.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    found = [one.get("errorCode") for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    return next((code for code in found if isinstance(code, str) and _CODE.fullmatch(code)), "")


def _concluded(served: Sequence[_Served]) -> Accepted:
    """One outcome for all tokens: taken by one is sent; else what may have been sent; else what may go yet."""
    dead = tuple(one.token for one in served if one.fault is not None and one.fault.code == "unregistered")
    taken = [one for one in served if one.fault is None]
    if taken:
        return Accepted(taken[0].name, invalid_tokens=dead)
    faults = [one.fault for one in served if one.fault is not None]
    for fault in faults:
        if isinstance(fault, OutcomeUnknown):
            raise fault
    passing = [fault for fault in faults if isinstance(fault, TryLater)]
    if passing:
        raise max(passing, key=lambda fault: fault.retry_after or timedelta())
    told = next((fault for fault in faults if fault.code != "unregistered"), faults[0])
    raise Rejected(told.code, invalid_tokens=dead)
