"""Liquid environments that bound time and size, and encode values by their place.

Marketers write templates and anyone can supply the values in them: neither may block a worker or exhaust its memory,
and a value must not become a part of the structure that it is written into.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial, wraps
from html import escape
from io import StringIO
from typing import Any, Literal, TextIO, cast, get_args

from liquid import BoundTemplate, Environment, Markup, RenderContext, Token, TokenStream
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression, StringLiteral
from liquid.builtin.expressions import Literal as LiteralExpression
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.cycle_tag import CycleNode, CycleTag
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.builtin.tags.ifchanged_tag import IfChangedNode, IfChangedTag
from liquid.exceptions import LiquidError, LiquidSyntaxError, ResourceLimitError
from liquid.extra import JSON
from liquid.filter import sequence_filter, string_filter, with_environment
from liquid.stringify import to_liquid_string
from liquid.tag import Tag
from liquid.token import TOKEN_EXPRESSION, TOKEN_TAG
from liquid.undefined import is_undefined

from connector.rules.model.errors import ConnectorError
from connector.rules.model.html_source import decode_references, strip_tags
from connector.rules.model.values import EARLIEST
from connector.templating.comparisons import adapt_comparisons
from connector.templating.dates import FILTERS as DATE_FILTERS
from connector.templating.dates import RenderMoment
from connector.templating.encoding import ENCODINGS, EncodingBuffer, Form, encoded, text_of, writable
from connector.templating.filter_faults import call_filter
from connector.templating.lexing import tokenize

MAX_OUTPUT_BYTES = 1_000_000
MAX_CPU_SECONDS = 1.0
"""The processor time of one template, checked on every variable and filter.

Not wall-clock time: a pause of the machine would change the result of the same template.
"""
_MAX_ITERATIONS = 10_000
_MAX_TEXT_CHARACTERS = 100_000
_MAX_ITEMS = 1_000
_MAX_BITS = 1_024
_TEXT_FILTERS = "liquid.builtin.filters.string"
"""The library's module of filters of texts."""
_GROWING = frozenset({"replace", "join"})
"""Filters whose result may be as long as the product of their arguments."""
Place = Literal["text", "html", "json", "url", "form"]
"""What a template writes, by which its values are encoded."""
_REASON = re.compile(r"""\s*(\(\s*('[^']*'|"[^"]*")?\s*\))?\s*""")


class MessageAborted(ConnectorError):
    """The template called `{% abort_message %}`: do not send this message. The text is the template's reason."""


class _AbortNode(Node):
    def __init__(self, token: Token, reason: str) -> None:
        super().__init__(token)
        self.reason = reason
        self.blank = False

    def render_to_output(self, _context: RenderContext, _buffer: TextIO) -> int:
        """Abort the message."""
        raise MessageAborted(self.reason)


class _AbortTag(Tag):
    """`{% abort_message %}`, optionally with a reason for readers of the template: `{% abort_message('why') %}`."""

    name = "abort_message"
    block = False

    def parse(self, stream: TokenStream) -> Node:
        """Parse the tag and its reason, a quoted text; leaves the stream on the tag's last token."""
        token = stream.expect(TOKEN_TAG)
        if stream.peek.kind != TOKEN_EXPRESSION:
            return _AbortNode(token, "")
        next(stream)
        match = _REASON.fullmatch(stream.current.value)
        if match is None:
            raise LiquidSyntaxError("write abort_message, or abort_message('why')", token=token)
        return _AbortNode(token, (match[2] or "")[1:-1])


class _Context(RenderContext):
    """Checks the time on every variable and filter, and the size of the arguments and results of filters."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = time.thread_time() + MAX_CPU_SECONDS
        self.moment = RenderMoment(EARLIEST, "UTC")
        self.last_token: Token | None = None

    def get(self, path: list[object], *, token: Token | None, **kwargs: Any) -> object:
        """Return a variable's value; null is a missing one (M9). Raises ResourceLimitError after the time limit."""
        self._check_time(token)
        value = super().get(path, token=token, **kwargs)
        return self.env.undefined(str(path[0]), token=token) if value is None and not kwargs else value

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """Return the filter of that name, bounded in size; raises ResourceLimitError after the time limit."""
        self._check_time(token)
        return partial(_apply_bounded, name, super().filter(name, token), token)

    def _check_time(self, token: Token | None) -> None:
        self.last_token = token or self.last_token
        if time.thread_time() > self._deadline:
            raise ResourceLimitError(f"takes longer than {MAX_CPU_SECONDS} s", token=token)


def _apply_bounded(
    name: str, function: Callable[..., object], token: Token | None, *args: Any, **kwargs: Any
) -> object:
    sizes = [_checked_size(name, value, token) for value in args]
    if _module_of(function) == _TEXT_FILTERS:  # which would write Python's words for these
        args = tuple(text_of(value) if isinstance(value, bool | dict) else value for value in args)
    if name in _GROWING and sizes[0] * sizes[-1] > 50 * MAX_OUTPUT_BYTES:
        raise ResourceLimitError(f"{name} would produce too long a text", token=token)
    result = call_filter(name, function, token, args, kwargs)
    _checked_size(name, result, token)
    return result


def _module_of(function: Callable[..., object]) -> str:
    return getattr(function.func if isinstance(function, partial) else function, "__module__", "")


def _checked_size(name: str, value: object, token: Token | None) -> int:
    """Return the size of a value; raises ResourceLimitError if it is too large for a filter."""
    if isinstance(value, str) and len(value) > _MAX_TEXT_CHARACTERS:
        raise ResourceLimitError(f"{name}: a text of more than {_MAX_TEXT_CHARACTERS} characters", token=token)
    if isinstance(value, list | tuple | range) and len(value) > _MAX_ITEMS:
        raise ResourceLimitError(f"{name}: a list of more than {_MAX_ITEMS} items", token=token)
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise ResourceLimitError(f"{name}: too large a number", token=token)
    return len(value) if isinstance(value, str | list | tuple | range) else 1


@with_environment
@string_filter
def _strip_html(text: str, *, environment: Environment) -> str:
    """Return the text without HTML tags, as the library does, but in linear time."""
    stripped = strip_tags(text) if "<" in text and ">" in text else text
    return Markup(stripped) if environment.autoescape and isinstance(text, Markup) else stripped


@with_environment
@string_filter
def _escape_once(text: str, *, environment: Environment) -> str:
    """Return the text escaped for HTML, with its references kept; the library fails on one of thousands of digits."""
    decoded = decode_references(str(text))
    return decoded if environment.autoescape else escape(decoded)


@with_environment
@string_filter
def _raw(text: str, *, environment: Environment) -> str:
    """Return the text, marked so that it is not encoded."""
    return Markup(text) if environment.autoescape else encoded(text, "raw")


def _joining(join: Callable[..., Any]) -> Callable[..., Any]:
    """Return the library's `join` for items as they are written elsewhere: a missing item is nothing, true is
    `true`."""

    @with_environment
    @sequence_filter
    def joined(items: Iterable[object], separator: object = " ", *, environment: Environment) -> Any:
        texts = [item if isinstance(item, str) else text_of(item) for item in items]
        return join(texts, separator, environment=environment)

    return joined


def _json_of(value: object) -> None:
    """Return the JSON of a missing value. Raises TypeError for what JSON cannot express."""
    if not is_undefined(value):
        raise TypeError(f"{type(value).__name__} is not JSON")


def _marking(function: Callable[..., Any], form: Form) -> Callable[..., Any]:
    """Return a filter whose results are marked as encoded in this form."""

    @wraps(function)
    def marked(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return encoded(result, form) if type(result) is str else result

    return marked


class _OutputNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Write a value, encoded by its place; a quoted text is the author's own."""
        value, expression = self.expression.evaluate(context), self.expression
        if not isinstance(buffer, EncodingBuffer):
            return buffer.write(to_liquid_string(writable(value), autoescape=context.autoescape))
        is_bare = isinstance(expression, FilteredExpression) and not expression.filters
        if is_bare and isinstance(cast(FilteredExpression, expression).left, StringLiteral):
            return buffer.write(str(value))
        return buffer.write_value(value)


class _CycleNode(CycleNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Write the next of the values, encoded by its place unless all are the author's own."""
        if not isinstance(buffer, EncodingBuffer) or all(isinstance(arg, LiteralExpression) for arg in self.args):
            return super().render_to_output(context, buffer)
        value = StringIO()
        super().render_to_output(context, value)
        return buffer.write_value(value.getvalue())


class _IfChangedNode(IfChangedNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Write the block if its output differs from the last one, with its values encoded by their places."""
        if not isinstance(buffer, EncodingBuffer):
            return super().render_to_output(context, buffer)
        part = buffer.part()
        self.block.render(context, part)
        text = part.getvalue()
        return buffer.write(text) if context.ifchanged(text) else 0


_WRITING_TAGS = (
    (Output, _OutputNode),
    (EchoTag, _OutputNode),
    (CycleTag, _CycleNode),
    (IfChangedTag, _IfChangedNode),
)


class Template(BoundTemplate):
    """A parsed template."""

    context_class = _Context

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        adapt_comparisons(self)

    def render_as_of(self, moment: RenderMoment, variables: Mapping[str, Any]) -> str:
        """Return the rendered text; raises LiquidError with the place of the fault, and MessageAborted."""
        context = _Context(self, globals=self.make_globals(variables))
        context.moment = moment
        buffer = self._get_buffer()
        try:
            self.render_with_context(context, buffer)
        except LiquidError as error:
            error.token = error.token or context.last_token
            raise
        return buffer.getvalue()

    def _get_buffer(self) -> StringIO:
        encoding = ENCODINGS.get(cast(_BoundedEnvironment, self.env).place)
        return EncodingBuffer(MAX_OUTPUT_BYTES, encoding()) if encoding else super()._get_buffer()


class _BoundedEnvironment(Environment):
    """The standard tags and filters, without those that load other templates, plus `abort_message`, `json` and `raw`.

    Args:
        place: what the templates write; "html" escapes all values alike, "text" none.
    """

    def __init__(self, place: Place) -> None:
        self.place: Place = place
        super().__init__(autoescape=place == "html")

    output_stream_limit = MAX_OUTPUT_BYTES
    loop_iteration_limit = _MAX_ITERATIONS
    local_namespace_limit = MAX_OUTPUT_BYTES
    context_depth_limit = 30
    template_class = Template

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Register tags and filters; called once per environment."""
        super().setup_tags_and_filters(extra=extra)
        for name in ("include", "render"):
            del self.tags[name]
        self.add_tag(_AbortTag)
        for tag, node in _WRITING_TAGS:
            self.add_tag(type(tag.__name__, (tag,), {"node_class": node}))
        for name, function in DATE_FILTERS.items():
            self.add_filter(name, function)
        self.add_filter("join", _joining(self.filters["join"]))
        self.add_filter("json", _marking(JSON(default=_json_of), "json"))
        self.add_filter("escapejs", _marking(self.filters["escapejs"], "json_content"))
        self.add_filter("url_encode", _marking(self.filters["url_encode"], "url"))
        self.add_filter("escape_once", _escape_once)
        self.add_filter("raw", _raw)
        self.add_filter("strip_html", _strip_html)

    def tokenizer(self) -> Callable[[str], Iterator[Token]]:
        """Return the tokenizer, which takes linear time."""
        return tokenize


ENVIRONMENTS: Mapping[Place, Environment] = {place: _BoundedEnvironment(place) for place in get_args(Place)}
PLAIN = ENVIRONMENTS["text"]
