"""Every event of the log has one constant name, one level and one meaning, and stands in docs/logs.md."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from connector.app.log_events import LOG_EVENTS, render_page
from connector.app.repeated_lines import is_event_name
from tests.support.repository import ROOT

_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
_NAMED_BY_A_FORMATTER = {"library_message", "message"}
"""Names that no call of a logger has: the formatter gives the first, the console channel gets the writer of a line."""


class Logged(NamedTuple):
    """A call of a logger in the program."""

    name: str
    level: str
    place: str


@cache
def calls() -> tuple[Logged, ...]:
    """Find the calls of loggers: every module calls its own `_log`, or gets one for a single call."""
    return tuple(_find_calls())


def _find_calls() -> Iterator[Logged]:
    files = [
        file for part in ("connector", "activities", "starter", "workflows") for file in (ROOT / part).rglob("*.py")
    ]
    for file in (*files, ROOT / "worker.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in _LEVELS and _is_logger(node.func.value):
                yield _read(node, node.func.attr, file)


def _is_logger(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("structlog.get_logger", "logging.getLogger")
    return isinstance(node, ast.Name) and node.id == "_log"


def _read(call: ast.Call, method: str, file: Path) -> Logged:
    place = f"{file.relative_to(ROOT)}:{call.lineno}"
    assert call.args, f"{place}: an event has a name"
    name = call.args[0]
    assert isinstance(name, ast.Constant), f"{place}: the name of an event is a constant"
    return Logged(str(name.value), "error" if method == "exception" else method, place)


def test_events_are_listed() -> None:
    """A call has a constant snake_case name, which the list has at the call's level; nothing else is listed."""
    found = calls()
    assert [call for call in found if not is_event_name(call.name)] == []
    assert [call for call in found if call.name not in LOG_EVENTS] == [], "add it to connector/app/log_events.py"
    assert [call for call in found if LOG_EVENTS[call.name].level != call.level] == []
    assert LOG_EVENTS.keys() - {call.name for call in found} == _NAMED_BY_A_FORMATTER


def test_name_is_used_for_one_thing() -> None:
    """All calls with one name stand in one module, because what happens in two places is two things."""
    places: dict[str, set[str]] = {}
    for call in calls():
        places.setdefault(call.name, set()).add(call.place.partition(":")[0])
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_page_is_written_from_the_list() -> None:
    """docs/logs.md is what `python -m connector.app.log_events` prints."""
    assert (ROOT / "docs/logs.md").read_text() == render_page()
