"""Translate track, page and screen messages into items in the wire form of design 8."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connector.rules.model.consent import Consent
from connector.rules.model.errors import InvalidItem
from connector.rules.model.values import MAX_TEXT_CHARACTERS, ChannelName, canonical_json
from connector.rules.targeting.deduplication import DELIVERY_PROPERTY, MESSAGE_PROPERTY
from connector.segment.envelope import SegmentMessage, convert_to_text
from connector.segment.mapping import REFINING_FIELDS, Rule, SegmentMapping, value_at

TargetExists = Callable[[str, str], bool]
"""Returns whether the catalogue has a target of that kind ("campaign" or "card") with that id."""

MAX_PRODUCTS = 500
"""Of one order: each product becomes an item of its own."""

_BUILT_IN = ("make_purchase", "start_session")
_PRODUCT_FIELDS = ("product_id", "sku", "name")
_PRICE_FIELDS = ("price", "total", "revenue", "value")
_ORDER_FIELDS = ("order_id", "currency", "coupon", "total", "revenue")
_PER_PRODUCT = frozenset({*_PRODUCT_FIELDS, "product", "price", "quantity"})
_MAX_ORDER_BYTES = 1024
_MAX_FACT_CHARACTERS = 255
_RESERVED = frozenset({DELIVERY_PROPERTY, MESSAGE_PROPERTY})
"""Properties by which duplicates of another source are recognised: Segment's events use the names with other meanings.
`dispatch` and `robot` may come from any service (M2, M3)."""


def items_of_track(
    message: SegmentMessage, mapping: SegmentMapping, target_exists: TargetExists
) -> tuple[list[dict[str, Any]], dict[ChannelName, Consent]]:
    """Return the items of a `track` and the consent that it changes. Raises InvalidItem."""
    name = _event_name(message)
    if mapping.ignores(name):
        return [], {}
    rule = next((rule for rule in mapping.rules_for(name) if rule.matches(message.sections)), None)
    if rule is None:
        return [_event(message, name)], {}
    return _items(message, name, rule, mapping, target_exists), rule.consent


def items_of_page(message: SegmentMessage) -> list[dict[str, Any]]:
    """Return the event of a `page` or `screen`, named after its kind, with its name and category as properties."""
    names = {name: message.raw[name] for name in ("name", "category") if isinstance(message.raw.get(name), str)}
    return [_event(message, message.kind, {**message.sections["properties"], **names})]


def _items(
    message: SegmentMessage, name: str, rule: Rule, mapping: SegmentMapping, target_exists: TargetExists
) -> list[dict[str, Any]]:
    if rule.purchases is not None:
        return _purchases(message, value_at(rule.purchases, message.sections))
    if rule.interaction is None:
        return [_event(message, rule.event or name)]
    target = _target(message, rule, mapping, target_exists)
    if target is None:  # kept as an event, for campaigns that listen to events
        return [_event(message, name)]
    given = {f"their_{n}" if n in _RESERVED else n: value for n, value in message.sections["properties"].items()}
    properties = {**given, **_refinements(message, rule)}
    return [{**_item(message, rule.interaction.value, properties), **target}]


def _target(
    message: SegmentMessage, rule: Rule, mapping: SegmentMapping, target_exists: TargetExists
) -> dict[str, str] | None:
    for kind, values in (("card", rule.card or ()), ("campaign", rule.campaign or mapping.campaign)):
        for value in values:
            id = convert_to_text(value_at(value, message.sections))
            if id and target_exists(kind, id):
                return {kind: id}
    return None


def _refinements(message: SegmentMessage, rule: Rule) -> dict[str, str]:
    values = ((name, getattr(rule, name)) for name in REFINING_FIELDS)
    texts = {name: convert_to_text(value_at(value, message.sections)) for name, value in values if value is not None}
    return {name: text for name, text in texts.items() if text}


def _purchases(message: SegmentMessage, products: Any) -> list[dict[str, Any]]:
    listed = [one for one in products if isinstance(one, Mapping) and one] if isinstance(products, list) else []
    if len(listed) > MAX_PRODUCTS:
        raise InvalidItem(f"products: {len(listed)} are more than {MAX_PRODUCTS}; send several orders")
    order = message.sections["properties"]
    if not listed:
        return [_item(message, "make_purchase", {**order, **_product_and_price(order)})]
    shared = _shared_facts(order)
    return [
        _item(message, "make_purchase", {**shared, **product, **_product_and_price(product)}, position)
        for position, product in enumerate(listed, 1)
    ]


def _shared_facts(order: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plain facts of the order that each purchase keeps: at most 1 KB, since each product has a copy."""
    shared: dict[str, Any] = {}
    room = _MAX_ORDER_BYTES
    for name in (*(name for name in _ORDER_FIELDS if name in order), *(n for n in order if n not in _ORDER_FIELDS)):
        value = order[name]
        is_plain = isinstance(value, bool | int | float) or (
            isinstance(value, str) and len(value) <= _MAX_FACT_CHARACTERS
        )
        size = len(canonical_json({name: value}).encode()) if is_plain and name not in _PER_PRODUCT else room + 1
        if size <= room:
            shared[name] = value
            room -= size
    return shared


def _product_and_price(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the product and its price, under the names of design 8."""
    product = next((text for name in _PRODUCT_FIELDS if (text := convert_to_text(facts.get(name)))), None)
    price = next((facts[name] for name in _PRICE_FIELDS if facts.get(name) is not None), None)
    return {name: value for name, value in (("product", product), ("price", price)) if value is not None}


def _event(message: SegmentMessage, name: str, properties: Mapping[str, Any] | None = None) -> dict[str, Any]:
    if properties is None:
        properties = message.sections["properties"]
    return _item(message, name if name in _BUILT_IN else "event", properties) | {"name": name}


def _item(
    message: SegmentMessage, type: str, properties: Mapping[str, Any], position: int | None = None
) -> dict[str, Any]:
    return {
        "id": message.item_id(position),
        "user": message.user,
        "type": type,
        "occurred_at": message.at,
        "properties": dict(properties),
    }


def _event_name(message: SegmentMessage) -> str:
    name = message.raw.get("event")
    if not isinstance(name, str) or not name:
        raise InvalidItem("event: is missing or not text; it names what happened")
    if len(name) > MAX_TEXT_CHARACTERS:
        raise InvalidItem(f"event: has {len(name)} characters; the limit is {MAX_TEXT_CHARACTERS}")
    return name
