"""A large text of one person does not hold up the pages of the others: the form is built in small parts."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import pytest
from nicegui import ui
from nicegui.client import Client
from nicegui.page import page

from starter.console.compose.composition import MAX_VALUES, Composition
from starter.console.compose.form import Form
from starter.console.compose.problems import Problem
from starter.console.compose.sections import MAX_ITEMS
from starter.console.compose.steps import build_form
from tests.support.compose_targets import NO_TARGETS

_MAX_ELEMENTS_AT_ONCE = 1_500
"""Elements of a page that are built without a pause: they take some 0.2 seconds on a slow machine."""
_HEAD = "campaign: a\ndelivery:\n  type: action_based\n  trigger: [{event: e}]\n  delay: {after: 1 day}\n"
_MANY = 2_000
_VARIANT = "{name: v, messages: {push: {title: a, body: b, buttons: [x, y, z]}, sms: {body: a}}}"
LARGE = {
    "exceptions": _HEAD + "  exceptions:\n" + "    - {event: e}\n" * _MANY,
    "filters": _HEAD + "  exceptions:\n    - event: e\n      where:\n" + "".join(
        f"        k{number}: 1\n" for number in range(_MANY)
    ),
    "buttons": _HEAD + "messages:\n  push:\n    buttons:\n" + "      - {id: a, label: b}\n" * _MANY,
    "variants": _HEAD + "variants:\n" + f"  - {_VARIANT}\n" * (MAX_ITEMS // 2) + "  - {name: w}\n" * _MANY,
}  # fmt: skip


def _build(form: Form) -> None:
    with ui.element("div"):
        build_form(form, NO_TARGETS, lambda path, channel: None, lambda: None)


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
async def test_a_large_text_is_built_in_small_parts(text: str) -> None:
    """Others go on after some hundred elements; what is not shown is counted, and the form is complete in the end."""
    composition = Composition(_HEAD)
    with Client(page("/large")) as client:
        form = Form(composition, lambda: None)
        _build(form)
        await form.finish()
        composition.write(text)
        assert composition.syntax_faults == []
        counts = [len(client.elements)]
        form.refresh()
        counts.append(len(client.elements))
        finishing = asyncio.ensure_future(form.finish())
        while not finishing.done():
            await asyncio.sleep(0)
            counts.append(len(client.elements))
        await finishing
        assert max(later - earlier for earlier, later in pairwise(counts)) <= _MAX_ELEMENTS_AT_ONCE
        shown = {str(getattr(element, "text", "")) for element in client.elements.values()}
        assert any(re.fullmatch(r"1,9\d\d more are shown only in the YAML, and kept\.", one) for one in shown)


def test_many_problems_are_shown_by_their_number() -> None:
    """A place shows some of its problems and counts the others."""
    with Client(page("/problems")) as client:
        form = Form(Composition(_HEAD), lambda: None)
        _build(form)
        form.show_problems([Problem(f"delivery.x{number}", "is unknown") for number in range(MAX_VALUES)])
        shown = [str(getattr(element, "text", "")) for element in client.elements.values()]
    [words] = [one for one in shown if "is unknown" in one]
    assert words.splitlines()[-1] == f"and {MAX_VALUES - 20:,} more"
