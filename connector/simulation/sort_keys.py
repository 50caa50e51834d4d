"""Sort keys: bytes that sort events in the order of a run.

If each of several processes plays some of the users, sort keys give the order in which one process would have decided
their outcomes. An event is a line of the timeline, a launch that reaches one user, or a message that falls due.

A sort key begins with the event's instant and line: an event that a line makes due at once comes directly after this
line; all others come before the lines of their instant, those without a line first. Events that fall due at one instant
come in the order in which they were scheduled, so the sort key of a due event ends with that of the event that
scheduled it.
"""

from __future__ import annotations

import struct
from datetime import datetime, timedelta

from connector.rules.model.values import EARLIEST

SortKey = bytes

MAX_LENGTH = 4096
"""The longest sort key in bytes: that of a chain of some 150 messages, each of which triggered the next."""

_MICROSECOND = timedelta(microseconds=1)
_SLOT = struct.Struct(">QQ")
_EVENT = struct.Struct(">QB")
_RANK = struct.Struct(">I")
_LINE, _LAUNCH, _DUE = 0, 1, 2

BEGINNING: SortKey = bytes(_SLOT.size)
_END = b"\xff" * _SLOT.size


class SortKeyTooLong(Exception):
    """A chain has too many messages, each of which triggered the next."""


def of_line(at: datetime, number: int) -> SortKey:
    """Return the sort key of a line of the timeline; `number` counts from 1."""
    return _SLOT.pack(_microseconds(at), number) + _EVENT.pack(0, _LINE)


def of_launch(at: datetime, campaign: str, user: str, last: SortKey) -> SortKey:
    """Return the sort key of a launch that reaches a user; `last` is that of the event before."""
    return _slot(at, last) + _EVENT.pack(_microseconds(at), _LAUNCH) + f"{campaign}\0{user}\0".encode()


def of_due(at: datetime, scheduled: SortKey) -> SortKey:
    """Return the sort key of a message that falls due; `scheduled` is that of the event that scheduled it.

    Raises SortKeyTooLong.
    """
    if len(scheduled) > MAX_LENGTH:
        raise SortKeyTooLong
    return _slot(at, scheduled) + _EVENT.pack(_microseconds(at), _DUE) + scheduled


def of_begun(rank: int, begun: SortKey) -> SortKey:
    """Return the sort key of a follow-up among those of several campaigns; `begun` is that of the event that began it.

    An event that concerns many users, such as a stop, has its own sort key, followed by this one for each of them.
    """
    return _RANK.pack(rank) + begun


def of_waiting(due_at: datetime, begun: SortKey) -> SortKey:
    """Return the sort key of a follow-up that still waits in the end; `begun` is that of `of_begun`."""
    return _END + _EVENT.pack(_microseconds(due_at), 0) + begun


def _slot(at: datetime, before: SortKey) -> bytes:
    is_at_once = _microseconds(at) <= _SLOT.unpack_from(before)[0]
    return before[: _SLOT.size] if is_at_once else _SLOT.pack(_microseconds(at), 0)


def _microseconds(at: datetime) -> int:
    return (at - EARLIEST) // _MICROSECOND
