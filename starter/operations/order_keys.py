"""Idempotency keys of lifecycle orders: an order that is repeated with its key is carried out once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from connector.rules.model.values import canonical_json

KEY_PATTERN = r"^[\x21-\x7e]{1,255}$"
"""1 to 255 visible ASCII characters."""


@dataclass(frozen=True)
class OrderKey:
    """An idempotency key and its caller. The same text from another caller is a different key."""

    key: str
    caller: str

    def order_id(self, workspace: str) -> str:
        """Return the id of the order with this key."""
        return hashlib.sha256(canonical_json([workspace, self.caller, self.key]).encode()).hexdigest()[:32]
