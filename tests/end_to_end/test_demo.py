"""`connector demo` as a process: the three use cases on real servers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from rich.console import Console

from starter.demo.session import NO_FOLLOW_UP, ExpectedOutcome, compare_outcomes


def _summary(outcomes: dict[ExpectedOutcome, tuple[str, str | None]]) -> tuple[str, bool]:
    table, right = compare_outcomes(outcomes)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(table)
    return captured.get(), right


@pytest.mark.timeout(180)
def test_every_user_of_the_demo_comes_to_the_end_that_they_must() -> None:
    """The three use cases, five fates of an abandoned cart, and P2: what came before the publication."""
    ended = subprocess.run(
        [sys.executable, "-m", "starter.cli", "demo"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"},
        text=True,
        timeout=170,
    )
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.count("✓") == 12
    assert "publish is refused" in ended.stdout


def test_a_wrong_end_is_told() -> None:
    """One user who came to another end makes the demo fail, and the summary says which."""
    fates = [
        ExpectedOutcome("anna", "cart-reminder", "bought", "excepted", "exception"),
        ExpectedOutcome("ben", "x", "slept", "nothing"),
    ]
    assert _summary({fates[0]: ("excepted", "exception"), fates[1]: NO_FOLLOW_UP})[1]
    text, right = _summary({fates[0]: ("sent", None), fates[1]: NO_FOLLOW_UP})
    assert not right
    assert "expected excepted" in text
