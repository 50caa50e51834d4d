"""A batch with every kind of change, and ways to interrupt ingest at any of its statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from tests.support.builders import push
from tests.support.user_histories import BUY, OPEN, PUSH, SEE, Done, as_items

BEFORE: list[Done] = [(10, PUSH, "A"), (20, SEE, "A"), (40, SEE, "B")]
_BATCH: list[Done] = [(5, SEE, "A"), (15, PUSH, "A"), (25, BUY, "A"), (45, OPEN, "B"), (50, SEE, "A"), (50, SEE, "A")]


def batch_of(user: str) -> list[dict[str, Any]]:
    """Return a batch that starts, cancels, supersedes and refuses, for a user with BEFORE and for a new one."""
    return [*as_items(user, _BATCH), push(f"{new_of(user)}-x", 55, user=new_of(user), dispatch="d")]


def new_of(user: str) -> str:
    """Return the user who is new in the batch."""
    return f"{user}new"


@contextmanager
def at_statement(number: int, act: Callable[[Connection], None]) -> Iterator[list[str]]:
    """Call `act` before the statement of this number, counted from 1; yield the statements so far."""
    said: list[str] = []

    def listener(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)
        if len(said) == number:
            act(connection)

    with listening_to("before_cursor_execute", listener):
        yield said


@contextmanager
def listening_to(name: str, listener: Callable[..., None]) -> Iterator[None]:
    """Listen to this event of every engine until the block ends."""
    event.listen(Engine, name, listener)
    try:
        yield
    finally:
        event.remove(Engine, name, listener)
