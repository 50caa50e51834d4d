"""Send push messages by FCM's HTTP v1 API: one request per token; one accepted token means that the user is reached.

The app receives `data`: the delivery and the campaign, with which it can report opens and clicks, the link, and the
buttons and story pages as JSON (firebase.google.com/docs/reference/fcm/rest/v1/projects.messages). Browsers open the
link themselves.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.channels.google_token import GoogleToken, read_service_account
from connector.channels.http_client import ProviderHttpClient, ProviderResponse, check_provider_status
from connector.channels.protocol import Accepted, OutcomeUnknown, OutgoingMessage, Rejected, SendError, TryLater
from connector.rules.model.messages import MAX_BODY_CHARACTERS
from connector.settings.providers import Fcm

MAX_PUSH_BYTES = 4096
"""FCM's limit for the notification and the data together, keys and values."""
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_MAX_CONCURRENT_REQUESTS = 10
"""The limit per message."""
_ERROR_CODE = re.compile(r"[A-Z_]{1,32}")
_TOKEN_ERRORS = {"UNREGISTERED": "unregistered", "SENDER_ID_MISMATCH": "sender_id_mismatch"}
"""FCM's error codes that concern the token alone, with our codes."""
_OF_THE_MESSAGE = frozenset({400, 413})
"""The statuses that concern the message. Others concern credentials, the project, a quota or the way to FCM."""


class FcmChannel:
    """The push channel.

    Args:
        settings: with the service account's key file; `timeout` bounds one send.
        tls: trusted authorities; None: the default ones.
        clock: seconds since 1970, for the lifetime of tokens and dates in Retry-After.

    Raises:
        InvalidCredentials: the key file cannot be used. ValueError: none is set.
    """

    def __init__(
        self, settings: Fcm, *, tls: ssl.SSLContext | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        if settings.credentials is None:
            raise ValueError("CONNECTOR_FCM_CREDENTIALS is missing")
        account = read_service_account(settings.credentials)
        self._timeout_seconds, self._clock = settings.timeout.total_seconds(), clock
        self._http = ProviderHttpClient("fcm", settings.timeout.total_seconds(), tls=tls)
        self._url = f"{settings.api_url}/v1/projects/{settings.project or account['project_id']}/messages:send"
        self._token = GoogleToken(account, _SCOPE, settings.token_url or account["token_uri"], self._http, clock=clock)

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Send `message.content` (title, body, link, buttons, pages) to each of the user's tokens.

        The provider's id is that of the first accepted message.

        Raises:
            Rejected: `unregistered` if no token is left, or FCM refuses the message.
            TryLater: no access token, no connection, 429 or 503, and no token was accepted.
            OutcomeUnknown: a response was lost, and no token was certainly accepted.
        """
        tokens = tuple(dict.fromkeys(message.address.push_tokens))
        if not tokens:
            raise Rejected("unregistered", "the user has no push token")
        body, semaphore = build_fcm_message(message), asyncio.Semaphore(_MAX_CONCURRENT_REQUESTS)
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds

        async def send_bounded(token: str) -> _TokenResult:
            async with semaphore:
                return await self._send_to(token, body, deadline)

        return _combine(await asyncio.gather(*map(send_bounded, tokens)))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    async def _send_to(self, token: str, body: dict[str, Any], deadline: float) -> _TokenResult:
        try:
            answer = await self._post({"message": {**body, "token": token}}, deadline)
            check_provider_status("fcm", answer, datetime.fromtimestamp(self._clock(), UTC))
        except SendError as fault:
            return _TokenResult(token, fault=fault)
        if not 200 <= answer.status < 300:
            return _TokenResult(token, fault=_refusal(answer))
        name = answer.data.get("name")
        return _TokenResult(token, message_name=name if isinstance(name, str) else None)

    async def _post(self, body: dict[str, Any], deadline: float) -> ProviderResponse:
        """Post with an access token; a refused one is renewed once."""
        access_token = await self._token.get(deadline)
        answer = await self._post_with(access_token, body, deadline)
        if answer.status == 401:
            self._token.invalidate(access_token)
            answer = await self._post_with(await self._token.get(deadline), body, deadline)
        return answer

    async def _post_with(self, access_token: str, body: dict[str, Any], deadline: float) -> ProviderResponse:
        headers = {"Authorization": f"Bearer {access_token}"}
        return await self._http.post(self._url, deadline=deadline, json=body, headers=headers)


@dataclass(frozen=True)
class _TokenResult:
    """The result of one token: FCM's name of the accepted message, or the fault."""

    token: str
    message_name: str | None = None
    fault: SendError | None = None


def build_fcm_message(message: OutgoingMessage) -> dict[str, Any]:
    """Return FCM's message without its token. Its tag is the delivery id: on a device, a repetition replaces the first.

    Raises:
        Rejected: it is too large, or cannot be encoded.
    """
    content = message.content
    notification = {"title": content.get("title") or "", "body": content.get("body") or ""}
    link = content.get("link")
    data = {"delivery": message.delivery_id, "campaign": message.campaign}
    data |= {"link": link} if link else {}
    data |= {name: json.dumps(content[name], ensure_ascii=False) for name in ("buttons", "pages") if content.get(name)}
    if any(len(text) > MAX_BODY_CHARACTERS for text in notification.values()):
        raise Rejected("push_too_long", f"title or body has more than {MAX_BODY_CHARACTERS} characters")
    _check_size(notification | data)
    body: dict[str, Any] = {
        "notification": notification,
        "data": data,
        "android": {"notification": {"tag": message.delivery_id}},
        "apns": {"headers": {"apns-collapse-id": message.delivery_id}},
    }
    if link and link.startswith("https://"):  # FCM refuses the whole message for any other scheme
        body["webpush"] = {"fcm_options": {"link": link}}
    return body


def _check_size(texts: dict[str, str]) -> None:
    try:
        size = sum(len(name) + len(text.encode()) for name, text in texts.items())
    except UnicodeError:
        raise Rejected("push_invalid", "a text cannot be encoded") from None
    if size > MAX_PUSH_BYTES:
        raise Rejected("push_too_long", f"texts, link, buttons and pages are larger than {MAX_PUSH_BYTES} bytes")


def _refusal(answer: ProviderResponse) -> SendError:
    code = _error_code(answer)
    if code in _TOKEN_ERRORS:
        return Rejected(_TOKEN_ERRORS[code])
    if answer.status in _OF_THE_MESSAGE and code in ("", "INVALID_ARGUMENT"):
        return Rejected(f"fcm_{code.lower()}" if code else f"fcm_http_{answer.status}")
    return TryLater(f"fcm_http_{answer.status}")


def _error_code(answer: ProviderResponse) -> str:
    """Return FCM's own code, "" if there is none. A 404 alone may also be a project that does not exist."""
    error = answer.data.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    codes = [one.get("errorCode") for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    return next((code for code in codes if isinstance(code, str) and _ERROR_CODE.fullmatch(code)), "")


def _combine(results: Sequence[_TokenResult]) -> Accepted:
    """Return or raise one result: accepted for any token; else possibly sent; else to be retried; else refused."""
    invalid = tuple(one.token for one in results if one.fault is not None and one.fault.code == "unregistered")
    accepted = [one for one in results if one.fault is None]
    if accepted:
        return Accepted(accepted[0].message_name, invalid_tokens=invalid)
    faults = [one.fault for one in results if one.fault is not None]
    for fault in faults:
        if isinstance(fault, OutcomeUnknown):
            raise fault
    transient = [fault for fault in faults if isinstance(fault, TryLater)]
    if transient:
        raise max(transient, key=lambda fault: fault.retry_after or timedelta())
    refusal = next((fault for fault in faults if fault.code != "unregistered"), faults[0])
    raise Rejected(refusal.code, invalid_tokens=invalid)
