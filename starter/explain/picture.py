"""Draw what a user did and what became of it, as SVG: the picture of an explanation, by the drawing of `simulate`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.rules.sending.deliveries import DeliveryState
from connector.rules.sending.launching import NAME as LAUNCH
from connector.simulation.picture_layout import Dot, Lane
from connector.simulation.pictures import MAX_LANES, NotDrawable, draw_lanes

_MAX_DOTS = 40
"""How many of the user's interactions are shown, the newest ones, and those that decisions are about."""
_MAX_OUTCOMES = 20
"""How many decisions of one campaign and key are shown, the newest ones."""
_MAX_LABEL, _MAX_NAME = 40, 22
_SHOWN_PROPERTIES = ("name", "alias", "button", "page", "product", "sku")


def draw_explanation(explanation: Mapping[str, Any], log: Mapping[str, Any]) -> str:
    """Return the picture of an explanation: the user's interactions, and a lane for each campaign and key.

    Args:
        explanation: the JSON view of an `Explanation`.
        log: the view of `read_user_log`.

    Raises:
        NotDrawable: there are too many campaigns, or nothing to show.
    """
    dots = _dots(log)
    lanes = [_lane(campaign, key, decisions, dots) for campaign, key, decisions in _decided(explanation)]
    if len(lanes) >= MAX_LANES:
        raise NotDrawable(f"{len(lanes)} campaigns and keys decided about this user; name one with --campaign")
    shown = sorted(dots.values(), key=lambda dot: dot.t)[-_MAX_DOTS:]
    if not lanes and not shown:
        raise NotDrawable("there is nothing to draw: the user did nothing, and nothing was decided")
    first = [Lane(_shorten(explanation["user"], _MAX_NAME), "all interactions", shown)] if shown else []
    title = f"What {explanation['user']} did, and what became of it, as of {explanation['as_of']}"
    return draw_lanes([*first, *lanes], (), title)


def _dots(log: Mapping[str, Any]) -> dict[str, Dot]:
    """Return the user's logged interactions by id."""
    found = {}
    for line in (*log["before"], *log["interactions"]):
        item = line["interaction"]
        what = item.get("name") or item["type"]
        label = _label(what, item.get("campaign") or item.get("card"), item.get("properties", {}))
        found[item["id"]] = Dot(_instant(item["occurred_at"]), label)
    return found


def _decided(explanation: Mapping[str, Any]) -> Iterator[tuple[str, Any, list[Mapping[str, Any]]]]:
    """Yield the decisions by campaign and key, the newest of each, oldest first."""
    for campaign in explanation["campaigns"]:
        by_key: dict[str, list[Mapping[str, Any]]] = {}
        for decision in campaign["chapters"]:
            by_key.setdefault(json.dumps(decision["key"]), []).append(decision)
        for key, decisions in by_key.items():
            yield campaign["campaign"], json.loads(key), decisions[-_MAX_OUTCOMES:]


def _lane(campaign: str, key: Any, decisions: Sequence[Mapping[str, Any]], dots: Mapping[str, Dot]) -> Lane:
    shown: dict[str, Dot] = {}
    for decision in decisions:
        item = decision["interaction"]
        shown[item["id"]] = dots.get(item["id"]) or _dot_of(item)
        for exception in _exceptions(decision):
            if exception in dots:
                shown[exception] = dots[exception]
    name, under = _shorten(campaign, _MAX_NAME), "" if key is None else _shorten(f"key {key}", _MAX_NAME)
    ordered = sorted(shown.values(), key=lambda dot: dot.t)
    return Lane(name, under or " ", ordered, [_outcome(campaign, decision) for decision in decisions])


def _outcome(campaign: str, decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decision by the keys of the output of `simulate`."""
    item, sent = decision["interaction"], DeliveryState.SENT.value
    return {
        "campaign": campaign,
        "user": "",
        "trigger": item["id"],
        "key": decision["key"],
        "triggered_at": item["happened_at"],
        "due_at": decision["due_at"],
        "state": decision["state"],
        "reason": decision["reason"],
        "decided_at": decision["decided_at"],
        "channels": [message["channel"] for message in decision["messages"] if message["state"] == sent],
    }


def _exceptions(decision: Mapping[str, Any]) -> Iterator[str]:
    return (str(one["value"]) for one in decision["looked_at"] if one["name"] == "exception")


def _dot_of(item: Mapping[str, Any]) -> Dot:
    """Return the dot of a trigger that the log does not have: a launch, or one that was deleted."""
    type = item["type"]
    what = "launch" if type == LAUNCH else "not logged any more" if type is None else type
    return Dot(_instant(item["happened_at"]), _label(what, item["campaign"] or item["card"], item["properties"] or {}))


def _label(what: str, target: str | None, properties: Mapping[str, Any]) -> str:
    details = [str(properties[name]) for name in _SHOWN_PROPERTIES if name in properties]
    return _shorten(" ".join([what, *([f"of {target}"] if target else []), *details]), _MAX_LABEL)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
