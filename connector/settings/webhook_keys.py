"""The keys that providers of email sign their webhooks with, read as their dashboards show them."""

from __future__ import annotations

import binascii
from base64 import b64decode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from connector.settings.signing import create_signer

_SHORTEST = 16


def read_public_key(text: str) -> EllipticCurvePublicKey:
    """SendGrid's verification key: a P-256 public key as DER in base64.

    Raises:
        ValueError: it is none, without its value.
    """
    try:
        key = load_der_public_key(b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError('must be the verification key of SendGrid\'s dashboard, base64 that begins with "MFkw"')
    return key


def check_signing_secret(text: str) -> None:
    """Raise ValueError, without its value, where this is no secret of Standard Webhooks of a usable length."""
    try:
        create_signer(text)
        long_enough = len(b64decode(text.removeprefix("whsec_") + "==")) >= _SHORTEST
    except ValueError:
        long_enough = False
    if not long_enough:
        raise ValueError(f'must be "whsec_" followed by base64 of at least {_SHORTEST} bytes')
