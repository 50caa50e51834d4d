"""A batch that makes intake do all that it can, and ways to disturb it at any of its statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from tests.support.builders import push
from tests.support.user_histories import BUY, OPEN, PUSH, SEE, Done, wire

BEFORE: list[Done] = [(10, PUSH, "A"), (20, SEE, "A"), (40, SEE, "B")]
_BATCH: list[Done] = [(5, SEE, "A"), (15, PUSH, "A"), (25, BUY, "A"), (45, OPEN, "B"), (50, SEE, "A"), (50, SEE, "A")]


def batch_of(user: str) -> list[dict[str, Any]]:
    """It begins, calls off, supersedes and refuses, in turn and late, for a user who did BEFORE and for a new one."""
    return [*wire(user, _BATCH), push(f"{new_of(user)}-x", 55, user=new_of(user), dispatch="d")]


def new_of(user: str) -> str:
    """The user who is new in the batch."""
    return f"{user}new"


@contextmanager
def at_statement(number: int, act: Callable[[Connection], None]) -> Iterator[list[str]]:
    """Do something just before the statement of this number, beginning with 1; gives the statements so far."""
    said: list[str] = []

    def hear(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)
        if len(said) == number:
            act(connection)

    with hearing("before_cursor_execute", hear):
        yield said


@contextmanager
def hearing(name: str, hear: Callable[..., None]) -> Iterator[None]:
    """Hear this event of every engine meanwhile."""
    event.listen(Engine, name, hear)
    try:
        yield
    finally:
        event.remove(Engine, name, hear)
