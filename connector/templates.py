"""Messages as Liquid templates: checked when they are applied, rendered within bounds when they are sent.

Templates see `user`, `campaign`, `trigger` and `event`. Values are escaped in the HTML of emails, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, TextIO

from liquid import Environment, RenderContext, Token, TokenStream
from liquid.ast import Node
from liquid.exceptions import LiquidError
from liquid.tag import Tag
from pydantic import BaseModel

from connector.rules.campaigns import Campaign, Card
from connector.rules.errors import ConnectorError, Fault
from connector.rules.messages import Messages

VARIABLES = frozenset({"user", "campaign", "trigger", "event"})
_LONGEST_OUTPUT = 1_000_000
_MOST_ITERATIONS = 10_000
_MOST_LOCAL_BYTES = 1_000_000


class TemplateFault(ConnectorError):
    """A template could not be rendered. The text names campaign-independent facts only: field, line, what was wrong."""


class Aborted(ConnectorError):
    """The template called `{% abort_message %}`: this message is not to be sent."""


class _AbortNode(Node):
    def render_to_output(self, _context: RenderContext, _buffer: TextIO) -> int:
        raise Aborted("the template aborted the message")


class _AbortTag(Tag):
    """`{% abort_message %}` or `{% abort_message('why') %}`."""

    name = "abort_message"
    block = False

    def parse(self, stream: TokenStream) -> Node:
        """Take the tag with whatever reason it gives, which is for the reader of the template."""
        return _AbortNode(stream.eat("tag"))


class _Bounded(Environment):
    """No loop, text or nesting that could hold up a worker."""

    output_stream_limit = _LONGEST_OUTPUT
    loop_iteration_limit = _MOST_ITERATIONS
    local_namespace_limit = _MOST_LOCAL_BYTES
    context_depth_limit = 20

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """The standard tags without those that load other templates, and ours."""
        super().setup_tags_and_filters(extra=extra)
        for name in ("include", "render"):
            self.tags.pop(name, None)
        self.add_tag(_AbortTag)


_PLAIN = _Bounded()
_HTML = _Bounded(autoescape=True)


def check_templates(definition: Campaign | Card) -> list[Fault]:
    """Every fault in the templates of a definition, with its field, the line in the template, and the variable.

    Faults are broken syntax, unknown filters, and variables other than user, campaign, trigger and event.
    """
    return [
        Fault(f"{place}.{field}", f"in {definition.id}: {problem}")
        for place, content in _contents(definition)
        for field, text in _texts(content)
        for problem in _problems(text, html=_is_html(place, field))
    ]


def render(messages: Messages, channel: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The channel's message with every text rendered, as a plain mapping.

    Raises:
        TemplateFault: a template failed or grew beyond its bounds. Aborted: it asked not to be sent.
    """
    message: BaseModel = getattr(messages, channel)
    plain = message.model_dump(by_alias=True)
    return {name: _rendered(value, variables, f"{channel}.{name}") for name, value in plain.items()}


def _rendered(value: Any, variables: Mapping[str, Any], place: str) -> Any:
    if isinstance(value, str):
        try:
            return _parsed(value, place == "email.html").render(**variables)
        except LiquidError as error:
            raise TemplateFault(f"{place}, line {_line(error)}: {_words(error)}") from None
    if isinstance(value, Mapping):
        return {name: _rendered(part, variables, place) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rendered(part, variables, place) for part in value]
    return value


@lru_cache(maxsize=4096)
def _parsed(text: str, html: bool) -> Any:
    return (_HTML if html else _PLAIN).from_string(text)


def _problems(text: str, *, html: bool) -> Iterator[str]:
    try:
        found = _parsed(text, html).analyze()
    except LiquidError as error:
        yield f"line {_line(error)}: {_words(error)}"
        return
    for name, spans in found.globals.items():
        if name not in VARIABLES:
            line = text.count("\n", 0, spans[0].span.index) + 1
            yield f"line {line}: {spans[0]} is not known; templates see {', '.join(sorted(VARIABLES))}"
    for name, places in found.filters.items():
        if name not in _PLAIN.filters:
            line = text.count("\n", 0, places[0].index) + 1
            yield f"line {line}: there is no filter {name!r}"


def _contents(definition: Campaign | Card) -> Iterator[tuple[str, BaseModel]]:
    if isinstance(definition, Card):
        yield "card", definition
        return
    held = [("messages", definition.messages)] if definition.messages else []
    held += [(f"variants.{variant.name}", variant.messages) for variant in definition.variants or ()]
    for place, messages in held:
        for channel in messages.channels:
            yield f"{place}.{channel}", getattr(messages, channel)


def _texts(content: BaseModel) -> Iterator[tuple[str, str]]:
    for name, value in content.model_dump(by_alias=True, exclude={"card"}).items():
        yield from _strings(name, value)


def _strings(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for part, inner in value.items():
            yield from _strings(f"{name}.{part}", inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _strings(f"{name}.{number}", inner)


def _is_html(place: str, field: str) -> bool:
    return place.endswith(".email") and field == "html"


def _line(error: LiquidError) -> int:
    token: Token | None = error.token
    return 1 if token is None else token.source.count("\n", 0, token.start_index) + 1


def _words(error: LiquidError) -> str:
    return str(error.args[0]) if error.args else type(error).__name__
