"""The requests of `starter.operations.orders`."""

from collections.abc import Sequence
from uuid import uuid4

from connector.rules.catalogue.lifecycle import OrderVerb
from starter.operations.order_keys import OrderKey
from starter.operations.orders import give_order, preview_resuming
from starter.remote.registration import LONG_SECONDS, Request, act_over_http, over_http


@act_over_http(give_order)
def _give(
    verb: OrderVerb,
    ids: Sequence[str],
    *,
    reason: str | None = None,
    with_follow_ons: bool = False,
    allow_missed: bool = False,
    key: OrderKey | None = None,
) -> Request:
    options = {"reason": reason, "with_follow_ons": with_follow_ons, "allow_missed": allow_missed}
    body = {"verb": verb, "ids": list(ids), **{name: value for name, value in options.items() if value}}
    return Request("POST", "/v1/orders", body=body, idempotency_key=uuid4().hex if key is None else key.key)


@over_http(preview_resuming)
def _preview(ids: Sequence[str]) -> Request:
    body = {"verb": "resume", "ids": list(ids), "dry_run": True}
    return Request("POST", "/v1/orders", body=body, is_repeatable=True, seconds=LONG_SECONDS)
