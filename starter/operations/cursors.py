"""Cursors of lists: opaque texts that say where the next page begins, and refuse to be changed or used elsewhere."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime

from connector.rules.model.errors import DefinitionError, Fault
from connector.store.follow_ups.selection import Position

PARAMETER = "after"
"""The query parameter, and the option, that has the cursor."""
MAX_CHARACTERS = 500
_CHECK_BYTES = 9


def write_cursor(position: Position, of_list: str) -> str:
    """Return the cursor of a position in a list; `of_list` is a text that differs between lists and filters."""
    content = json.dumps([position.at.isoformat(), position.id]).encode()
    return urlsafe_b64encode(_check(content, of_list) + content).decode().rstrip("=")


def read_cursor(cursor: str, of_list: str) -> Position:
    """Return the position of a cursor.

    Raises:
        DefinitionError: it was changed, or belongs to another list or to other filters.
    """
    try:
        raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        check, content = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        at, id = json.loads(content)
        position = Position(datetime.fromisoformat(at), id)
    except (ValueError, TypeError, RecursionError):
        raise _invalid() from None
    if check != _check(content, of_list) or write_cursor(position, of_list) != cursor:
        raise _invalid()
    return position


def _check(content: bytes, of_list: str) -> bytes:
    """Return a checksum against mistakes. It is no secret: a cursor only says where to begin."""
    return hashlib.sha256(of_list.encode() + b"\0" + content).digest()[:_CHECK_BYTES]


def _invalid() -> DefinitionError:
    problem = (
        "the cursor was changed or belongs to other filters; give `next` of the previous page and the same filters"
    )
    return DefinitionError([Fault(PARAMETER, problem)])
