"""The idempotency key of a lifecycle order, which belongs to the caller that sends it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request

from starter.api.access.scopes import Scope, caller_of
from starter.operations.order_keys import KEY_PATTERN, OrderKey

_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="1 to 255 visible ASCII characters, new for each order. A repeated order with the same key is "
        "carried out once, and has the same response.",
        examples=["5f1f63ef-1d6c-4c0e-9f0b-2f6f0d1c9a55"],
    ),
]


async def read_order_key(request: Request, key: _Key = None) -> OrderKey | None:
    """Return the key of the request; None if it has none. Raises ApiError if the caller may not give orders."""
    if key is None:
        return None
    caller = await caller_of(request, Scope.MANAGE)
    return OrderKey(key, caller=caller.id or "anonymous")


OrderKeyHere = Annotated[OrderKey | None, Depends(read_order_key)]
