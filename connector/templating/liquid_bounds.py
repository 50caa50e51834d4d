"""Liquid within bounds: whatever a template says, it ends soon and stays small.

Templates come from marketers and the values in them from anyone, so neither may hold up a worker or fill its memory.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TextIO

from liquid import BoundTemplate, Environment, RenderContext, Token, TokenStream
from liquid.ast import Node
from liquid.exceptions import LiquidSyntaxError, ResourceLimitError
from liquid.extra import JSON
from liquid.tag import Tag
from liquid.token import TOKEN_EXPRESSION, TOKEN_TAG

from connector.rules.model.errors import ConnectorError

MAX_OUTPUT = 1_000_000
"""The longest text that a template may make, in bytes."""
MAX_SECONDS = 1.0
"""The processor time that a template may take; looked at on every variable and filter.

Not the time of the clock: on a machine that stands still for a moment, the same template would come out otherwise.
"""
_MAX_ITERATIONS = 10_000
_MAX_TEXT = 100_000
_MAX_ITEMS = 1_000
_MAX_BITS = 1_024
_GROWING = frozenset({"replace", "join"})
"""Filters whose result may be as long as the product of what they are given."""
_REASON = re.compile(r"""\s*(\(\s*('[^']*'|"[^"]*")?\s*\))?\s*""")


class MessageAborted(ConnectorError):
    """The template called `{% abort_message %}`: this message is not to be sent. The text is the reason it gave."""


class _AbortNode(Node):
    def __init__(self, token: Token, reason: str) -> None:
        super().__init__(token)
        self.reason = reason
        self.blank = False

    def render_to_output(self, _context: RenderContext, _buffer: TextIO) -> int:
        """Send nothing."""
        raise MessageAborted(self.reason)


class _AbortTag(Tag):
    """`{% abort_message %}`, or with a reason for whoever reads the template: `{% abort_message('why') %}`."""

    name = "abort_message"
    block = False

    def parse(self, stream: TokenStream) -> Node:
        """Take the tag with its reason, which must be a quoted text; the stream stays on the last token taken."""
        token = stream.expect(TOKEN_TAG)
        if stream.peek.kind != TOKEN_EXPRESSION:
            return _AbortNode(token, "")
        next(stream)
        found = _REASON.fullmatch(stream.current.value)
        if found is None:
            raise LiquidSyntaxError("write abort_message, or abort_message('why')", token=token)
        return _AbortNode(token, (found[2] or "")[1:-1])


class _Context(RenderContext):
    """Looks at the clock on every variable and filter, and at the size of what filters take and give."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = time.thread_time() + MAX_SECONDS

    def get(self, path: list[object], *, token: Token | None, **kwargs: Any) -> object:
        """A variable's value, while there is time."""
        self._in_time(token)
        return super().get(path, token=token, **kwargs)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """The filter of that name, within bounds."""
        self._in_time(token)
        return partial(_bounded, name, super().filter(name, token), token)

    def _in_time(self, token: Token | None) -> None:
        if time.thread_time() > self._deadline:
            raise ResourceLimitError(f"takes longer than {MAX_SECONDS} s", token=token)


def _bounded(name: str, function: Callable[..., object], token: Token | None, *args: Any, **kwargs: Any) -> object:
    sizes = [_size(name, value, token) for value in args]
    if name in _GROWING and sizes[0] * sizes[-1] > 50 * MAX_OUTPUT:
        raise ResourceLimitError(f"{name} would make too long a text", token=token)
    result = function(*args, **kwargs)
    _size(name, result, token)
    return result


def _size(name: str, value: object, token: Token | None) -> int:
    """How much a value is; raises ResourceLimitError where that is too much for a filter."""
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        raise ResourceLimitError(f"{name}: a text of more than {_MAX_TEXT} characters", token=token)
    if isinstance(value, list | tuple | range) and len(value) > _MAX_ITEMS:
        raise ResourceLimitError(f"{name}: a list of more than {_MAX_ITEMS} items", token=token)
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise ResourceLimitError(f"{name}: too large a number", token=token)
    return len(value) if isinstance(value, str | list | tuple | range) else 1


class _Template(BoundTemplate):
    context_class = _Context


class _Bounded(Environment):
    """The standard tags and filters without those that load other templates, and with ours."""

    output_stream_limit = MAX_OUTPUT
    loop_iteration_limit = _MAX_ITERATIONS
    local_namespace_limit = MAX_OUTPUT
    context_depth_limit = 30
    template_class = _Template

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Called once, as the environment is made."""
        super().setup_tags_and_filters(extra=extra)
        for name in ("include", "render"):
            del self.tags[name]
        self.add_tag(_AbortTag)
        self.add_filter("json", JSON())


PLAIN = _Bounded()
HTML = _Bounded(autoescape=True)
"""Escapes what variables put into HTML."""
