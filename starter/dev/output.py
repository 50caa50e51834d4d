"""What `connector dev` prints: the story on standard output, and of the processes' logs what matters.

A log line of a process is JSON. Requests and other news are shown only if that is asked for; messages that a channel
printed belong to the story.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from connector.rules.model.printable import escape_line
from starter.dev.story import Line, message_line

_STYLES = {
    "came_in": "bold",
    "waits": "cyan",
    "sent": "green",
    "ended": "yellow",
    "refused": "magenta",
    "message": "green",
}
_INDENTED = {"waits", "sent", "ended", "refused"}
_ALWAYS = {"warning", "error", "critical"}
_HIDDEN = {"event", "level", "logger", "timestamp"}


class DevOutput:
    """Prints lines of the story, with colours on a terminal only.

    Args:
        verbose: also print requests and the other news of the processes.
        raw_logs: write the processes' log lines to standard error as they are: it is no terminal.
    """

    def __init__(self, *, verbose: bool, raw_logs: bool, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._verbose, self._raw_logs = verbose, raw_logs

    def show(self, line: Line) -> None:
        """Print one line of the story."""
        indent = "   " if line.kind in _INDENTED else ""
        text = Text().append(f"{line.at.astimezone():%H:%M:%S}  ", style="dim")
        text.append(indent + escape_line(line.text), style=_STYLES.get(line.kind, "default"))
        self._console.print(text)

    def take_log(self, text: str) -> None:
        """Take one line that a process wrote."""
        if self._raw_logs:
            print(text, file=sys.stderr, flush=True)
        record = _read(text)
        if record is None:
            return None if self._raw_logs else self._print(text)
        if record.get("logger") == "channel.console":
            return self.show(message_line(record, _time_of(record)))
        if not self._raw_logs and (self._verbose or record.get("level") in _ALWAYS):
            self._print(_describe(record))
        return None

    def _print(self, text: str) -> None:
        print(escape_line(text), file=sys.stderr, flush=True)


def _read(text: str) -> Mapping[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "event" in value else None


def _time_of(record: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(str(record.get("timestamp")))
    except ValueError:
        return datetime.now(UTC)  # noqa: TID251 - a line without a time is shown at the time at which it is read


def _describe(record: Mapping[str, Any]) -> str:
    facts = (f"{name}={value}" for name, value in record.items() if name not in _HIDDEN)
    time = _time_of(record).astimezone()
    return f"{time:%H:%M:%S} [{record.get('level', 'info')}] {record['event']} {' '.join(facts)}".rstrip()


TakeLog = Callable[[str], None]
"""Takes one line that a process wrote."""
