"""Messages as Liquid templates: checked when they are applied, rendered within bounds when they are sent.

Templates see `user`, `campaign`, `trigger` and `event`. What is not there renders as nothing. Values are escaped in the
HTML of emails, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache, partial
from typing import Any, cast

from liquid import BoundTemplate
from liquid.exceptions import LiquidError, LiquidSyntaxError
from pydantic import BaseModel

from connector.rules.model.campaigns import Campaign, Card
from connector.rules.model.errors import ConnectorError, Fault
from connector.rules.model.messages import Messages
from connector.templating.liquid_bounds import HTML, PLAIN, MessageAborted

__all__ = ["VARIABLES", "Aborted", "TemplateFault", "check_templates", "looked_up", "render"]

VARIABLES = ("user", "campaign", "trigger", "event")
_LITERAL = frozenset({"id", "method"})
"""Keys of messages that are names, not templates."""
_MARKUP = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_MOST_MARKUP = 500
"""How many pieces of markup are tried to find the line of an error that Liquid does not place."""


class RenderingFailed(ConnectorError):
    """A template could not be rendered. `line` counts from 1 in the template, 0 where it is not known.

    `detail` may quote the user's data: keep it out of Temporal and of logs.
    """

    def __init__(self, campaign: str, channel: str, field: str, line: int, detail: str) -> None:
        super().__init__(f"{campaign}: {channel}.{field}, line {line}: {detail}")
        self.campaign, self.channel, self.field, self.line, self.detail = campaign, channel, field, line, detail


def check_templates(definition: Campaign | Card) -> list[Fault]:
    """Every fault in a definition's templates: broken syntax, unknown filters and tags, unknown variables.

    The faults' keys are the fields' dotted paths; their problems name the campaign and the line within the template.
    """
    return [
        Fault(f"{path}.{field}" if path else field, f"in {definition.id}, line {line} of the template: {problem}")
        for path, message in _messages(definition)
        for field, text in _texts(message.model_dump(by_alias=True, exclude={"card"}))
        for line, problem in _problems(text, html=path.endswith("email") and field == "html")
    ]


def render(messages: Messages, channel: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The channel's message with every text rendered, as a plain mapping without the fields that it does not have.

    Args:
        variables: plain data by the names of VARIABLES; `campaign` with its `id`, which faults name.

    Raises:
        TemplateFault: a template failed, or grew beyond its bounds.
        Aborted: a template asked that the message be not sent.
    """
    message: BaseModel = getattr(messages, channel)

    def rendered(field: str, text: str) -> str:
        if "{" not in text:  # no markup
            return text
        try:
            return _parsed(text, channel == "email" and field == "html").render(**variables)
        except MessageAborted:
            raise
        except Exception as error:
            # Liquid's own errors and whatever a filter did not expect of its values: neither may stop a worker.
            campaign = str(variables.get("campaign", {}).get("id", ""))
            raise RenderingFailed(campaign, channel, field, _line(error, text), _words(error)) from None

    return {
        name: value if name in _LITERAL else _mapped(name, value, rendered)
        for name, value in message.model_dump(by_alias=True, exclude_none=True).items()
    }


def variable_paths(messages: Messages, channel: str) -> frozenset[tuple[str | int, ...]] | None:
    """The paths of all variables on which rendering the channel's message depends, like ("user", "first_name").

    None where it depends on more: on the time, or on names that are computed.
    """
    paths: set[tuple[str | int, ...]] = set()
    for field, text in _texts(getattr(messages, channel).model_dump(by_alias=True, exclude_none=True)):
        found = _parsed(text, channel == "email" and field == "html").analyze()
        segments = [variable.segments for uses in found.globals.values() for variable in uses]
        if "date" in found.filters or any(isinstance(part, list) for path in segments for part in path):
            return None
        paths.update(cast("tuple[str | int, ...]", tuple(path)) for path in segments)
    return frozenset(paths)


def _mapped(field: str, value: Any, change: Callable[[str, str], str]) -> Any:
    """The value with every template in it changed; `change` gets its dotted field and its text."""
    if isinstance(value, str):
        return change(field, value)
    if isinstance(value, Mapping):
        return {
            name: inner if name in _LITERAL else _mapped(f"{field}.{name}", inner, change)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_mapped(f"{field}[{number}]", inner, change) for number, inner in enumerate(value)]
    return value


def _texts(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The templates of a message with their dotted fields."""
    found: list[tuple[str, str]] = []

    def noted(field: str, text: str) -> str:
        found.append((field, text))
        return text

    for name, value in message.items():
        if name not in _LITERAL:
            _mapped(name, value, noted)
    return found


def _messages(definition: Campaign | Card) -> Iterator[tuple[str, BaseModel]]:
    """What has templates, with the path at which it stands in the definition."""
    if isinstance(definition, Card):
        yield "", definition
        return
    contents = [("messages", definition.messages)] if definition.messages else []
    contents += [(f"variants[{n}].messages", v.messages) for n, v in enumerate(definition.variants or ())]
    for path, messages in contents:
        for channel in messages.channels:
            yield f"{path}.{channel}", getattr(messages, channel)


@lru_cache(maxsize=2048)
def _parsed(text: str, html: bool) -> BoundTemplate:
    return (HTML if html else PLAIN).from_string(text)


def _problems(text: str, *, html: bool) -> Iterator[tuple[int, str]]:
    """The problems of one template with their lines."""
    try:
        found = _parsed(text, html).analyze()
    except (LiquidError, RecursionError) as error:
        yield _line(error, text), _words(error)
        return
    at = partial(_line_at, text)
    for name, uses in found.globals.items():
        if name not in VARIABLES:
            yield at(uses[0].span.index), f"unknown variable {uses[0]}; {_known(name, VARIABLES)}"
    for name, spans in found.filters.items():
        if name not in PLAIN.filters:
            yield at(spans[0].index), f"unknown filter {name}; {_known(name, sorted(PLAIN.filters))}"


def _known(name: str, names: list[str] | tuple[str, ...]) -> str:
    near = get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"


def _line_at(text: str, index: int) -> int:
    return text.count("\n", 0, index) + 1


def _line(error: Exception, text: str) -> int:
    token = error.token if isinstance(error, LiquidError) else None
    if token is not None and token.start_index >= 0:
        return _line_at(text, token.start_index)
    return _unplaced_line(error, text) if isinstance(error, LiquidSyntaxError) else 0


def _unplaced_line(error: LiquidSyntaxError, text: str) -> int:
    """The line of an error that Liquid found where an expression or the whole template ended too early.

    An expression's is where the text up to it begins to give this error; that of a block which nothing ends is after
    the longest part that is right.
    """
    pieces = list(_MARKUP.finditer(text))[:_MOST_MARKUP]
    words = [(piece, _error_of(text[: piece.end()])) for piece in pieces]
    if _words(error).startswith("expected tag end"):
        right = [number for number, (_, said) in enumerate(words) if said is None]
        after = right[-1] + 1 if right else 0
        return _line_at(text, pieces[after].start()) if after < len(pieces) else 0
    return next((_line_at(text, piece.start()) for piece, said in words if said == _words(error)), 0)


def _error_of(text: str) -> str | None:
    try:
        PLAIN.from_string(text)
    except LiquidError as error:
        return _words(error)
    return None


def _words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deep"
    return str(error.args[0]) if isinstance(error, LiquidError) and error.args else type(error).__name__
