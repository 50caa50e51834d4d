"""Send text messages by Twilio's REST API: one Message resource each (twilio.com/docs/messaging/api/message-resource).

Twilio has no idempotency key: after a lost response only a delivery report settles the outcome (`starter/webhooks`).
A fault of the account or the sender concerns the settings, never the message, so it is transient.
"""

from __future__ import annotations

import base64
import hmac
import ssl
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import SplitResult, urlsplit

import httpx

from connector.channels.http_client import ProviderHttpClient, ProviderResponse, check_provider_status
from connector.channels.protocol import Accepted, OutgoingMessage, Rejected, TryLater
from connector.rules.model.addresses import is_sendable, stored_address
from connector.rules.model.messages import MAX_BODY_CHARACTERS
from connector.rules.provider_events.events import DELIVERY
from connector.rules.provider_events.refusals import meaning_of_twilio
from connector.settings.providers import Twilio

_UNAUTHORIZED = frozenset({401, 402, 403})
_OF_THE_MESSAGE = frozenset({400, 413, 422})
"""The statuses that concern the message without a code of Twilio's; others come from a wrong address or a proxy."""
_MESSAGE_ERRORS = {
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
    21635: "number_not_mobile",
}
"""Twilio's error codes that concern this message or its recipient; any other becomes `twilio_` and its number."""
_SETTINGS_ERRORS = frozenset(
    {10001, 10002, 14107, 21212, 21603, 21606, 21607, 21608, 21611, 21659, 21660, 21701, 21703, 21704, 21705}
    | {30001, 30002, 30034, 63038}
)
"""Codes that concern the account, its limits, the sender or the sender's full queue (21611): nothing was sent."""
_API_ERRORS = range(20000, 21000)
"""Codes of Twilio's API: credentials, permissions, addresses of resources and limits of requests."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class TwilioChannel:
    """The sms channel.

    Args:
        settings: with an account, credentials and a sender; `timeout` bounds one send.
        tls: trusted authorities; None: the default ones.
        clock: seconds since 1970, for dates in Retry-After.

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
        self._auth = _credentials(settings)
        self._http = ProviderHttpClient("twilio", settings.timeout.total_seconds(), tls=tls)

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Send `message.content` (body); the provider's id is the Message's SID.

        If a status callback is set, a delivery report follows (`reported`).

        Raises:
            Rejected: no number, an empty or too long body, or Twilio refuses this message.
            TryLater: no connection, 429, 503, or a fault of the account or the sender.
            OutcomeUnknown: the response was lost, or was another 5xx.
        """
        answer = await self._http.post(self._url, data=self._form(message), auth=self._auth)
        check_provider_status("twilio", answer, datetime.fromtimestamp(self._clock(), UTC))
        if not 200 <= answer.status < 300:
            raise _refusal(answer)
        sid = answer.data.get("sid")
        return Accepted(sid if isinstance(sid, str) else None, reported=self._settings.status_callback is not None)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    def _form(self, message: OutgoingMessage) -> dict[str, str]:
        form = {"To": _check_number(message.address.phone), "Body": check_text(message.content.get("body"))}
        if self._settings.sender:
            form["From"] = self._settings.sender
        if self._settings.messaging_service_sid:
            form["MessagingServiceSid"] = self._settings.messaging_service_sid
        if self._settings.status_callback:
            callback = httpx.URL(self._settings.status_callback)
            form["StatusCallback"] = str(callback.copy_set_param(DELIVERY, message.delivery_id))
        return form


def _credentials(settings: Twilio) -> httpx.BasicAuth:
    if settings.api_key is not None and settings.api_secret is not None:
        return httpx.BasicAuth(settings.api_key, settings.api_secret.get_secret_value())
    token = settings.auth_token.get_secret_value() if settings.auth_token else ""
    return httpx.BasicAuth(settings.account_sid or "", token)


def _check_number(phone: str | None) -> str:
    if not phone or not is_sendable("sms", phone):
        raise Rejected("number_invalid", "the phone number must be written like +12025550123")
    return stored_address("sms", phone)


def check_text(text: object) -> str:
    """Return the text of a message; raises Rejected if Twilio would not accept it."""
    if not isinstance(text, str) or not text.strip():
        raise Rejected("sms_empty", "there is no text")
    if len(text) > MAX_BODY_CHARACTERS:
        raise Rejected("sms_too_long", f"the text is longer than {MAX_BODY_CHARACTERS} characters")
    try:
        text.encode()
    except UnicodeError:
        raise Rejected("sms_invalid", "the text cannot be encoded") from None
    return text


def _refusal(answer: ProviderResponse) -> Rejected | TryLater:
    given = answer.data.get("code")
    is_code = isinstance(given, int) and not isinstance(given, bool) and 0 < given < 1_000_000
    number = given if is_code else None
    code = f"twilio_{number}" if is_code else f"twilio_http_{answer.status}"
    meaning = meaning_of_twilio(number)
    if number in _MESSAGE_ERRORS:
        return Rejected(_MESSAGE_ERRORS[number], code, meaning=meaning)
    if number in _SETTINGS_ERRORS or number in _API_ERRORS or answer.status in _UNAUTHORIZED:
        return TryLater(code)
    if not is_code and answer.status not in _OF_THE_MESSAGE:
        return TryLater(code)
    return Rejected(code, meaning=meaning)


def sign_request(url: str, parameters: Iterable[tuple[str, str]], auth_token: str) -> str:
    """Return Twilio's signature of a request (twilio.com/docs/usage/security#validating-requests).

    HMAC-SHA1 under the account's auth token, in base64, of the address as Twilio called it and then every form
    parameter, name and value, sorted by name. SHA-1 is Twilio's choice; within HMAC it is not known to be broken.

    Args:
        url: with its query.
        parameters: the form's names and values.
    """
    signed = url + "".join(name + value for name, value in sorted(set(parameters)))
    return base64.b64encode(hmac.digest(auth_token.encode(), signed.encode(), "sha1")).decode()


def is_signed(signature: str, url: str, parameters: Iterable[tuple[str, str]], auth_token: str) -> bool:
    """Return whether `signature` is Twilio's for this request. Twilio signs the address with or without its port."""
    pairs = list(parameters)
    expected = [sign_request(form, pairs, auth_token) for form in _with_and_without_port(urlsplit(url))]
    return any([hmac.compare_digest(one.encode(), signature.encode()) for one in expected])


def _with_and_without_port(url: SplitResult) -> tuple[str, ...]:
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname or ""
    port = url.port or _DEFAULT_PORTS.get(url.scheme, 443)
    return tuple(url._replace(netloc=netloc).geturl() for netloc in (url.netloc, host, f"{host}:{port}"))
