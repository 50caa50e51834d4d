"""What the command line prints: results on standard output, everything about them on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def print_result(text: str = "") -> None:
    """A line of a result."""
    print(text)


def print_json(value: Any) -> None:
    """A result as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def print_note(text: str) -> None:
    """A line about the work: a warning, a fault, a hint."""
    print(text, file=sys.stderr, flush=True)


def print_warning(notes: Iterable[str]) -> None:
    """Warnings, one a line."""
    for note in notes:
        print_note(f"warning: {note}")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows under a header, in aligned columns; None is shown as a dash."""
    texts = [tuple(header), *(tuple("-" if cell is None else str(cell) for cell in row) for row in rows)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts
    )
