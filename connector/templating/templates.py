"""Render messages as Liquid templates, within bounds; `checking` finds their faults when they are applied.

Templates see `user`, `campaign`, `trigger` and `event`. A missing value renders as nothing. Values are encoded by the
place at which they stand: in the HTML of emails, and in the URL and the body of webhooks; nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, cast

from pydantic import BaseModel

from connector.rules.model.campaigns import Campaign, Card
from connector.rules.model.errors import ConnectorError
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Interaction
from connector.rules.model.messages import Messages
from connector.rules.model.reasons import Reason
from connector.rules.model.users import User
from connector.rules.sending.deliveries import DeliveryState
from connector.rules.sending.results import SendResult
from connector.templating.dates import RenderMoment
from connector.templating.error_lines import describe_error, line_of
from connector.templating.lexing import find_pieces
from connector.templating.liquid_bounds import ENVIRONMENTS, MessageAborted, Place, Template
from connector.templating.places import place_of

__all__ = [
    "VARIABLES",
    "MessageAborted",
    "RenderMoment",
    "RenderingFailed",
    "is_quick",
    "message_texts",
    "render",
    "result_of_failure",
    "template_texts",
    "template_variables",
    "user_variables",
    "variable_paths",
]

VARIABLES = ("user", "campaign", "trigger", "event")
_LITERAL_KEYS = frozenset({"id", "method"})
"""Keys of messages that are names, not templates."""
_TIME_FILTERS = frozenset({"date", "time_zone"})
_QUICK_CHARACTERS = 10_000
_LOOPS = frozenset({"for", "tablerow", "liquid"})
"""Tags that may repeat their content, or hold others that do."""


class RenderingFailed(ConnectorError):
    """A template could not be rendered (W7). `line` counts from 1 in the template; 0: unknown.

    `place_and_problem` names channel, field, line and problem, and quotes no value of the user.
    """

    def __init__(self, campaign: str, channel: str, field: str, line: int, detail: str) -> None:
        self.place_and_problem = f"{channel}.{field}, line {line}: {detail}"
        super().__init__(f"{campaign}: {self.place_and_problem}")
        self.campaign, self.channel, self.field, self.line, self.detail = campaign, channel, field, line, detail


def template_texts(definition: Campaign | Card) -> Iterator[tuple[str, BaseModel, str, str]]:
    """Yield every template of a definition: its key, its message, its field within the message, and the text."""
    for path, message in _messages(definition):
        for field, text in message_texts(message.model_dump(by_alias=True, exclude={"card"})):
            yield f"{path}.{field}" if path else field, message, field, text


def render(messages: Messages, channel: str, variables: Mapping[str, Any], moment: RenderMoment) -> dict[str, Any]:
    """Return the channel's message with every text rendered, without the fields that it does not have.

    Args:
        variables: plain data by the names in VARIABLES; `campaign` needs an `id`, which faults name.
        moment: what `now` is, and the zone in which times are shown.

    Raises:
        RenderingFailed: a template failed or exceeded its bounds.
        MessageAborted: a template called `abort_message`.
    """
    message: BaseModel = getattr(messages, channel)

    def render_text(field: str, text: str) -> str:
        if "{" not in text:  # no markup
            return text
        try:
            return _parse(text, place_of(message, field)).render_as_of(moment, variables)
        except MessageAborted:
            raise
        except Exception as error:
            # Liquid's own errors and whatever a filter raises on unexpected values: neither may stop a worker.
            campaign = str(variables.get("campaign", {}).get("id", ""))
            raise RenderingFailed(campaign, channel, field, line_of(error, text), describe_error(error)) from None

    return {
        name: value if name in _LITERAL_KEYS else _map_texts(name, value, render_text)
        for name, value in message.model_dump(by_alias=True, exclude_none=True).items()
    }


def result_of_failure(failure: RenderingFailed | MessageAborted) -> SendResult:
    """Return the result of a message that was not rendered: an error is not the author's abort (W7)."""
    if isinstance(failure, MessageAborted):
        return SendResult(DeliveryState.DROPPED, Reason.ABORTED_BY_TEMPLATE, "template_aborted")
    detail = failure.place_and_problem
    return SendResult(DeliveryState.DROPPED, Reason.TEMPLATE_FAILED, "template_fault", detail=detail)


def is_quick(messages: Messages, channel: str, variables: Mapping[str, Any]) -> bool:
    """Return whether rendering the channel's message surely takes little time: short texts and values, and no loop."""
    texts = [text for _, text in message_texts(getattr(messages, channel).model_dump(by_alias=True, exclude_none=True))]
    if sum(map(len, texts)) > _QUICK_CHARACTERS or any("{%" in text and _has_loop(text) for text in texts):
        return False
    return sum(islice(_sizes(variables), _QUICK_CHARACTERS)) <= _QUICK_CHARACTERS


@lru_cache(maxsize=2048)
def _has_loop(text: str) -> bool:
    return any(piece.group("name") in _LOOPS for piece in find_pieces(text) if piece.lastgroup == "TAG")


def _sizes(value: Any) -> Iterator[int]:
    """Yield the size of each part of plain data."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield len(name)
            yield from _sizes(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _sizes(inner)
    else:
        yield len(value) if isinstance(value, str) else 1


def template_variables(follow_up: FollowUp, user: User, campaign: Campaign) -> Mapping[str, Any]:
    """Return what the templates of a follow-up see, by the names in VARIABLES: the user as of now, and the trigger."""
    item = follow_up.trigger.item
    interaction = item if isinstance(item, Interaction) else None
    return {
        "user": user_variables(user),
        "campaign": {"id": campaign.id, "name": campaign.name or campaign.id},
        "trigger": {
            "id": follow_up.trigger.id,
            "type": item.name_or_type,
            "campaign": interaction.campaign if interaction else None,
            "card": interaction.card if interaction else None,
            "occurred_at": follow_up.trigger.t.isoformat(),
            "properties": item.properties,
        },
        "event": {**item.properties, "name": item.name_or_type, "properties": item.properties},
    }


def user_variables(user: User) -> Mapping[str, Any]:
    """Return what templates see of a user: attributes and fields, without push tokens."""
    return {**user.attributes, **user.model_dump(mode="json", exclude={"push_tokens"})}


def variable_paths(messages: Messages, channel: str) -> frozenset[tuple[str | int, ...]] | None:
    """Return the paths of all variables on which the rendered message depends, like ("user", "first_name").

    None if it depends on more: on the time, or on computed names.
    """
    paths: set[tuple[str | int, ...]] = set()
    message: BaseModel = getattr(messages, channel)
    for field, text in message_texts(message.model_dump(by_alias=True, exclude_none=True)):
        analysis = _parse(text, place_of(message, field)).analyze()
        segments = [variable.segments for uses in analysis.globals.values() for variable in uses]
        is_computed = any(isinstance(part, list) for path in segments for part in path)
        if is_computed or not _TIME_FILTERS.isdisjoint(analysis.filters):
            return None
        paths.update(cast("tuple[str | int, ...]", tuple(path)) for path in segments)
    return frozenset(paths)


def _map_texts(field: str, value: Any, change: Callable[[str, str], str]) -> Any:
    """Return the value with `change` applied to every text in it; `change` gets the dotted field and the text."""
    if isinstance(value, str):
        return change(field, value)
    if isinstance(value, Mapping):
        return {
            name: inner if name in _LITERAL_KEYS else _map_texts(f"{field}.{name}", inner, change)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_map_texts(f"{field}[{number}]", inner, change) for number, inner in enumerate(value)]
    return value


def message_texts(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the texts of a message with their dotted fields."""
    texts: list[tuple[str, str]] = []

    def collect(field: str, text: str) -> str:
        texts.append((field, text))
        return text

    for name, value in message.items():
        if name not in _LITERAL_KEYS:
            _map_texts(name, value, collect)
    return texts


def _messages(definition: Campaign | Card) -> Iterator[tuple[str, BaseModel]]:
    """Yield the parts of a definition that have templates, with their dotted paths."""
    if isinstance(definition, Card):
        yield "", definition
        return
    contents = [("messages", definition.messages)] if definition.messages else []
    contents += [(f"variants[{n}].messages", v.messages) for n, v in enumerate(definition.variants or ())]
    for path, messages in contents:
        for channel in messages.channels:
            yield f"{path}.{channel}", getattr(messages, channel)


@lru_cache(maxsize=2048)
def _parse(text: str, place: Place) -> Template:
    return cast(Template, ENVIRONMENTS[place].from_string(text))
