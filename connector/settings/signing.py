"""Secrets and public keys: which are usable, and the signers of webhooks (standardwebhooks.com) and of tokens."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated

import standardwebhooks
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from connector.settings.durations import Duration, between

_WEBHOOK_SECRET = re.compile(r"(whsec_)?(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,4})={0,2}")
_MIN_WEBHOOK_SECRET_BYTES, _MAX_WEBHOOK_SECRET_BYTES = 24, 64
"""The lengths that Standard Webhooks allows."""
_MIN_PROVIDER_SECRET_BYTES = 16
_MIN_TOKEN_SECRET_CHARACTERS = 32
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/*\s?#]+")


def create_signer(secret: str) -> standardwebhooks.Webhook:
    """Return the signer and verifier of webhooks with this secret.

    Raises:
        ValueError: it is not base64 with or without "whsec_"; never quotes it.
    """
    if not _WEBHOOK_SECRET.fullmatch(secret):
        raise ValueError('a webhook secret must be "whsec_" followed by base64')
    return standardwebhooks.Webhook(secret)


def _check_webhook_secret(secret: SecretStr) -> SecretStr:
    size = _size_in_bytes(secret.get_secret_value())
    if not _MIN_WEBHOOK_SECRET_BYTES <= size <= _MAX_WEBHOOK_SECRET_BYTES:
        bounds = f"{_MIN_WEBHOOK_SECRET_BYTES} to {_MAX_WEBHOOK_SECRET_BYTES}"
        raise ValueError(f'must be "whsec_" followed by base64 of {bounds} random bytes')
    return secret


def check_provider_secret(secret: str) -> None:
    """Check the secret that a provider signs its webhooks with.

    Raises:
        ValueError: it is no secret of Standard Webhooks of a usable length; never quotes it.
    """
    if _size_in_bytes(secret) < _MIN_PROVIDER_SECRET_BYTES:
        raise ValueError(f'must be "whsec_" followed by base64 of at least {_MIN_PROVIDER_SECRET_BYTES} bytes')


def _size_in_bytes(secret: str) -> int:
    """Return the length of a secret of Standard Webhooks; 0 if it is none."""
    try:
        create_signer(secret)
        return len(b64decode(secret.removeprefix("whsec_") + "=="))
    except ValueError:
        return 0


ProviderSecret = Annotated[SecretStr, Field(min_length=_MIN_PROVIDER_SECRET_BYTES)]
"""A secret that reports of a provider are signed or sent with: with a short one anyone could forge them."""
WebhookSecret = Annotated[SecretStr, AfterValidator(_check_webhook_secret)]
"""A secret that signs the webhooks that the connector sends."""
ReceiverHost = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[A-Za-z0-9.:-]+$")]
"""The host name of a receiver of webhooks, in ASCII, without a port."""


class WebhookSigner:
    """Signs the webhooks that the connector sends, by Standard Webhooks (standardwebhooks.com).

    Every secret makes a signature of its own, so that a receiver can change to a new secret at any time while both are
    listed.

    Args:
        secrets: those of every receiver that has none of its own.
        by_receiver: the secrets of single receivers, by host name.
    """

    def __init__(
        self, secrets: Sequence[SecretStr] = (), by_receiver: Mapping[str, Sequence[SecretStr]] | None = None
    ) -> None:
        self._shared = _signers(secrets)
        self._by_receiver = {host: _signers(own) for host, own in (by_receiver or {}).items()}

    def sign(self, host: str, id: str, at: datetime, body: str) -> str | None:
        """Return the header `webhook-signature` for a request to this host; None if it has no secret."""
        signers = self._by_receiver.get(host, self._shared)
        return " ".join(signer.sign(id, at, body) for signer in signers) or None


def _signers(secrets: Sequence[SecretStr]) -> list[standardwebhooks.Webhook]:
    return [create_signer(secret.get_secret_value()) for secret in secrets]


def _check_token_secrets(secrets: list[SecretStr]) -> list[SecretStr]:
    if any(len(secret.get_secret_value()) < _MIN_TOKEN_SECRET_CHARACTERS for secret in secrets):
        raise ValueError(f"each must have at least {_MIN_TOKEN_SECRET_CHARACTERS} characters; use long random ones")
    return secrets


def check_origins(origins: list[str]) -> list[str]:
    """Return the origins of web pages that may call. Raises ValueError if one is not exactly an origin."""
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is not an origin; write scheme://host[:port], without a path or *")
    return origins


TokenSecrets = Annotated[list[SecretStr], AfterValidator(_check_token_secrets)]
"""The secrets that sign tokens or links: the first one signs, all are accepted; none is short enough to be guessed."""
MAX_TOKEN_LIFETIME = timedelta(days=30)
TokenLifetime = Annotated[Duration, between(most=MAX_TOKEN_LIFETIME)]
"""For how long a token of a user is valid."""
Origins = Annotated[list[str], AfterValidator(check_origins)]
"""The origins of web pages that may call."""


class TokenSigner:
    """Signs and verifies tokens.

    Args:
        secrets: the first one signs and all are accepted, so that a secret can be rotated while tokens are in use.
    """

    def __init__(self, secrets: Sequence[SecretStr]) -> None:
        self._secrets = [secret.get_secret_value().encode() for secret in secrets]

    @property
    def has_secret(self) -> bool:
        """Whether there is a secret to sign with."""
        return bool(self._secrets)

    def sign(self, text: str) -> str:
        """Return the HMAC-SHA256 of the text in base64url without padding; there must be a secret."""
        return _signature(self._secrets[0], text)

    def is_signed(self, text: str, signature: str) -> bool:
        """Return whether the signature, which is ASCII, is that of the text."""
        return any([hmac.compare_digest(_signature(secret, text), signature) for secret in self._secrets])


def _signature(secret: bytes, text: str) -> str:
    return encode_base64url(hmac.digest(secret, text.encode(), hashlib.sha256))


def encode_base64url(raw: bytes) -> str:
    """Return base64url without padding (RFC 4648)."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def read_public_key(text: str) -> EllipticCurvePublicKey:
    """Return SendGrid's verification key from the text of its dashboard: a P-256 public key as DER in base64.

    Raises:
        ValueError: it is no such key; never quotes it.
    """
    try:
        key = load_der_public_key(b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError('must be the verification key of SendGrid\'s dashboard, base64 that begins with "MFkw"')
    return key
