"""Logs: lines to read on a terminal, JSON elsewhere; ours and those of libraries in one form, on standard error.

No personal data (guarantee 8): whoever logs names a user by the surrogate key, and errors in JSON are told by their
kinds and places, because their texts quote values.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

Format = Literal["auto", "pretty", "json"]


def configure_logs(chosen: Format = "auto", *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send everything that is logged in this process to one place.

    Args:
        chosen: `auto` is `pretty` where `stream` is a terminal, else `json`.
        level: the least severe level that is shown, of ours; of libraries only warnings are, whatever it is.
        stream: None: standard error.
    """
    stream = stream or sys.stderr
    pretty = chosen == "pretty" or (chosen == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
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
                *(_for_people(stream) if pretty else _for_machines()),
            ],
        )
    )
    _install(handler, level)


def without_values(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Put an error's kinds and the lines it went through in the place of its text, which may quote a user's data."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["at"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)[-8:]]
        if error.__cause__ is not None:
            event["cause"] = type(error.__cause__).__name__
    return event


def _for_people(stream: TextIO) -> list[Processor]:
    plain = structlog.dev.plain_traceback  # the rich one prints local variables, which hold keys and addresses
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24, exception_formatter=plain)]


def _for_machines() -> list[Processor]:
    return [without_values, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]


def _install(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for library in ("temporalio", "uvicorn", "sqlalchemy", "alembic", "httpx", "aiosqlite", "asyncio"):
        logging.getLogger(library).setLevel(logging.WARNING)
