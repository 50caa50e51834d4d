"""One line per fault, not per row, attempt or poller: the log has one of each kind in five minutes."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

_AGAIN_SECONDS = 300.0
_MAX_KINDS = 500
_EVENT_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_VARIABLE_PART = re.compile(r"\d| \(|['\"]")
_PER_ROW = frozenset({"send_is_tried_again"})
"""Events at INFO that are logged for every row to which they happen."""
_FACTS_OF_ROWS = frozenset({"delivery", "follow_up", "launch", "request_id", "trace_id", "user_key", "workflow_id"})
"""Events that differ only in these facts, or in numbers, are one fault; any other difference makes two."""
_ADDED_FACTS = frozenset({"event", "level", "logger", "timestamp"})
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | _ADDED_FACTS

_Kind = tuple[object, ...]


def is_event_name(text: str) -> bool:
    """Return whether a record's text is the name of an event of this program, not the text of a library."""
    return _EVENT_NAME.fullmatch(text) is not None


class RepeatedLines(logging.Filter):
    """Passes one record of each kind in five minutes; the next one says with `left_out` how many were not logged.

    This program's errors and its information always pass; its warnings and all records of libraries are limited.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._passed: dict[_Kind, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged."""
        kind = _kind_of(record)
        if kind is None:
            return True
        now = self._clock()
        passed_at, left_out = self._passed.get(kind, (-_AGAIN_SECONDS, 0))
        if now - passed_at < _AGAIN_SECONDS:
            self._passed[kind] = passed_at, left_out + 1
            return False
        if left_out:
            _add_fact(record, "left_out", left_out)
        if len(self._passed) >= _MAX_KINDS:
            self._passed.clear()
        self._passed[kind] = now, 0
        return True


def _kind_of(record: logging.LogRecord) -> _Kind | None:
    """Return what makes two records the same fault; None: the record is logged whatever came before."""
    structured: dict[str, Any] | None = record.msg if isinstance(record.msg, dict) else None
    event = str(record.msg if structured is None else structured["event"])
    if is_event_name(event):
        if record.levelno != logging.WARNING and event not in _PER_ROW:
            return None
        facts = vars(record) if structured is None else structured
        added = _OF_EVERY_RECORD if structured is None else _ADDED_FACTS
        names = sorted(facts.keys() - added - _FACTS_OF_ROWS)
        return record.name, event, *((name, facts[name]) for name in names if isinstance(facts[name], str))
    error = record.exc_info[0] if record.exc_info else None
    return record.name, record.levelno, _VARIABLE_PART.split(event, maxsplit=1)[0], error


def _add_fact(record: logging.LogRecord, name: str, value: int) -> None:
    if isinstance(record.msg, dict):
        record.msg[name] = value
    else:
        setattr(record, name, value)
