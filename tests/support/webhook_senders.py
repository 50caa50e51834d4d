"""The senders of webhooks: each makes calls as its provider does, with keys of the tests."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import standardwebhooks
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from connector.channels.twilio import sign_request
from starter.webhooks.mailgun import Mailgun
from starter.webhooks.postmark import Postmark
from starter.webhooks.protocol import TryAgainLater, WebhookCall, WebhookProvider
from starter.webhooks.resend import Resend
from starter.webhooks.sendgrid import SIGNATURE, TIMESTAMP, SendGrid
from starter.webhooks.ses import Ses
from starter.webhooks.twilio import Twilio

AT = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
TOPIC = "arn:aws:sns:us-east-1:123456789012:SES_Events"
CERTIFICATE_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"
CONFIRM_URL = f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37fb687f"
_SAMPLES = Path(__file__).parent / "webhook_samples"


def samples(provider: str) -> dict[str, Any]:
    """Return the bodies of the published samples by name."""
    return {one["name"]: one["body"] for one in json.loads((_SAMPLES / f"{provider}.json").read_text())}


def encoded(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


@dataclass
class SendGridSender:
    name = "sendgrid"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def provider(self) -> WebhookProvider:
        return SendGrid(self.key.public_key())

    def call(self, event: Any, at: datetime = AT) -> WebhookCall:
        body, timestamp = encoded([event]) + b"\r\n", str(int(at.timestamp()))
        signature = self.key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
        return WebhookCall("", {TIMESTAMP: timestamp, SIGNATURE: b64encode(signature).decode()}, body, at)


def make_certificate(key: rsa.RSAPrivateKey, *, since: datetime | None = None, until: datetime | None = None) -> bytes:
    """Return a certificate as SNS has one, in PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since or AT - timedelta(days=30))
        .not_valid_after(until or datetime(2100, 1, 1, tzinfo=UTC))
        .sign(key, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def sns_signature(message: dict[str, Any], key: rsa.RSAPrivateKey) -> str:
    """Return what SNS writes under `Signature`."""
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    if message["Type"] == "Notification":
        names = [name for name in names if name not in ("SubscribeURL", "Token")]
    else:
        names.remove("Subject")
    signed = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    algorithm = SHA1() if message["SignatureVersion"] == "1" else SHA256()
    return b64encode(key.sign(signed.encode(), PKCS1v15(), algorithm)).decode()


@dataclass
class SesSender:
    name = "ses"
    version: str = "1"
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    certificates: dict[str, bytes] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.certificates[CERTIFICATE_URL] = make_certificate(self.key)

    def provider(self) -> WebhookProvider:
        return Ses([TOPIC], fetch=self.fetch)

    async def fetch(self, url: str) -> bytes:
        """Return the certificate of this URL, as a server would."""
        self.fetched.append(url)
        if url not in self.certificates:
            raise TryAgainLater("there is nothing")
        return self.certificates[url]

    def message(self, event: Any, at: datetime = AT, **changed: Any) -> dict[str, Any]:
        message = {
            "Type": "Notification",
            "MessageId": "19ba9823-d7f2-53c1-860e-cb10e0d13dfc",
            "TopicArn": TOPIC,
            "Subject": "Amazon SES Email Event Notification",
            "Message": event if isinstance(event, str) else json.dumps(event) + "\n",
            "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.675Z"),
            "SignatureVersion": self.version,
            "SigningCertURL": CERTIFICATE_URL,
            **changed,
        }
        return {"Signature": sns_signature(message, self.key), **message}

    def call(self, event: Any, at: datetime = AT, **changed: Any) -> WebhookCall:
        return WebhookCall(
            "", {"content-type": "text/plain; charset=UTF-8"}, encoded(self.message(event, at, **changed)), at
        )

    def confirmation(self, at: datetime = AT, **changed: Any) -> WebhookCall:
        return self.call(
            "You have chosen to subscribe to the topic.\nTo confirm, visit the SubscribeURL.",
            at,
            **{"Type": "SubscriptionConfirmation", "Token": "2336412f37fb687f", "SubscribeURL": CONFIRM_URL} | changed,
        )


@dataclass
class MailgunSender:
    name = "mailgun"
    key: str = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"

    def provider(self) -> WebhookProvider:
        return Mailgun(self.key)

    def call(self, event: Any, at: datetime = AT, *, token: str | None = None) -> WebhookCall:
        timestamp = str(int(at.timestamp()))
        token = token or hashlib.sha256(encoded(event)).hexdigest()[:50]
        made = hmac.new(self.key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
        signed = {"timestamp": timestamp, "token": token, "signature": made}
        body = encoded({"signature": signed, "event-data": event})
        return WebhookCall("", {"content-type": "application/json"}, body, at)


@dataclass
class PostmarkSender:
    name = "postmark"
    user: str = "postmark"
    password: str = "a long random password"
    token: str | None = "a long random token"

    def provider(self) -> WebhookProvider:
        return Postmark(self.user, self.password, token=self.token)

    def call(self, event: Any, at: datetime = AT) -> WebhookCall:
        basic = b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"authorization": f"Basic {basic}", "x-webhook-token": self.token or ""}
        return WebhookCall("", headers, encoded(event), at)


@dataclass
class ResendSender:
    name = "resend"
    secret: str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    id: str = "msg_p5jXN8AQM9LWM0D4loKWxJek"

    def provider(self) -> WebhookProvider:
        return Resend(self.secret)

    def call(self, event: Any, at: datetime = AT) -> WebhookCall:
        body = encoded(event)
        signature = standardwebhooks.Webhook(self.secret).sign(self.id, at, body.decode())
        headers = {"svix-id": self.id, "svix-timestamp": str(int(at.timestamp())), "svix-signature": signature}
        return WebhookCall("", headers, body, at)


@dataclass
class TwilioSender:
    name = "twilio"
    token: str = "f" * 32
    url: str = "https://connector.example.com/webhooks/twilio"
    query: str = "campaign=welcome&user=u-17"

    def provider(self) -> WebhookProvider:
        return Twilio(self.token, self.url)

    def call(self, event: Any, at: datetime = AT) -> WebhookCall:
        if "MessageSid" in event:
            signature = sign_request(f"{self.url}?{self.query}", event.items(), self.token)
            return WebhookCall(self.query, {"x-twilio-signature": signature}, urlencode(event).encode(), at)
        body = encoded([event])
        query = f"{self.query}&bodySHA256={hashlib.sha256(body).hexdigest()}"
        return WebhookCall(query, {"x-twilio-signature": sign_request(f"{self.url}?{query}", [], self.token)}, body, at)


SENDERS = (SendGridSender(), SesSender(), MailgunSender(), PostmarkSender(), ResendSender(), TwilioSender())
ONE_EVENT = {
    "sendgrid": "click",
    "ses": "Click",
    "mailgun": "opened",
    "postmark": "Click",
    "resend": "clicked",
    "twilio": "delivered",
}


def one_call(sender: Any, at: datetime = AT) -> WebhookCall:
    """Return a valid call of this provider, made at that time."""
    return sender.call(samples(sender.name)[ONE_EVENT[sender.name]], at)


def with_headers(call: WebhookCall, **changed: str) -> WebhookCall:
    """Return the call with other headers; `_` in a name stands for `-`."""
    return replace(call, headers={**call.headers, **{name.replace("_", "-"): value for name, value in changed.items()}})


def without(call: WebhookCall, *names: str) -> WebhookCall:
    return replace(call, headers={name: value for name, value in call.headers.items() if name not in names})
