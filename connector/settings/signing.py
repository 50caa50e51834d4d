"""The secret that signs webhooks (standardwebhooks.com)."""

from __future__ import annotations

import re

import standardwebhooks

_SECRET = re.compile(r"(whsec_)?(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,4})={0,2}")


def check_secret(secret: str) -> None:
    """Raise ValueError, saying what would be right, where nothing can be signed with this secret."""
    if not _SECRET.fullmatch(secret):
        raise ValueError('the webhook secret (CONNECTOR_WEBHOOK_SECRET) must be "whsec_" followed by base64')


def create_signer(secret: str) -> standardwebhooks.Webhook:
    """What signs with this secret. Raises ValueError where it is not one."""
    check_secret(secret)
    return standardwebhooks.Webhook(secret)
