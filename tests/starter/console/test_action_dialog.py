"""The dialog of an action on many follow-ups carries out only what its numbers are about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from nicegui.client import Client
from nicegui.page import page

from starter.console.bulk_progress import BulkNumbers
from starter.console.pages import follow_up_actions
from starter.console.pages.follow_up_actions import ActionDialog
from starter.operations.follow_ups import Criteria


@pytest.mark.parametrize("meanwhile", ["sent", "not_sent"])
async def test_another_choice_during_a_dry_run_needs_new_numbers(
    monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """The button appears with the numbers of what is chosen then, and not with those of what was chosen before."""
    verdict = "sent"

    async def choose_meanwhile(*_: Any, **__: Any) -> AsyncIterator[BulkNumbers]:
        if meanwhile != verdict:
            dialog._choose(meanwhile)
        yield BulkNumbers(done=1)

    monkeypatch.setattr(follow_up_actions, "run_bulk", choose_meanwhile)
    viewer: Any = SimpleNamespace(context=None)
    with Client(page("/dialog")):
        dialog = ActionDialog(viewer, "resolve", Criteria(campaign="f"), ())
        dialog._choose(verdict)
        await dialog._run(dry_run=True)
    assert dialog._act.visible is (meanwhile == verdict)
    assert dialog._check.visible
