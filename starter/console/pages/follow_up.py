"""`/follow-ups/{id}`: one follow-up with its decision, evidence, messages and workflow, and the actions on it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from connector.rules.model.reasons import OPEN_STATES, Reason
from connector.temporal.client import configured_namespace
from starter.console.elements.chips import chip
from starter.console.elements.decisions import evidence, interaction_line, message_lines, outcome
from starter.console.elements.facts import fact, facts, text_fact
from starter.console.elements.sentences import sentence, short_json
from starter.console.elements.text import heading, link, text
from starter.console.elements.times import moment
from starter.console.page import console_page
from starter.console.pages.follow_up_actions import ActionDialog
from starter.console.pages.follow_up_settling import settle_button
from starter.console.pages.message_preview import message_text
from starter.console.paths import campaign_path, user_path, workflow_url
from starter.console.state import Viewer
from starter.explain.follow_up import explain_follow_up
from starter.operations.follow_ups import Criteria

_OPEN = {state.value for state in OPEN_STATES}
_NOTHING: Mapping[str, Any] = {"content": None, "cut": []}
"""The text of a message of which none is kept."""


@console_page("/follow-ups/{id:path}", title="Follow-up")
async def follow_up(viewer: Viewer, id: str) -> None:
    """Show one follow-up, by its id or the id of its workflow."""
    shown = await explain_follow_up(viewer.context, id)
    with ui.element("div").classes("cc-spread"):
        heading(f"{shown['campaign']} for {shown['user'] or 'a user who was erased'}")
        if viewer.may(Scope.MANAGE):
            with ui.element("div").classes("cc-row"):
                _actions(viewer, shown)
    with ui.element("div").classes("cc-grid"):
        _facts(viewer, shown)
        _decision(shown)
    if shown["decision"] is not None:
        _messages(viewer, shown)


def _actions(viewer: Viewer, shown: Mapping[str, Any]) -> None:
    verbs = []
    if shown["state"] in _OPEN:
        verbs = ["send_now", "postpone", "cancel"]
    elif shown["state"] == "failed" and shown["reason"] == Reason.SEND_FAILED.value:
        verbs = ["resend"]
    labels = {"send_now": "Send now…", "postpone": "Postpone…", "cancel": "Cancel…", "resend": "Send again…"}
    for verb in verbs:
        ui.button(
            labels[verb], on_click=lambda verb=verb: ActionDialog(viewer, verb, Criteria(), (shown["id"],))
        ).props("outline dense")
    unknown = [one["channel"] for one in (shown["decision"] or {}).get("messages", ()) if one["state"] == "unknown"]
    for channel in dict.fromkeys(unknown):
        settle_button(viewer, shown["id"], channel)


def _facts(viewer: Viewer, shown: Mapping[str, Any]) -> None:
    with ui.element("section").classes("cc-card"):
        heading("Details")
        with facts():
            text_fact("Id", shown["id"], classes="cc-mono")
            with fact("Campaign"):
                link(shown["campaign"], campaign_path(shown["campaign"]))
            with fact("User"):
                if shown["user"] is None:
                    text("a user who was erased", "cc-muted")
                else:
                    link(shown["user"], user_path(shown["user"]))
            text_fact("User key", shown["user_key"], classes="cc-mono")
            if shown["key"] is not None:
                text_fact("Key", short_json(shown["key"]))
            for label, name in (("Triggered", "triggered_at"), ("Due", "due_at"), ("Ended", "decided_at")):
                with fact(label):
                    moment(shown[name])
            if shown["next_at"] not in (None, shown["due_at"]):
                with fact("Waits until"):
                    moment(shown["next_at"])
            text_fact("Sent by", ", ".join(shown["channels"]) or None)
            _workflow(viewer, shown["workflow_id"])


def _workflow(viewer: Viewer, workflow_id: str | None) -> None:
    if workflow_id is None:
        text_fact("Workflow", "the launch of the campaign sends it")
        return
    url = viewer.context.settings.temporal_ui_url
    with fact("Workflow"):
        text(workflow_id, "cc-mono")
        if url is not None:
            text(" ")
            link("Open in Temporal", workflow_url(url, _namespace(), workflow_id), is_foreign=True)


@cache
def _namespace() -> str:
    """Return the namespace of this process, which does not change."""
    return configured_namespace()


def _decision(shown: Mapping[str, Any]) -> None:
    decision = shown["decision"]
    with ui.element("section").classes("cc-card"):
        heading("Decision")
        with ui.element("div").classes("cc-row"):
            chip(shown["state"])
            if shown["reason"]:
                text(shown["reason"], "cc-muted")
        if decision is None:
            text("The user was erased: campaign, state, reason and times are left.", "cc-muted")
            return
        outcome(decision)
        if "waits" in shown and shown["waits"] != decision["words"]:
            sentence(shown["waits"])
        evidence(decision["looked_at"], is_open=True)
        heading("Trigger", 3)
        with ui.element("div"):
            moment(decision["interaction"]["happened_at"])
            interaction_line(decision["interaction"])


def _messages(viewer: Viewer, shown: Mapping[str, Any]) -> None:
    messages = shown["decision"]["messages"]
    texts = {(one["channel"], one["resend"]): one for one in shown["texts"]}
    with ui.element("section").classes("cc-card"):
        heading("Messages")
        if not messages:
            text("No message was made yet: each is evaluated and rendered when it is due.", "cc-muted")
        for message in messages:
            with ui.element("div").classes("cc-decision"):
                message_lines(message)
                if shown["user"] is not None:
                    kept = texts.get((message["channel"], message["resend"]), _NOTHING)
                    message_text(viewer, shown["campaign"], shown["user"], message, kept["content"], kept["cut"])
