"""The activities as workflows see them are the activities that there are."""

from collections.abc import Callable
from typing import Any

import pytest
from temporalio import activity

from activities.launch.launch import Launcher
from activities.operate import Operator
from activities.publish import Publisher
from activities.record import ExceptionSignalReporter
from activities.send import Sender
from workflows import steps


@pytest.mark.parametrize(
    ("seen", "done"),
    [
        (steps.send, Sender.send),
        (steps.report_exception, ExceptionSignalReporter.report_exception),
        (steps.operate, Operator.operate),
        (steps.launch_page, Launcher.launch_page),
        (steps.carry_out_order, Publisher.carry_out_order),
        (steps.end_waits, Publisher.end_waits),
    ],
)
def test_signature_is_the_implementations(seen: Callable[..., Any], done: Callable[..., Any]) -> None:
    """Name, argument and result of a step are those of what carries it out."""
    stub = activity._Definition.must_from_callable(seen)
    real = activity._Definition.must_from_callable(done.__get__(object()))
    assert (stub.name, stub.arg_types, stub.ret_type) == (real.name, real.arg_types, real.ret_type)
    assert stub.arg_types
