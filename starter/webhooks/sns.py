"""Messages of Amazon SNS: who signed them, and confirming the subscription that they come from.

docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. AWS signs for everybody who has a topic, so a
right signature says nothing until the topic is known to be ours.
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

from starter.webhooks.fields import digest, instant
from starter.webhooks.protocol import BodyWrong, NotNow, SignatureWrong, WebhookCall
from starter.webhooks.sns_addresses import is_certificate, is_confirmation
from starter.webhooks.verification import check_age, decode_base64, read_object

Fetch = Callable[[str], Awaitable[bytes]]
"""The bytes at an address that was found right; raises NotNow."""

NOTIFICATION, CONFIRM, ENDED = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
PAST, FUTURE = timedelta(days=1), timedelta(minutes=15)
MOST_CERTIFICATES = 16
MOST_CONFIRMED = 1000
_LONGEST_WAIT = 10.0

_NOTIFIED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_ASKED = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {NOTIFICATION: _NOTIFIED, CONFIRM: _ASKED, ENDED: _ASKED}
"""What is signed, in this order; a subject only where there is one."""
# SHA-1 is what topics sign with unless they are set to version 2.
_HASHES: Mapping[str, Callable[[], HashAlgorithm]] = {"1": SHA1, "2": SHA256}

_log = structlog.get_logger("webhooks.sns")


class Sns:
    """Knows SNS's messages by their signatures.

    Args:
        topics: the ARNs of our topics; messages of others are refused, whoever signed them.
        fetch: asked for certificates, each once, and for confirmations.
    """

    def __init__(self, topics: Collection[str], fetch: Fetch) -> None:
        self._topics, self._fetch = frozenset(topics), fetch
        self._certificates: OrderedDict[str, x509.Certificate] = OrderedDict()
        self._confirmed: OrderedDict[str, None] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    async def verify(self, call: WebhookCall) -> None:
        """Make sure that SNS signed this message of a topic of ours, within the last day.

        Raises:
            BodyWrong: it is no message of SNS's.
            SignatureWrong: it is not signed, not by SNS, not of a topic of ours, or old.
            NotNow: the certificate could not be fetched.
        """
        message = read_object(call.body)
        if "Signature" not in message or call.headers.get("x-amz-sns-rawdelivery", "").lower() == "true":
            raise SignatureWrong("the message is not signed; turn SNS's raw message delivery off for this subscription")
        signed, signature, algorithm = _signed(message)
        if message.get("TopicArn") not in self._topics:
            raise SignatureWrong("the topic is none of CONNECTOR_SES_TOPICS")
        check_age(call, instant(message["Timestamp"]), past=PAST, future=FUTURE)
        url = message.get("SigningCertURL")
        if not isinstance(url, str) or not is_certificate(url, message["TopicArn"]):
            raise SignatureWrong("the SigningCertURL is no address of Amazon SNS's certificates in the topic's region")
        _check(await self._certificate(url), signature, signed, algorithm, call.at)

    async def confirm(self, message: Mapping[str, Any]) -> None:
        """Visit a verified message's SubscribeURL, once. Raises BodyWrong for one elsewhere, NotNow."""
        url, topic = message.get("SubscribeURL"), str(message.get("TopicArn"))
        if not isinstance(url, str) or not is_confirmation(url, topic):
            raise BodyWrong("the SubscribeURL is no address of Amazon SNS's in the topic's region")
        async with self._in_turn():
            if (key := digest(url)) in self._confirmed:
                return
            await self._fetch(url)
            _keep(self._confirmed, key, None, MOST_CONFIRMED)
        _log.info("subscription_confirmed", topic=topic)

    async def _certificate(self, url: str) -> x509.Certificate:
        if (known := self._certificates.get(url)) is not None:
            return known
        async with self._in_turn():
            if url not in self._certificates:
                _keep(self._certificates, url, _read(await self._fetch(url)), MOST_CERTIFICATES)
            return self._certificates[url]

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """One fetch at a time, so that a flood of made-up certificates is no flood of requests of ours."""
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                await self._one_at_a_time.acquire()
        except TimeoutError:
            raise NotNow("too much is being asked of Amazon SNS; send this again") from None
        try:
            yield
        finally:
            self._one_at_a_time.release()


def _signed(message: Mapping[str, Any]) -> tuple[bytes, bytes, HashAlgorithm]:
    """What was signed, with what, and by which hash."""
    names = _SIGNED.get(str(message.get("Type")))
    if names is None:
        raise BodyWrong(f"Type must be one of {', '.join(_SIGNED)}")
    told = {name: message.get(name) for name in names if name != "Subject" or message.get(name) is not None}
    if not all(isinstance(value, str) for value in told.values()):
        raise BodyWrong(f"a {message['Type']} of SNS has the texts {', '.join(told)}")
    made, signature = _HASHES.get(str(message.get("SignatureVersion"))), message.get("Signature")
    read = decode_base64(signature) if isinstance(signature, str) else None
    if made is None or read is None:
        raise SignatureWrong("the signature is not of version 1 or 2, or not base64")
    return "".join(f"{name}\n{value}\n" for name, value in told.items()).encode("utf-8", "replace"), read, made()


def _check(
    certificate: x509.Certificate, signature: bytes, signed: bytes, algorithm: HashAlgorithm, at: datetime
) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise SignatureWrong("the certificate is not valid at this time")
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise SignatureWrong("the certificate holds no RSA key")
    try:
        key.verify(signature, signed, PKCS1v15(), algorithm)
    except (InvalidSignature, ValueError):
        raise SignatureWrong("the signature is not Amazon SNS's for this message") from None


def _read(body: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(body)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise NotNow("Amazon SNS answered something that is no certificate") from None


def _keep(kept: OrderedDict[str, Any], key: str, value: Any, most: int) -> None:
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)
