"""Amazon SNS: verifying a message's signature, and confirming the subscription that it comes from.

docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. AWS signs for everybody who has a topic, so a
valid signature proves nothing until the topic is known to be ours.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from starter.webhooks.payload import decode_base64, hash_parts, read_instant, read_object
from starter.webhooks.protocol import BodyInvalid, SignatureInvalid, TryAgainLater, WebhookCall, check_age
from starter.webhooks.sns_fetch import is_certificate_url, is_confirmation_url

Fetch = Callable[[str], Awaitable[bytes]]
"""Returns the body at a checked URL; raises TryAgainLater."""

NOTIFICATION, SUBSCRIPTION, UNSUBSCRIBED = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
MAX_AGE, MAX_CLOCK_SKEW = timedelta(days=1), timedelta(minutes=15)
MAX_CERTIFICATES = 16
MAX_CONFIRMED_SUBSCRIPTIONS = 1000
_MAX_WAIT_SECONDS = 10.0
_MAX_WAITING = 32
"""Half of the places of webhooks: calls with invented certificates must leave room for other providers."""

_NOTIFICATION_FIELDS = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_HANDSHAKE_FIELDS = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED_FIELDS = {
    NOTIFICATION: _NOTIFICATION_FIELDS,
    SUBSCRIPTION: _HANDSHAKE_FIELDS,
    UNSUBSCRIBED: _HANDSHAKE_FIELDS,
}
"""The signed fields, in this order; a subject only if there is one."""
# Topics sign with SHA-1 unless they are set to signature version 2.
_HASHES: Mapping[str, Callable[[], HashAlgorithm]] = {"1": SHA1, "2": SHA256}

_log = structlog.get_logger("webhooks.sns")


class SnsVerifier:
    """Verifies SNS messages by their signatures, and confirms subscriptions.

    Args:
        topics: the ARNs of our topics; messages of other topics are refused, whatever their signature.
        fetch: fetches certificates, each once, and confirmation URLs.
    """

    def __init__(self, topics: Collection[str], fetch: Fetch) -> None:
        self._topics, self._fetch = frozenset(topics), fetch
        self._certificates: OrderedDict[str, x509.Certificate] = OrderedDict()
        self._confirmed: OrderedDict[str, None] = OrderedDict()
        self._fetch_lock, self._waiting = asyncio.Lock(), 0

    async def verify(self, call: WebhookCall) -> None:
        """Check that SNS signed this message of one of our topics within the last day.

        Raises:
            BodyInvalid: the body is no SNS message.
            SignatureInvalid: it is not signed, not by SNS, not of one of our topics, or old.
            TryAgainLater: the certificate could not be fetched.
        """
        message = read_object(call.body)
        if "Signature" not in message or call.headers.get("x-amz-sns-rawdelivery", "").lower() == "true":
            raise SignatureInvalid(
                "the message is not signed; turn SNS's raw message delivery off for this subscription"
            )
        signed, signature, algorithm = _signed_content(message)
        if message.get("TopicArn") not in self._topics:
            raise SignatureInvalid("the topic is not in CONNECTOR_SES_TOPICS")
        check_age(call, read_instant(message["Timestamp"]), past=MAX_AGE, future=MAX_CLOCK_SKEW)
        url = message.get("SigningCertURL")
        if not isinstance(url, str) or not is_certificate_url(url, message["TopicArn"]):
            raise SignatureInvalid(
                "the SigningCertURL is no address of Amazon SNS's certificates in the topic's region"
            )
        _check_signature(await self._certificate(url), signature, signed, algorithm, call.at)

    async def confirm(self, message: Mapping[str, Any]) -> None:
        """Visit a verified message's SubscribeURL, once.

        Raises:
            BodyInvalid: the URL is not SNS's.
            TryAgainLater: SNS could not be reached.
        """
        url, topic = message.get("SubscribeURL"), str(message.get("TopicArn"))
        if not isinstance(url, str) or not is_confirmation_url(url, topic):
            raise BodyInvalid("the SubscribeURL is no address of Amazon SNS's in the topic's region")
        async with self._one_fetch():
            if (key := hash_parts(url)) in self._confirmed:
                return
            await self._fetch(url)
            _cache_entry(self._confirmed, key, None, MAX_CONFIRMED_SUBSCRIPTIONS)
        _log.info("subscription_confirmed", topic=topic)

    async def _certificate(self, url: str) -> x509.Certificate:
        if (cached := self._certificates.get(url)) is not None:
            return cached
        async with self._one_fetch():
            if url not in self._certificates:
                _cache_entry(self._certificates, url, _load_certificate(await self._fetch(url)), MAX_CERTIFICATES)
            return self._certificates[url]

    @asynccontextmanager
    async def _one_fetch(self) -> AsyncIterator[None]:
        """Allow one fetch at a time, so that a flood of made-up certificates causes no flood of our requests."""
        if self._waiting >= _MAX_WAITING:
            raise _too_many_waiting()
        self._waiting += 1
        try:
            async with asyncio.timeout(_MAX_WAIT_SECONDS):
                await self._fetch_lock.acquire()
        except TimeoutError:
            raise _too_many_waiting() from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._fetch_lock.release()


def _too_many_waiting() -> TryAgainLater:
    return TryAgainLater("too many requests to Amazon SNS are waiting; send this again")


def _signed_content(message: Mapping[str, Any]) -> tuple[bytes, bytes, HashAlgorithm]:
    """Return the signed bytes, the signature and the hash algorithm."""
    names = _SIGNED_FIELDS.get(str(message.get("Type")))
    if names is None:
        raise BodyInvalid(f"Type must be one of {', '.join(_SIGNED_FIELDS)}")
    fields = {name: message.get(name) for name in names if name != "Subject" or message.get(name) is not None}
    if not all(isinstance(value, str) for value in fields.values()):
        raise BodyInvalid(f"in a {message['Type']} of SNS {', '.join(fields)} must be texts")
    algorithm, encoded = _HASHES.get(str(message.get("SignatureVersion"))), message.get("Signature")
    signature = decode_base64(encoded) if isinstance(encoded, str) else None
    if algorithm is None or signature is None:
        raise SignatureInvalid("the signature is not of version 1 or 2, or not base64")
    signed = "".join(f"{name}\n{value}\n" for name, value in fields.items()).encode("utf-8", "replace")
    return signed, signature, algorithm()


def _check_signature(
    certificate: x509.Certificate, signature: bytes, signed: bytes, algorithm: HashAlgorithm, at: datetime
) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise SignatureInvalid("the certificate is not valid at this time")
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise SignatureInvalid("the certificate holds no RSA key")
    try:
        key.verify(signature, signed, PKCS1v15(), algorithm)
    except (InvalidSignature, ValueError):
        raise SignatureInvalid("the signature is not Amazon SNS's for this message") from None


def _load_certificate(body: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(body)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise TryAgainLater("Amazon SNS answered something that is no certificate") from None


def _cache_entry(cache: OrderedDict[str, Any], key: str, value: Any, max_entries: int) -> None:
    cache[key] = value
    while len(cache) > max_entries:
        cache.popitem(last=False)
