"""Spans of traces. Without CONNECTOR_OTLP_ENDPOINT none is recorded, and nothing that records them is imported.

The rest of the program knows only this module; `connector.app.tracing` installs the tracer. Facts of spans have no
personal data (guarantee 8): users appear by nothing, follow-ups by their id.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Literal, NewType, Protocol

Kind = Literal["internal", "server", "client"]
Fact = str | int | Sequence[str]
Context = NewType("Context", object)
"""The place of a span in its trace; opaque outside the tracer."""

_MAX_REMEMBERED = 10_000
"""Follow-ups that wait for their start: as many as a busy API has, in 5 MB at most."""
_MAX_NAMED = 20


class Span(Protocol):
    """A span that has begun."""

    def rename(self, name: str) -> None:
        """Give the span another name."""
        ...

    def add(self, facts: Mapping[str, Fact]) -> None:
        """Add facts that are known only now."""
        ...

    def fail(self, code: str) -> None:
        """Mark the span as failed; `code` names the kind of failure, without values."""
        ...


class Tracer(Protocol):
    """A recorder of spans."""

    interceptor: Any
    """The interceptor of Temporal's SDK, which carries the trace through workflows and activities."""

    def span(
        self, name: str, kind: Kind, facts: Mapping[str, Fact], parent: Context | None, links: Iterable[Context]
    ) -> AbstractContextManager[Span]:
        """Record a span while the block runs; without a parent it belongs to the current one."""
        ...

    def attach(self, context: Context) -> AbstractContextManager[object]:
        """Make a context the current one while the block runs."""
        ...

    def add(self, facts: Mapping[str, Fact]) -> None:
        """Add facts to the current span."""
        ...

    def current(self) -> Context | None:
        """Return the context of the current span; None: there is none."""
        ...

    def trace_id(self) -> str | None:
        """Return the id of the current trace; None: there is none."""
        ...

    def read(self, traceparent: str) -> Context | None:
        """Return the context that a caller sent in its header `traceparent`; None: it is not valid."""
        ...


class _NoSpan:
    """The span of a process that records none."""

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def rename(self, name: str) -> None:
        """Do nothing."""

    def add(self, facts: Mapping[str, Fact]) -> None:
        """Do nothing."""

    def fail(self, code: str) -> None:
        """Do nothing."""


_NO_SPAN = _NoSpan()
_tracer: Tracer | None = None
_users: ContextVar[Mapping[str, Context] | None] = ContextVar("users", default=None)
_begun: OrderedDict[str, Context] = OrderedDict()


def install_tracer(tracer: Tracer | None) -> None:
    """Record spans with `tracer` from now on; None: record none."""
    global _tracer
    _tracer = tracer
    _begun.clear()


def installed_tracer() -> Tracer | None:
    """Return the tracer of this process; None: it records no spans."""
    return _tracer


def span(
    name: str,
    kind: Kind = "internal",
    facts: Mapping[str, Fact] = {},
    *,
    parent: Context | None = None,
    links: Iterable[Context | None] = (),
) -> AbstractContextManager[Span]:
    """Record a span while the block runs; an exception marks it as failed, with its type.

    Args:
        parent: the span to which it belongs; None: the current one.
        links: other spans that it serves.
    """
    if _tracer is None:
        return _NO_SPAN
    return _tracer.span(name, kind, facts, parent, [link for link in links if link is not None])


def no_span() -> AbstractContextManager[Span]:
    """Return a span that is not recorded."""
    return _NO_SPAN


def current_context() -> Context | None:
    """Return the context of the current span; None: there is none."""
    return None if _tracer is None else _tracer.current()


def current_trace_id() -> str | None:
    """Return the id of the current trace, 32 hexadecimal digits; None: there is none."""
    return None if _tracer is None else _tracer.trace_id()


def read_traceparent(value: str | None) -> Context | None:
    """Return the context of a caller's header; None: there is none, or spans are not recorded."""
    return None if _tracer is None or value is None else _tracer.read(value)


@contextmanager
def on_behalf_of(users: Mapping[str, Context | None]) -> Iterator[None]:
    """Follow-ups that begin in the block belong to these spans, by user key: transactions are shared by requests."""
    token = _users.set(
        {**(_users.get() or {}), **{key: context for key, context in users.items() if context is not None}}
    )
    try:
        yield
    finally:
        _users.reset(token)


def remember_begun(follow_ups: Mapping[str, str]) -> None:
    """Remember the current span of follow-ups that begin, until their workflows are started.

    Args:
        follow_ups: user keys by the ids of follow-ups.
    """
    if _tracer is None:
        return
    if follow_ups:  # by these ids the trace of a follow-up that was started without this context is found
        _tracer.add({"connector.follow_ups": list(follow_ups)[:_MAX_NAMED]})
    current, users = _tracer.current(), _users.get() or {}
    for id, user_key in follow_ups.items():
        if (context := users.get(user_key, current)) is not None:
            _begun[id] = context
    while len(_begun) > _MAX_REMEMBERED:
        _begun.popitem(last=False)


@contextmanager
def continuing(follow_up_id: str) -> Iterator[None]:
    """Continue the trace in which a follow-up began, and forget it if the block succeeds.

    A follow-up that another process, or this one before a restart, has begun gets a trace of its own.
    """
    context = _begun.get(follow_up_id)
    with nullcontext() if _tracer is None or context is None else _tracer.attach(context):
        yield
    _begun.pop(follow_up_id, None)
