"""What no code caught is one line of JSON without the values of its text, like every other line."""

import asyncio
import gc
import io
import json
import sys
import threading
import warnings
from collections.abc import Callable

import pytest

from connector.app.event_loop import run_service
from connector.app.logs import configure_logs

pytestmark = pytest.mark.usefixtures("logging_restored")
MARKED = "anna@example.com"


def read_number() -> None:
    int(MARKED)


def crash() -> None:
    try:
        raise ValueError(MARKED)
    except ValueError:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]


def fail_in_thread() -> None:
    thread = threading.Thread(target=read_number)
    thread.start()
    thread.join()


def fail_in_task() -> None:
    async def fail() -> None:
        raise ValueError(MARKED)

    async def forget() -> None:
        task = asyncio.create_task(fail(), name=MARKED)
        await asyncio.wait([task])
        del task
        gc.collect()

    run_service(forget())


def fail_in_callback() -> None:
    async def call() -> None:
        asyncio.get_running_loop().call_soon(read_number)
        await asyncio.sleep(0)

    run_service(call())


def fail_in_finalizer() -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError(MARKED)

    broken = Broken()
    del broken


def warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = sys.modules["connector.app.uncaught"]._log_warning
        warnings.warn(MARKED, stacklevel=1)


@pytest.mark.parametrize(
    ("fail", "event", "level"),
    [
        (crash, "process_crashed", "critical"),
        (fail_in_thread, "thread_failed", "error"),
        (fail_in_task, "task_failed", "error"),
        (fail_in_callback, "task_failed", "error"),
        (fail_in_finalizer, "finalizer_failed", "error"),
        (warn, "python_warning", "warning"),
    ],
)
def test_line_of_what_nobody_caught(fail: Callable[[], None], event: str, level: str) -> None:
    """Each way in which Python reports by itself gives one line with the event, the type and the place."""
    stream = io.StringIO()
    configure_logs("json", stream=stream)
    fail()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]  # an earlier test's garbage may add some
    [line] = [line for line in lines if line["event"] == event and "test_uncaught.py" in str(line["at"])]
    assert line["level"] == level
    assert line["category" if event == "python_warning" else "error"] in ("ValueError", "UserWarning")
    assert "anna" not in stream.getvalue()
