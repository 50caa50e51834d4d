"""Logs: readable lines on a terminal, JSON elsewhere, on standard error; those of libraries have the same form.

Logs carry no personal data (guarantee 8): they name users by the surrogate key, and errors in JSON by type and
location, because the text of an error may quote values. docs/logs.md lists the names of events.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from io import StringIO
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from connector.app.repeated_lines import RepeatedLines, is_event_name
from connector.app.uncaught import log_uncaught
from connector.rules.model.printable import escape_line, escape_lines
from connector.tracing import current_trace_id

Format = Literal["auto", "pretty", "json"]
_LIBRARIES = ("temporalio", "uvicorn", "sqlalchemy", "alembic", "httpx", "aiosqlite", "asyncio")
"""The libraries of which only warnings are logged; httpx logs whole URLs at INFO."""


def configure_logs(chosen: Format = "auto", *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send everything that this process logs to one stream, in one format.

    Args:
        chosen: `auto` is `pretty` if `stream` is a terminal, else `json`.
        level: the lowest level that is shown; for libraries it is WARNING at least.
        stream: None: standard error.
    """
    stream = stream or sys.stderr
    pretty = not is_json(chosen, stream)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper("%H:%M:%S" if pretty else "iso", utc=not pretty),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_pretty_processors(stream) if pretty else _json_processors()),
            ],
        )
    )
    handler.addFilter(lower_pool_errors)
    handler.addFilter(RepeatedLines())
    _install(handler, level)
    log_uncaught()


def is_json(chosen: str, stream: TextIO | None = None) -> bool:
    """Return whether a process with this setting logs JSON to `stream`; None: to standard error."""
    return chosen == "json" or (chosen == "auto" and not (stream or sys.stderr).isatty())


def add_trace_id(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Add the id of the current trace, if there is one."""
    if (trace_id := current_trace_id()) is not None:
        event.setdefault("trace_id", trace_id)
    return event


def name_library_messages(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Give the texts of libraries one event name, so that `event` has a bounded number of values."""
    text = event.get("event")
    if not isinstance(text, str) or not is_event_name(text):
        event["event"], event["text"] = "library_message", str(text)
    return event


def remove_values(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace an error by its type, its cause's type and its lines of code: its text may quote a user's data."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        errors = list(_single_errors(error))
        frames = traceback.extract_tb(errors[0].__traceback__)[-8:]
        event["error"] = ", ".join(dict.fromkeys(type(one).__name__ for one in errors))
        event["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        if errors[0].__cause__ is not None:
            event["cause"] = type(errors[0].__cause__).__name__
    return event


def _single_errors(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors of a group, such as a task group raises, or the error itself."""
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for one in error.exceptions:
        yield from _single_errors(one)


def lower_pool_errors(record: logging.LogRecord) -> bool:
    """Make warnings of errors about lost connections, which `database_unavailable` explains. Return True: keep it."""
    if record.name.startswith("sqlalchemy.pool") and record.levelno == logging.ERROR:
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def escape_values(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Escape what a terminal obeys or hides; values that are no text are written as Python does, which escapes them."""
    return {name: escape_line(value) if isinstance(value, str) else value for name, value in event.items()}


def _escape_json(_logger: Any, _method: str, line: Any) -> str:
    return escape_line(str(line))


def _format_exception(stream: TextIO, info: Any) -> None:
    written = StringIO()
    structlog.dev.plain_traceback(written, info)  # the rich traceback prints local variables: keys and addresses
    stream.write(escape_lines(written.getvalue()))


def _pretty_processors(stream: TextIO) -> list[Processor]:
    colors = stream.isatty()
    renderer = structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=24, exception_formatter=_format_exception)
    return [escape_values, renderer]


def _json_processors() -> list[Processor]:
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return [name_library_messages, remove_values, renderer, _escape_json]


def _install(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
