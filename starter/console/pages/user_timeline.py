"""The timeline of a user: what the user did and what was decided, messages, ends, and consent, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from starter.console.elements.decisions import decision_line, interaction_line, message_lines
from starter.console.elements.empty import empty_state
from starter.console.elements.sentences import sentence
from starter.console.elements.text import heading, link, text
from starter.console.elements.times import moment
from starter.console.pages.message_preview import message_text
from starter.console.pages.user_picture import picture_button
from starter.console.paths import campaign_path, follow_up_path, page_of_user
from starter.console.state import Viewer

_ICONS = {"interaction": "touch_app", "message": "send", "outcome": "event_busy", "consent": "how_to_reg"}


def timeline(viewer: Viewer, id: str, happened: Mapping[str, Any], *, is_first: bool) -> None:
    """Show one page of the timeline.

    Args:
        happened: the page, as `read_timeline` returns it.
        is_first: whether it is the newest page.
    """
    with ui.element("section").classes("cc-card").props("id=timeline"):
        heading("Timeline", 2)
        if not happened["entries"]:
            empty_state(
                "Nothing happened yet",
                "What the user does appears here as it is reported, with what each follow-on decided about it.",
                icon="timeline",
            )
        else:
            with ui.element("div"):
                picture_button(viewer, id)
        with ui.element("ol").classes("cc-timeline"):
            for entry in happened["entries"]:
                _entry(viewer, id, entry)
        if happened["is_cut"] and not happened["has_more"]:
            text("Older decisions are left out; choose a campaign above to see its own.", tag="div", classes="cc-muted")
        with ui.element("nav").classes("cc-row").props('aria-label="Pages of the timeline"'):
            if not is_first:
                link("Newest", page_of_user(id, {}))
            if happened["has_more"]:
                link("Older", page_of_user(id, {"after": happened["next"]}))


def _entry(viewer: Viewer, id: str, entry: Mapping[str, Any]) -> None:
    with ui.element("li").classes(entry["kind"]):
        with ui.element("div").classes("cc-row cc-tight cc-muted"):
            ui.icon(_ICONS[entry["kind"]]).props('aria-hidden="true"')
            moment(entry["at"])
        if entry["kind"] == "interaction":
            interaction_line(entry["interaction"])
            for one in entry["decisions"]:
                decision_line(one["campaign"], one["decision"])
            return
        if entry["kind"] == "consent":
            sentence(entry["consent"]["words"])
            return
        [one] = entry["decisions"]
        if entry["kind"] == "outcome":
            decision_line(one["campaign"], one["decision"])
        else:
            _message(viewer, id, one, entry)


def _message(viewer: Viewer, id: str, one: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    with ui.element("div").classes("cc-decision"):
        with ui.element("div").classes("cc-row cc-tight"):
            link(one["campaign"], campaign_path(one["campaign"]), "cc-link cc-strong")
            link("follow-up", follow_up_path(one["decision"]["follow_up"]))
        message_lines(entry["message"], with_time=False)
        message_text(viewer, one["campaign"], id, entry["message"], entry["content"], entry["cut"])
