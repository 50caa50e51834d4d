"""Render the messages of a composition for its previews, by the functions that render what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import ValidationError

from connector.app.store_context import StoreContext
from connector.rules.explaining.wording import REASON_TEXTS
from connector.rules.model.campaigns import Card
from connector.rules.model.messages import Messages
from connector.rules.model.reasons import Reason
from connector.rules.model.segments import count_segments
from connector.rules.model.users import User
from connector.store.users.users import find_user
from connector.templating.templates import (
    MessageAborted,
    RenderingFailed,
    RenderMoment,
    render,
    user_variables,
)
from connector.templating.threads import run_in_thread

SAMPLE = User(
    id="sample",
    email="ana@shop.example",
    phone="+4915112345678",
    first_name="Ana",
    time_zone="Europe/Berlin",
    attributes={"tier": "gold"},
)
"""The user of a preview for whom nobody was chosen."""


async def load_preview_user(context: StoreContext, id: str) -> User | None:
    """Return a user by an id that services use; None if nobody has it."""
    async with context.database.read(context.workspace) as tx:
        stored = await find_user(tx, id)
    return stored.user if stored else None


async def render_channel(
    message: Any, channel: str, definition: Mapping[str, Any], user: User, at: datetime, zone: str
) -> dict[str, Any]:
    """Return the message of one channel as `user` would get it: `content`, or `fault` that says why there is none.

    Args:
        message: the message as the definition has it; it may have faults.
        at: as of when it is rendered, UTC; `zone` is the company's.
    """
    is_card = channel == "card"
    try:
        if is_card:
            card = Card.model_validate({name: v for name, v in definition.items() if name in Card.model_fields})
            content = {"title": card.title, "body": card.body, "link": card.link}
            messages = Messages.model_validate({"news_feed_card": {k: v for k, v in content.items() if v is not None}})
        else:
            messages = Messages.model_validate({channel: message})
    except ValidationError:
        return {"content": None, "fault": "The preview appears when the message has no faults."}
    variables = _variables(definition, user)
    moment = RenderMoment(at, user.time_zone or zone)
    try:
        rendered = await run_in_thread(
            partial(render, messages, "news_feed_card" if is_card else channel, variables, moment)
        )
    except MessageAborted as error:
        return {"content": None, "fault": f"{REASON_TEXTS[Reason.ABORTED_BY_TEMPLATE]}: {error}"}
    except RenderingFailed as error:
        return {"content": None, "fault": error.place_and_problem}
    size = count_segments(rendered["body"]) if channel == "sms" else None
    return {"content": rendered, "fault": None, "size": size}


def _variables(definition: Mapping[str, Any], user: User) -> Mapping[str, Any]:
    id = str(definition.get("campaign") or "")
    trigger = _first_trigger(definition)
    properties: dict[str, Any] = {name: trigger[name] for name in ("button", "alias", "url", "page") if name in trigger}
    where = trigger.get("where")
    properties = {**properties, **(where if isinstance(where, dict) else {})}
    name = str(trigger.get("event") or trigger.get("interaction") or "")
    return {
        "user": user_variables(user),
        "campaign": {"id": id, "name": definition.get("name") or id},
        "trigger": {"type": name, "campaign": trigger.get("campaign"), "properties": properties},
        "event": {**properties, "name": name, "properties": properties},
    }


def _first_trigger(definition: Mapping[str, Any]) -> dict[str, Any]:
    delivery = definition.get("delivery")
    triggers = delivery.get("trigger") if isinstance(delivery, dict) else None
    first = triggers[0] if isinstance(triggers, list) and triggers else None
    return first if isinstance(first, dict) else {}
