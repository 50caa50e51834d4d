"""The newest draft of a campaign: its differences from what was published, and what publishing it would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from nicegui import ui

from starter.console.elements.numbers import count_of
from starter.console.elements.table import Column, table
from starter.console.elements.text import heading, link, text
from starter.console.pages.campaign_orders import show_publish_buttons
from starter.console.paths import campaign_path
from starter.console.state import Viewer

_MAX_VALUE_CHARACTERS = 2_000


def show_draft(viewer: Viewer, review: Mapping[str, Any]) -> None:
    """Show the draft as a diff, and the plan of its publication with the buttons that carry it out."""
    draft = review["draft"]
    with ui.element("section").classes("cc-card").props('aria-labelledby="draft"'):
        heading(f"Draft: revision {draft['revision']}").props('id="draft"')
        if not review["windows"]:
            text("It was never published. This is what would become live:", "cc-muted", tag="p")
            definition = text(as_yaml(review["definition"]), "cc-pre", tag="pre").props('tabindex="0" role="region"')
            definition.props["aria-label"] = "The draft as YAML"
        else:
            differ = "key differs" if len(draft["differences"]) == 1 else "keys differ"
            text(f"{len(draft['differences']):,} {differ} from what was published last.", "cc-muted", tag="p")
            _show_differences(draft["differences"])
        if review["publish"] is not None:
            _show_plan(viewer, review)


def _show_differences(differences: list[Mapping[str, Any]]) -> None:
    columns = [
        Column("Key", lambda row: text(row["path"], "cc-mono") and None),
        Column("Published", lambda row: _value(row, "before")),
        Column("Draft", lambda row: _value(row, "after")),
    ]
    table(columns, differences, label="Differences between what was published and the draft")


def _value(row: Mapping[str, Any], side: str) -> None:
    absent = "added" if side == "before" else "removed"
    if row["change"] == absent:
        text("–", "cc-muted")
        return
    value = row[side]
    shown = value if isinstance(value, str) else as_yaml(value)
    tone = "cc-removed" if side == "before" else "cc-added"
    text(shown[:_MAX_VALUE_CHARACTERS], f"cc-mono cc-value {tone}")


def as_yaml(value: Any) -> str:
    """Return a value of a definition as YAML, in the order of its keys."""
    written = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=False, width=100)
    return str(written).removesuffix("...\n").rstrip("\n")


def _show_plan(viewer: Viewer, review: Mapping[str, Any]) -> None:
    publish = review["publish"]
    plan = publish["together"] or publish["alone"]
    heading("Publication", 3)
    if publish["together"] is not None:
        text("Draft follow-ons listen to it. Together they take effect at one instant, in this order:", tag="p")
    with ui.element("ol").classes("cc-order"):
        for id in plan["order"]:
            with ui.element("li"):
                link(id, campaign_path(id))
    _show_notes("It would be refused:", plan["refusals"], "bad")
    if publish["together"] is not None:
        _show_notes("On its own it would be refused:", publish["alone"]["refusals"], "warn")
    _show_notes("Warnings:", plan["warnings"], "warn")
    for launch in plan["launches"]:
        text(
            f"{launch['campaign']}: {count_of(launch['at_once'], 'user')} get it at once, {launch['later']:,} later, "
            f"{launch['stale']:,} not at all, because their time has passed.",
            tag="p",
        )
    show_publish_buttons(viewer, review)


def _show_notes(title: str, notes: list[str], tone: str) -> None:
    if not notes:
        return
    with ui.element("div").classes(f"cc-note {tone}"):
        text(title, "cc-attention-title", tag="p")
        with ui.element("ul"):
            for note in notes:
                text(note, tag="li")
