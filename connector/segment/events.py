"""What messages tell of acts: track, page, screen. Each becomes items in the wire form of design 8."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connector.rules.model.errors import InvalidItem
from connector.rules.model.users import Consent
from connector.rules.model.values import ChannelName, canonical_json
from connector.rules.targeting.deduplication import DELIVERY_PROPERTY, MESSAGE_PROPERTY
from connector.segment.envelope import MAX_ID_CHARACTERS, SegmentMessage, text_of
from connector.segment.mapping import REFINED, Rule, SegmentMapping, value_at

Agreed = dict[ChannelName, Consent]
TargetExists = Callable[[str, str], bool]
"""Whether there is a "campaign" or "card" with that id."""

MAX_PRODUCTS = 500
"""In one order: each is an item of its own in the log."""

_BUILT_IN = ("make_purchase", "start_session")
_PRODUCT = ("product_id", "sku", "name")
_PRICE = ("price", "total", "revenue", "value")
_OF_THE_ORDER = ("order_id", "currency", "coupon", "total", "revenue")
_OF_A_PRODUCT = frozenset({*_PRODUCT, "product", "price", "quantity"})
_MOST_OF_THE_ORDER = 1024
_LONGEST_FACT = 255
_OURS = frozenset({DELIVERY_PROPERTY, MESSAGE_PROPERTY})
"""What makes an interaction the retelling of another source's: Segment's events have such properties, and mean others.
`dispatch` and `robot` any service may say (M2, M3)."""


def items_of_track(message: SegmentMessage, mapping: SegmentMapping, known: TargetExists) -> tuple[list[dict[str, Any]], Agreed]:
    """The items of a `track`, and what it says of the user's consent. Raises InvalidItem."""
    name = _name(message)
    if mapping.ignores(name):
        return [], {}
    rule = next((rule for rule in mapping.rules(name) if rule.holds(message.sections)), None)
    if rule is None:
        return [_event(message, name)], {}
    return _items(message, name, rule, mapping, known), rule.consent


def items_of_page(message: SegmentMessage) -> list[dict[str, Any]]:
    """The event of a `page` or `screen`, named so, with its name and category among the properties."""
    told = {name: message.raw[name] for name in ("name", "category") if isinstance(message.raw.get(name), str)}
    return [_event(message, message.kind, {**message.sections["properties"], **told})]


def _items(
    message: SegmentMessage, name: str, rule: Rule, mapping: SegmentMapping, known: TargetExists
) -> list[dict[str, Any]]:
    if rule.purchases is not None:
        return _purchases(message, value_at(rule.purchases, message.sections))
    if rule.interaction is None:
        return [_event(message, rule.event or name)]
    target = _target(message, rule, mapping, known)
    if target is None:  # kept all the same, for whoever listens to events
        return [_event(message, name)]
    own = {f"their_{n}" if n in _OURS else n: value for n, value in message.sections["properties"].items()}
    properties = {**own, **_refinements(message, rule)}
    return [{**_item(message, rule.interaction.value, properties), **target}]


def _target(message: SegmentMessage, rule: Rule, mapping: SegmentMapping, known: TargetExists) -> dict[str, str] | None:
    for kind, values in (("card", rule.card or ()), ("campaign", rule.campaign or mapping.campaign)):
        for value in values:
            id = text_of(value_at(value, message.sections))
            if id and known(kind, id):
                return {kind: id}
    return None


def _refinements(message: SegmentMessage, rule: Rule) -> dict[str, str]:
    told = ((name, getattr(rule, name)) for name in REFINED)
    found = {name: text_of(value_at(value, message.sections)) for name, value in told if value is not None}
    return {name: text for name, text in found.items() if text}


def _purchases(message: SegmentMessage, products: Any) -> list[dict[str, Any]]:
    listed = [one for one in products if isinstance(one, Mapping) and one] if isinstance(products, list) else []
    if len(listed) > MAX_PRODUCTS:
        raise InvalidItem(f"products: {len(listed)} are more than {MOST_PRODUCTS}; send several orders")
    order = message.sections["properties"]
    if not listed:
        return [_item(message, "make_purchase", {**order, **_sold(order)})]
    shared = _shared(order)
    return [
        _item(message, "make_purchase", {**shared, **product, **_sold(product)}, place)
        for place, product in enumerate(listed, 1)
    ]


def _shared(order: Mapping[str, Any]) -> dict[str, Any]:
    """What each purchase keeps of the order: its plain facts, 1 KB of them at most, for each product has a copy."""
    found: dict[str, Any] = {}
    room = _MOST_OF_THE_ORDER
    for name in (*(name for name in _OF_THE_ORDER if name in order), *(n for n in order if n not in _OF_THE_ORDER)):
        value = order[name]
        plain = isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _LONGEST_FACT)
        size = len(canonical_json({name: value}).encode()) if plain and name not in _OF_A_PRODUCT else room + 1
        if size <= room:
            found[name] = value
            room -= size
    return found


def _sold(of: Mapping[str, Any]) -> dict[str, Any]:
    """The product and its price, under the names of design 8."""
    product = next((text for name in _PRODUCT if (text := text_of(of.get(name)))), None)
    price = next((of[name] for name in _PRICE if of.get(name) is not None), None)
    return {name: value for name, value in (("product", product), ("price", price)) if value is not None}


def _event(message: SegmentMessage, name: str, properties: Mapping[str, Any] | None = None) -> dict[str, Any]:
    given = message.sections["properties"] if properties is None else properties
    return _item(message, name if name in _BUILT_IN else "event", given) | {"name": name}


def _item(
    message: SegmentMessage, type: str, properties: Mapping[str, Any], place: int | None = None
) -> dict[str, Any]:
    return {
        "id": message.item_id(place),
        "user": message.user,
        "type": type,
        "occurred_at": message.at,
        "properties": dict(properties),
    }


def _name(message: SegmentMessage) -> str:
    name = message.raw.get("event")
    if not isinstance(name, str) or not name:
        raise InvalidItem("event: is missing or not text; it is the name of what happened")
    if len(name) > MAX_ID_CHARACTERS:
        raise InvalidItem(f"event: has {len(name)} characters; a name has at most {LONGEST_ID}")
    return name
