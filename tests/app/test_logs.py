"""Logs: one form for ours and for libraries', and no values of errors in JSON."""

import io
import json
import logging

import pytest
import structlog

from connector.app.logs import configure_logs

pytestmark = pytest.mark.usefixtures("logging_restored")


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_where_nobody_reads_along() -> None:
    """Ours and the standard library's come as one object a line, with what was said along with them."""
    stream = io.StringIO()
    configure_logs(stream=stream)
    structlog.get_logger("send").info("sent", delivery="d1")
    logging.getLogger("temporalio.worker").warning("late by %s", 5, extra={"queue": "q"})
    ours, theirs = lines(stream)
    assert (ours["event"], ours["logger"], ours["level"], ours["delivery"]) == ("sent", "send", "info", "d1")
    assert (theirs["event"], theirs["logger"], theirs["queue"]) == ("library_message", "temporalio.worker", "q")
    assert theirs["text"] == "late by 5"


@pytest.mark.parametrize("library", [True, False])
def test_errors_in_json_quote_nothing(library: bool) -> None:
    """Guarantee 8: an error's text may hold a user's data, so the line has its type and its places."""
    stream = io.StringIO()
    configure_logs("json", stream=stream)
    log = logging.getLogger("sqlalchemy.pool") if library else structlog.get_logger("api")
    try:
        try:
            raise KeyError("anna@example.com")
        except KeyError as error:
            raise ValueError("anna@example.com") from error
    except ValueError:
        log.exception("failed")
    (line,) = lines(stream)
    assert (line["event"], line["error"], line["cause"]) == ("failed", "ValueError", "KeyError")
    assert "test_logs.py" in str(line["at"])
    assert "anna" not in stream.getvalue()


def test_lines_to_read_on_request() -> None:
    """`pretty` is not JSON, and has no local variables in its tracebacks."""
    stream = io.StringIO()
    configure_logs("pretty", stream=stream)
    password = "-".join(("open", "sesame"))
    try:
        raise ValueError(len(password))
    except ValueError:
        structlog.get_logger("api").exception("failed")
    assert "ValueError: 11" in stream.getvalue()
    assert password not in stream.getvalue()


def test_libraries_are_quiet() -> None:
    """Of libraries only warnings are shown; httpx logs whole URLs at info."""
    stream = io.StringIO()
    configure_logs("json", level="INFO", stream=stream)
    logging.getLogger("httpx").info("GET http://127.0.0.1/v1/users/anna")
    assert stream.getvalue() == ""


def test_errors_of_a_group_are_named() -> None:
    """A part of the worker that fails raises a group; the line has its errors, and the place of the first."""
    stream = io.StringIO()
    configure_logs("json", stream=stream)
    try:
        try:
            {}["anna@example.com"]
        except KeyError as error:
            raise ExceptionGroup("anna@example.com", [error, ExceptionGroup("more", [OSError()])]) from None
    except ExceptionGroup:
        structlog.get_logger("worker").exception("worker_crashed")
    (line,) = lines(stream)
    assert line["error"] == "KeyError, OSError"
    assert "test_errors_of_a_group_are_named" in str(line["at"])
    assert "anna" not in stream.getvalue()


def test_lost_connections_are_warnings() -> None:
    """The pool logs an error for each connection that an outage breaks; they need no action."""
    stream = io.StringIO()
    configure_logs("json", stream=stream)
    logging.getLogger("sqlalchemy.pool.impl.AsyncAdaptedQueuePool").error("Exception terminating connection %r", "c")
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("library_message", "warning")
