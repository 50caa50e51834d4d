"""Why a campaign sent nothing to a user: its decisions, or the nearest miss if it made none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from starter.api.requests.errors import HANDLED_ERRORS, as_api_error
from starter.console.elements.decisions import decision_line, interaction_line
from starter.console.elements.errors import show_page_error
from starter.console.elements.sentences import sentence
from starter.console.elements.text import heading, text
from starter.console.elements.times import moment
from starter.console.state import Viewer
from starter.console.subject_paths import page_of_user
from starter.explain.explain import explain_decisions

_MAX_CHOICES = 1000


async def why_not(viewer: Viewer, id: str, campaign: str | None) -> None:
    """Let the viewer choose a campaign, and explain what it decided about the user."""
    with ui.element("section").classes("cc-card").props("id=why"):
        heading("Why did this user not get a message?", 2)
        entries = (await viewer.context.cache.at_least(viewer.context.database)).entries
        choices = [entry.id for entry in entries.values() if not entry.is_card][:_MAX_CHOICES]

        def explain_chosen() -> None:
            chosen = (field.value or "").strip()
            ui.navigate.to(page_of_user(id, {"campaign": chosen}, "why"))

        with ui.element("form").classes("cc-row").on("submit.prevent", explain_chosen):
            field = ui.input("Campaign", value=campaign or "", autocomplete=choices).props("outlined dense")
            ui.button("Explain", icon="help_outline", on_click=explain_chosen)
        if campaign:
            await _explain(viewer, id, campaign)


async def _explain(viewer: Viewer, id: str, campaign: str) -> None:
    try:
        explained = await explain_decisions(viewer.context, id, campaign)
    except HANDLED_ERRORS as error:
        show_page_error(as_api_error(error))
        return
    for one in explained["campaigns"]:
        with ui.element("ol").classes("cc-timeline"):
            for decision in reversed(one["chapters"]):
                with ui.element("li"):
                    moment(decision["interaction"]["happened_at"])
                    interaction_line(decision["interaction"])
                    decision_line(one["campaign"], decision)
    for missed in explained["nothing_happened"]:
        _nearest_miss(missed)


def _nearest_miss(missed: Mapping[str, Any]) -> None:
    text(f"{missed['campaign']} ({missed['state']}) decided nothing about this user.", tag="div", classes="cc-strong")
    if missed["nearest"] is None:
        sentence(missed["words"][:1].upper() + missed["words"][1:])
        return
    text("Nearest to its trigger came:", tag="div", classes="cc-muted")
    moment(missed["nearest"]["happened_at"])
    interaction_line(missed["nearest"])
    code = f" ({missed['shortfall']})" if missed["shortfall"] else ""
    sentence(f"It did not count: {missed['words']}{code}")
