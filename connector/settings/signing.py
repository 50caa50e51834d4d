"""Secrets and public keys: which are usable, and the signer of webhooks (standardwebhooks.com)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Sequence

import standardwebhooks
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import SecretStr

_WEBHOOK_SECRET = re.compile(r"(whsec_)?(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,4})={0,2}")
_MIN_WEBHOOK_SECRET_BYTES = 16
_MIN_TOKEN_SECRET_CHARACTERS = 32


def create_signer(secret: str) -> standardwebhooks.Webhook:
    """Return the signer and verifier of webhooks with this secret. Raises ValueError as `check_webhook_secret` does."""
    check_webhook_secret(secret)
    return standardwebhooks.Webhook(secret)


def check_webhook_secret(secret: str) -> None:
    """Check the secret that signs the webhooks that the connector sends.

    Raises:
        ValueError: nothing can be signed with it; the message has the right form.
    """
    if not _WEBHOOK_SECRET.fullmatch(secret):
        raise ValueError('the webhook secret (CONNECTOR_WEBHOOK_SECRET) must be "whsec_" followed by base64')


def check_provider_secret(secret: str) -> None:
    """Check the secret that a provider signs its webhooks with.

    Raises:
        ValueError: it is no secret of Standard Webhooks of a usable length; never quotes it.
    """
    try:
        create_signer(secret)
        long_enough = len(b64decode(secret.removeprefix("whsec_") + "==")) >= _MIN_WEBHOOK_SECRET_BYTES
    except ValueError:
        long_enough = False
    if not long_enough:
        raise ValueError(f'must be "whsec_" followed by base64 of at least {_MIN_WEBHOOK_SECRET_BYTES} bytes')


def check_token_secrets(secrets: Sequence[SecretStr]) -> None:
    """Check the secrets that sign tokens and links. Raises ValueError if one is short enough to be guessed."""
    if any(len(secret.get_secret_value()) < _MIN_TOKEN_SECRET_CHARACTERS for secret in secrets):
        raise ValueError(f"each must have at least {_MIN_TOKEN_SECRET_CHARACTERS} characters; use long random ones")


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
