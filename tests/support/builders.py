"""Definitions, interactions and events in wire form: `o` is the original, `f` a follow-on of a push of it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.rules.sending.deliveries import DeliveryRecord, DeliveryState

PUSH = {"push": {"title": "Hi", "body": "there"}}
BASE = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)  # noqa: TID251 - a test's "now"


def now() -> datetime:
    """Return the time by the machine's clock, which servers and databases use too."""
    return datetime.now(UTC)  # noqa: TID251 - a test's "now"


def at(minutes: float) -> str:
    """Return the time this many minutes after `BASE`, in wire form."""
    return (BASE + timedelta(minutes=minutes)).isoformat()


def external(name: str = "o") -> dict[str, Any]:
    """An original that another system sends."""
    return {"campaign": name, "delivery": {"type": "external"}}


def original(
    send: Any = "at_publish", per_minute: int | None = None, stale_after: str | None = None, **top: Any
) -> dict[str, Any]:
    """The original as a scheduled campaign of this system, by default by push."""
    delivery = {"type": "scheduled", "send": send, "per_minute": per_minute, "stale_after": stale_after}
    return {"campaign": "o", "delivery": delivery, "messages": PUSH, **top}


def follow_on(name: str, *triggers: Any, **delivery: Any) -> dict[str, Any]:
    """A follow-on, by default by push.

    Args:
        triggers: one or several, or one list of them.
        delivery: what stands under `delivery`; the keys that stand beside it go to the top.
    """
    beside = ("audience", "control_group", "messages", "variants", "conversions")
    top = {key: delivery.pop(key) for key in beside if key in delivery}
    [first, *rest] = triggers
    listed = first if isinstance(first, list) else [first, *rest]
    return {
        "campaign": name,
        "delivery": {"type": "action_based", "trigger": listed, **delivery},
        "messages": PUSH,
        **top,
    }


def listener(
    name: str, interaction: str, refinements: Mapping[str, Any] | None = None, **delivery: Any
) -> dict[str, Any]:
    """A follow-on that one kind of interaction with the original triggers."""
    return follow_on(name, {"interaction": interaction, "campaign": "o", **(refinements or {})}, **delivery)


ORIGINAL = external()
PUSHED = {"interaction": "receive_push", "campaign": "o"}
OPENED = {"interaction": "open_push", "campaign": "o"}
BOUGHT = {"event": "make_purchase"}
ALIAS = listener("alias", "click_email_alias", {"alias": "main"})
ABANDONED = follow_on("f", PUSHED, delay={"after": "12 hours"}, exceptions=[BOUGHT, OPENED])


def push(id: str, minutes: float, user: str = "u", **properties: Any) -> dict[str, Any]:
    """A push of the original that was received."""
    return _item(id, minutes, user, properties, type="receive_push", campaign="o")


def opened(id: str, minutes: float, user: str = "u", **properties: Any) -> dict[str, Any]:
    """An open of the original's push."""
    return _item(id, minutes, user, properties, type="open_push", campaign="o")


def buy(id: str, minutes: float, user: str = "u", **properties: Any) -> dict[str, Any]:
    """A purchase."""
    return _item(id, minutes, user, properties, type="make_purchase")


def _item(id: str, minutes: float, user: str, properties: Mapping[str, Any], **kind: str) -> dict[str, Any]:
    return {"id": id, "user": user, "occurred_at": at(minutes), "properties": dict(properties), **kind}


def delivery_record(id: str, campaign: str, channel: str, **fields: Any) -> DeliveryRecord:
    """A stored delivery of somebody's follow-up."""
    keys = {"follow_up_id": "p", "user_key": "k"}
    return DeliveryRecord(id=id, channel=channel, campaign=campaign, **{**keys, "state": DeliveryState.SENT, **fields})
