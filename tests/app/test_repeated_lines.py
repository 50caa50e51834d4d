"""A fault has one line in five minutes, however many rows, attempts and pollers meet it."""

import io
import json
import logging

import pytest
import structlog

from connector.app.logs import configure_logs
from connector.app.repeated_lines import RepeatedLines

pytestmark = pytest.mark.usefixtures("logging_restored")


@pytest.fixture
def logged() -> io.StringIO:
    stream = io.StringIO()
    configure_logs("json", stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_row_of_the_same_fault_is_left_out(logged: io.StringIO) -> None:
    """Warnings that differ in their row are one fault; another reason, an error and information are logged."""
    log = structlog.get_logger("send")
    for number in range(3):
        log.warning("not_sent", delivery=f"d{number}", fault="mailbox_full")
        log.info("send_is_tried_again", delivery=f"d{number}", fault="busy")
        log.error("channel_broke", delivery=f"d{number}")
        log.info("request", status=200)
    log.warning("not_sent", delivery="d9", fault="refused")
    events = [line["event"] for line in lines(logged)]
    assert events.count("not_sent") == 2
    assert (events.count("send_is_tried_again"), events.count("channel_broke"), events.count("request")) == (1, 3, 3)


def test_other_faults_of_one_name_are_logged(logged: io.StringIO) -> None:
    """Two warnings of one name are two faults if a text differs: the check, the process, the output of a command."""
    for _ in range(2):
        structlog.get_logger("health").warning("check_failed", check="worker", note="start one")
        structlog.get_logger("health").warning("check_failed", check="outbox", note="start one")
        for process in ("api", "worker"):
            structlog.get_logger("dev").warning("process_ended", process=process, exit_code=1)
        for text in ("no provider for sms", "no user is in the audience"):
            logging.getLogger("command").warning("command_warning", extra={"text": text})
    assert len(lines(logged)) == 6


def test_library_that_repeats_itself(logged: io.StringIO) -> None:
    """A line of the SDK's core per poller and attempt is one line; another error's is another."""
    core = logging.getLogger("temporalio.core")
    for attempt in range(6, 9):
        core.warning("gRPC call poll_activity_task_queue retried %s times", attempt)
        core.warning(f"gRPC call poll_workflow_task_queue retried {attempt} times")
    assert len(lines(logged)) == 2


def test_next_line_counts_those_left_out() -> None:
    """After five minutes a fault that lasts is logged again, with the number of lines that were not."""
    now = [0.0]
    filter_ = RepeatedLines(clock=lambda: now[0])

    def record() -> logging.LogRecord:
        return logging.LogRecord("database", logging.WARNING, "x.py", 1, "database_unavailable", None, None)

    assert [filter_.filter(record()) for _ in range(4)] == [True, False, False, False]
    now[0] = 300.0
    again = record()
    assert filter_.filter(again)
    assert vars(again)["left_out"] == 3
