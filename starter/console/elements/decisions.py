"""Decisions as `explain` has them: the outcome in a sentence, the evidence, and the messages of a follow-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from connector.rules.explaining.interaction_words import INTERACTION_WORDS
from connector.rules.model.interactions import InteractionType
from connector.rules.model.reasons import OPEN_STATES
from starter.console.elements.chips import chip
from starter.console.elements.sentences import sentence, short_json
from starter.console.elements.text import link, text
from starter.console.elements.times import moment
from starter.console.paths import campaign_path, follow_up_path

_OPEN = {state.value for state in OPEN_STATES}
_INTERACTIONS = frozenset(InteractionType)


def interaction_line(item: Mapping[str, Any]) -> None:
    """Show what the user did: the type, the campaign or card, the properties, and the id."""
    with ui.element("div").classes("cc-row cc-tight"):
        text(_what(item["type"]), classes="cc-strong")
        if target := item["campaign"] or item["card"]:
            text("of")
            link(target, campaign_path(target))
        for name, value in (item["properties"] or {}).items():
            text(f"{name}: {short_json(value)}", "cc-tag")
        text(item["id"], classes="cc-mono cc-muted")
    if item["arrived_at"] not in (None, item["happened_at"]):
        with ui.element("div").classes("cc-muted cc-small"):
            text("arrived at ")
            moment(item["arrived_at"])


def _what(type: str | None) -> str:
    """Return what the user did in plain words; an event has the name that the shop gave it."""
    if type is None:
        return "an interaction that is not logged any more"
    return INTERACTION_WORDS[InteractionType(type)] if type in _INTERACTIONS else type


def decision_line(campaign: str, decision: Mapping[str, Any]) -> None:
    """Show the outcome of a decision of a campaign, and its evidence to unfold."""
    with ui.element("div").classes("cc-decision"):
        with ui.element("div").classes("cc-row cc-tight"):
            chip(decision["state"])
            link(campaign, campaign_path(campaign), "cc-link cc-strong")
            if decision["follow_up"] is not None:
                link("follow-up", follow_up_path(decision["follow_up"]))
            if decision["key"] is not None:
                text(f"for {short_json(decision['key'])}", classes="cc-tag")
        outcome(decision)
        evidence(decision["looked_at"])


def outcome(decision: Mapping[str, Any]) -> None:
    """Show in one sentence how a decision came out, with its reason."""
    code = f" ({decision['reason']})" if decision["reason"] and decision["state"] not in _OPEN else ""
    if code or decision["words"] != decision["state"]:
        sentence(f"{decision['words']}{code}")


def evidence(found: Sequence[Mapping[str, Any]], *, is_open: bool = False) -> None:
    """Show the facts that a decision depended on, folded unless `is_open`."""
    if not found:
        return
    with ui.element("details").classes("cc-details").props("open" if is_open else ""):
        text(f"Evidence ({len(found)})", tag="summary")
        with ui.element("ul").classes("cc-list"):
            for one in found:
                with ui.element("li"):
                    sentence(one["words"])


def message_lines(message: Mapping[str, Any], *, with_time: bool = True) -> None:
    """Show one message on one channel: its state, what the provider said, and the evidence of a refusal."""
    with ui.element("div").classes("cc-row cc-tight"):
        chip(message["state"])
        text(message["channel"].replace("_", " "), classes="cc-strong")
        if message["resend"]:
            text("sent again", classes="cc-tag")
        at = message["claimed_at"] or message["decided_at"]
        if with_time and at is not None:
            moment(at)
    code = f" ({message['reason']})" if message["reason"] else ""
    if code or message["words"] != message["state"]:
        sentence(f"{message['words']}{code}")
    for detail in (message["fault"], message["detail"]):
        if detail:
            text(detail, tag="div", classes="cc-mono cc-muted")
    evidence(message["looked_at"])
