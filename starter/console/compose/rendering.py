"""Render the messages of a composition for its previews, by the functions that render what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import ValidationError

from connector.app.store_context import StoreContext
from connector.definitions.yaml_editing import Path
from connector.rules.explaining.wording import REASON_TEXTS
from connector.rules.model.errors import ConnectorError
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
from starter.console.compose.composition import Composition
from starter.operations.preview_choice import Choice
from starter.operations.preview_messages import preview_messages

SAMPLE = User(
    id="sample",
    email="ana@shop.example",
    phone="+4915112345678",
    first_name="Ana",
    time_zone="Europe/Berlin",
    attributes={"tier": "gold"},
)
"""The user of a preview if none was chosen."""
_PROFILE = SAMPLE.model_dump(mode="json", include={"email", "phone", "first_name", "time_zone", "attributes"})


async def load_preview_user(context: StoreContext, id: str) -> User | None:
    """Return a user by an id that services use; None if no user has it."""
    async with context.database.read(context.workspace) as tx:
        stored = await find_user(tx, id)
    return stored.user if stored else None


class Previews:
    """The rendered messages of one composition.

    A definition without faults is previewed by the operation that the command line and the API use, with what decides
    now. While other parts of it have faults, its messages are rendered alone.

    Args:
        user: who would get them; None: an example.
        now: as of when it is rendered, UTC; `zone` is the company's.
    """

    def __init__(
        self, context: StoreContext, composition: Composition, user: User | None, now: datetime, zone: str
    ) -> None:
        self._context, self._composition, self._user = context, composition, user
        self._now, self._zone = now, zone
        self._loaded: dict[Path, dict[str, Any] | None] = {}

    async def load(self, path: Path, channel: str, *, is_whole: bool) -> dict[str, Any]:
        """Return the message at a path: `content`, or `fault` that says why there is none; `size` of a text message.

        `words` says how it would come out for the chosen user; None for the example.

        Args:
            is_whole: whether the definition has no faults.
        """
        found = await self._operation(path[:-1]) if is_whole and channel != "card" else None
        shown = next((one for one in found["messages"] if one["channel"] == channel), None) if found else None
        if shown is None:
            return await self._alone(path, channel)
        fault, content = shown["fault"], shown["content"]
        why = fault and ": ".join(part for part in (fault["words"], fault["detail"]) if part)
        missing = sorted({one["variable"] for one in shown["missing"]})
        words = shown["words"] if self._user else None
        size = shown["form"] if channel == "sms" and shown["form"] else _size(channel, content)
        return {"content": content, "fault": why, "size": size, "words": words, "missing": missing}

    async def _operation(self, contents: Path) -> dict[str, Any] | None:
        """Return the preview of the content at a path; None if the operation has none."""
        if contents not in self._loaded:
            name = self._composition.value((*contents[:-1], "name")) if contents[:1] == ("variants",) else None
            choice = Choice(
                campaign=self._composition.id,
                definition=self._composition.text,
                user=self._user.id if self._user else None,
                profile=None if self._user else _PROFILE,
                variant=name,
            )
            try:
                self._loaded[contents] = await preview_messages(self._context, choice)
            except ConnectorError:
                self._loaded[contents] = None
        return self._loaded[contents]

    async def _alone(self, path: Path, channel: str) -> dict[str, Any]:
        definition, user = self._composition.definition, self._user or SAMPLE
        try:
            name, messages = _messages(definition, self._composition.value(path), channel)
        except ValidationError:
            return {"content": None, "fault": "The preview appears when the message has no faults."}
        moment = RenderMoment(self._now, user.time_zone or self._zone)
        try:
            content = await run_in_thread(partial(render, messages, name, _variables(definition, user), moment))
        except MessageAborted as error:
            return {"content": None, "fault": f"{REASON_TEXTS[Reason.ABORTED_BY_TEMPLATE]}: {error}"}
        except RenderingFailed as error:
            return {"content": None, "fault": error.place_and_problem}
        return {"content": content, "fault": None, "size": _size(channel, content)}


def _messages(definition: Mapping[str, Any], message: Any, channel: str) -> tuple[str, Messages]:
    """Return the name of a channel and messages of this channel alone; raises ValidationError."""
    if channel != "card":
        return channel, Messages.model_validate({channel: message})
    card = {name: definition[name] for name in ("title", "body", "link") if definition.get(name) is not None}
    return "news_feed_card", Messages.model_validate({"news_feed_card": card})


def _size(channel: str, content: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return vars(count_segments(content["body"])) if channel == "sms" and content else None


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
