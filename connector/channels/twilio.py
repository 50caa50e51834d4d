"""Sms by Twilio's REST API: one Message resource a message (twilio.com/docs/messaging/api/message-resource).

Twilio has no idempotency key: an answer that was lost stays lost, until a delivery report tells (starter/webhooks).
What is wrong with the account or the sender is about the settings, never about the message, so it passes.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime

import httpx

from connector.channels.http_client import ProviderHttpClient, ProviderResponse, check_provider_status
from connector.channels.protocol import Accepted, OutgoingMessage, Rejected, TryLater
from connector.settings.providers import Twilio

DELIVERY = "delivery"
"""The parameter of the status callback's address that names the delivery."""
MAX_SMS_CHARACTERS = 1600
"""Characters; Twilio refuses longer ones with 21617."""

_E164 = re.compile(r"\+[1-9][0-9]{1,14}")
_SEPARATORS = re.compile(r"[\s().-]")
_SIGN_IN = frozenset({401, 403})
_OF_MESSAGE = {
    21211: "number_invalid",
    21214: "number_invalid",
    21217: "number_invalid",
    21265: "number_invalid",
    21408: "region_not_enabled",
    21602: "sms_empty",
    21610: "unsubscribed",
    21612: "number_unreachable",
    21614: "number_not_mobile",
    21617: "sms_too_long",
    21619: "sms_empty",
}
"""Twilio's error codes that are about this message or its receiver; any other one is told by its number."""
_OF_SETTINGS = frozenset({20003, 20005, 20404, 21212, 21603, 21606, 21611, 21659, 21660, 21701, 21703, 21705})
"""Codes about the account, the sender or the sender's full queue (21611): nothing was sent."""


class TwilioChannel:
    """The sms channel.

    Args:
        settings: with an account, a way to sign in and a sender; `timeout_seconds` bounds one send in all.
        tls: what to trust; None: the usual authorities.
        clock: seconds since 1970, for Retry-After's dates.

    Raises:
        ValueError: there is no account.
    """

    def __init__(
        self, settings: Twilio, *, tls: ssl.SSLContext | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        if settings.account_sid is None:
            raise ValueError("CONNECTOR_TWILIO_ACCOUNT_SID is missing")
        self._settings, self._clock = settings, clock
        self._url = f"{settings.api_url}/2010-04-01/Accounts/{settings.account_sid}/Messages.json"
        self._auth = _sign_in(settings)
        self._exchange = ProviderHttpClient("twilio", settings.timeout_seconds, tls=tls)

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Hand `message.content` (body) to Twilio; the provider's id is the Message's SID.

        Where a status callback is set, a delivery report follows (`reported`).

        Raises:
            Rejected: no number, an empty or too long body, or Twilio refuses this message.
            TryLater: no connection, 429, 503, or a fault of the account or the sender.
            OutcomeUnknown: the answer was lost, or was one of 5xx.
        """
        answer = await self._exchange.post(self._url, data=self._form(message), auth=self._auth)
        check_provider_status("twilio", answer, datetime.fromtimestamp(self._clock(), UTC))
        if not 200 <= answer.status < 300:
            raise _refusal(answer)
        sid = answer.told.get("sid")
        return Accepted(sid if isinstance(sid, str) else None, reported=self._settings.status_callback is not None)

    async def close(self) -> None:
        """Let go of connections."""
        await self._exchange.close()

    def _form(self, message: OutgoingMessage) -> dict[str, str]:
        form = {"To": _number(message.address.phone), "Body": _body(message.content.get("body"))}
        if self._settings.sender:
            form["From"] = self._settings.sender
        if self._settings.messaging_service_sid:
            form["MessagingServiceSid"] = self._settings.messaging_service_sid
        if self._settings.status_callback:
            callback = httpx.URL(self._settings.status_callback)
            form["StatusCallback"] = str(callback.copy_set_param(DELIVERY, message.delivery_id))
        return form


def _sign_in(settings: Twilio) -> httpx.BasicAuth:
    if settings.api_key is not None and settings.api_secret is not None:
        return httpx.BasicAuth(settings.api_key, settings.api_secret.get_secret_value())
    token = settings.auth_token.get_secret_value() if settings.auth_token else ""
    return httpx.BasicAuth(settings.account_sid or "", token)


def _number(phone: str | None) -> str:
    number = _SEPARATORS.sub("", phone or "")
    if not _E164.fullmatch(number):
        raise Rejected("number_invalid", "the phone number must be one like +12025550123")
    return number


def _body(text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        raise Rejected("sms_empty", "there is no text")
    if len(text) > MAX_SMS_CHARACTERS:
        raise Rejected("sms_too_long", f"the text is longer than {LONGEST_BODY} characters")
    try:
        text.encode()
    except UnicodeError:
        raise Rejected("sms_invalid", "the text cannot be encoded") from None
    return text


def _refusal(answer: ProviderResponse) -> Rejected | TryLater:
    told = answer.told.get("code")
    known = isinstance(told, int) and not isinstance(told, bool) and 0 < told < 1_000_000
    code = f"twilio_{told}" if known else f"twilio_http_{answer.status}"
    if told in _OF_MESSAGE:
        return Rejected(_OF_MESSAGE[told], code)
    if told in _OF_SETTINGS or answer.status in _SIGN_IN or answer.status < 400:
        return TryLater(code)
    return Rejected(code)
