"""Output of the command line: results on standard output, everything about the work on standard error.

Every text is escaped here: values come from users, services and files, and a terminal obeys what it is sent.
If the logs are JSON, what concerns the work is logged instead, so that every line on standard error is JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from connector.rules.model.errors import ConnectorError
from connector.rules.model.printable import escape_line, escape_lines

_log = logging.getLogger("command")
_is_logged = False


def log_notes() -> None:
    """From now on, log notes, warnings and errors. The logs have been configured."""
    global _is_logged
    _is_logged = True
    _log.setLevel(logging.INFO)


def print_result(text: str = "") -> None:
    """Print one line of a result; a line break in it is escaped, because it belongs to a value."""
    print(escape_line(text))


def print_lines(text: str) -> None:
    """Print several lines of a result, such as a table."""
    print(escape_lines(text))


def print_each(lines: Iterable[str]) -> None:
    """Print results line by line; a line break within one is escaped, because it belongs to a value."""
    for line in lines:
        print_result(line)


def print_json(value: Any) -> None:
    """Print a result as one line of JSON."""
    print(escape_line(json.dumps(value, ensure_ascii=False)), flush=True)


def print_note(text: str) -> None:
    """Print one line about the work, such as a hint."""
    if _is_logged:
        return _log.info("note", extra={"text": text})
    return print(escape_line(text), file=sys.stderr, flush=True)


def print_error(error: ConnectorError) -> None:
    """Print an error: one line, or one for each of its faults."""
    if _is_logged:
        return _log.error("command_failed", extra={"text": str(error), "error": type(error).__name__})
    for line in str(error).split("\n") if error.has_lines else [str(error)]:
        print_note(line)
    return None


def print_defect() -> None:
    """Print the traceback of the exception that is being handled; it is a fault of this program."""
    if _is_logged:
        return _log.critical("command_crashed", exc_info=True)
    for part in traceback.format_exception(sys.exception()):
        # The lines of a place in the program begin with spaces; a line break in a message belongs to a value.
        for line in part.rstrip("\n").split("\n") if part.startswith(" ") else [part.rstrip("\n")]:
            print_note(line)
    return None


def print_warnings(warnings: Iterable[str]) -> None:
    """Print warnings, one per line."""
    for warning in warnings:
        if _is_logged:
            _log.warning("command_warning", extra={"text": warning})
        else:
            print_note(f"warning: {warning}")


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return rows under a header, in aligned columns; None becomes a dash, and cells are escaped."""
    texts = [tuple(header), *(tuple("-" if cell is None else escape_line(str(cell)) for cell in row) for row in rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts
    )


def spinner(activity: str) -> AbstractContextManager[Any]:
    """Show that an activity is running, on a terminal only."""
    if _is_logged or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console  # only when something is drawn: it takes a tenth of the time of `status`

    console = Console(stderr=True)
    return console.status(f"{activity} …") if console.is_terminal else nullcontext()
