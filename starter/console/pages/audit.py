"""`/audit`: who did what, from where, when and why, by filters that the address keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from nicegui import ui
from pydantic import Field

from connector.rules.model.api_keys import Scope
from connector.rules.model.audit import AuditAction
from connector.rules.model.values import Text, format_instant
from connector.store.audit import AuditFilter
from starter.api.requests.body import validate
from starter.api.requests.options import Moment, NoOptions
from starter.console.elements.chips import chip
from starter.console.elements.empty import empty_state
from starter.console.elements.moments import MomentField
from starter.console.elements.sentences import short_json
from starter.console.elements.table import Column, table
from starter.console.elements.text import link, text
from starter.console.elements.times import moment
from starter.console.page import console_page
from starter.console.paths import at
from starter.console.state import Viewer
from starter.operations.audit import read_audit

_PAGE = 50
_MAX_SEQ = 2**63 - 1


class _Query(NoOptions):
    since: Moment | None = None
    action: Annotated[AuditAction, Field(strict=False)] | None = None
    actor: Text | None = None
    subject: Text | None = None
    before: Annotated[int, Field(strict=False, ge=1, le=_MAX_SEQ)] | None = None


@console_page("/audit", title="Audit", icon="policy", position=70, scope=Scope.MANAGE)
async def audit(
    viewer: Viewer,
    since: str | None = None,
    action: str | None = None,
    actor: str | None = None,
    subject: str | None = None,
    before: str | None = None,
) -> None:
    """Show the filters and a page of entries, newest first."""
    query = {"since": since, "action": action, "actor": actor, "subject": subject}
    _filters(query)
    given = validate(_Query, {name: value for name, value in {**query, "before": before}.items() if value})
    subjects = None if given.subject is None else (given.subject,)
    wanted = AuditFilter(given.since, given.action, given.actor, subjects, given.before)
    page = await read_audit(viewer.context, wanted, _PAGE)
    if not page["entries"]:
        empty_state(
            "No entries" if not any(query.values()) else "No entry matches these filters",
            "Every order, draft, key, erasure and operator action leaves an entry, which cannot be changed or deleted.",
            icon="policy",
        )
        return
    _entries(page["entries"])
    with ui.element("nav").classes("cc-row").props('aria-label="Pages of the list"'):
        if before:
            link("Newest", at("audit", **query))
        if page["has_more"]:
            link("Older", at("audit", **{**query, "since": format_instant(given.since)}, before=str(page["next"])))


def _filters(given: Mapping[str, str | None]) -> None:
    async def apply() -> None:
        query = {"action": action.value, "actor": actor.value, "subject": subject.value}
        chosen = {name: (value or "").strip() or None for name, value in query.items()}
        ui.navigate.to(at("audit", **chosen, since=await since.instant()))

    actions = [one.value for one in AuditAction]
    chosen = given["action"] if given["action"] in actions else None
    with ui.element("form").props('role="search" aria-label="Filters"').classes("cc-card") as form:
        form.on("submit.prevent", apply)
        with ui.element("div").classes("cc-fields"):
            action = ui.select(actions, label="Action", value=chosen, clearable=True)
            actor = ui.input("Actor: key id, user name or kind", value=given["actor"] or "")
            subject = ui.input("Subject: campaign, key, user or follow-up", value=given["subject"] or "")
            since = MomentField("Since", given["since"])
            for field in (action, actor, subject):
                field.props("outlined dense")
        with ui.element("div").classes("cc-row"):
            ui.button("Show", icon="filter_alt", on_click=apply)
            link("Clear", at("audit"))


def _entries(entries: list[Mapping[str, Any]]) -> None:
    columns = [
        Column("Time", lambda one: moment(one["at"]) and None),
        Column("Actor", _actor),
        Column("From", lambda one: one["origin"] or "–"),
        Column("Action", lambda one: one["action"].replace("_", " ")),
        Column("Subject", _subject),
        Column("Outcome", lambda one: chip(one["outcome"]) and None),
        Column("Reason", lambda one: one["reason"] or "–"),
        Column("Details", _details),
    ]
    table(columns, entries, label="Entries of the audit trail")


def _actor(one: Mapping[str, Any]) -> None:
    actor = one["actor"]
    text(actor["name"] or actor["id"] or actor["kind"])
    if actor["name"] or actor["id"]:
        text(f" {actor['kind'].replace('_', ' ')}", "cc-muted cc-small")


def _subject(one: Mapping[str, Any]) -> str | None:
    if one["subject"] is None:
        return "–"
    link(one["subject"], at("audit", subject=one["subject"]), "cc-link cc-mono")
    return None


def _details(one: Mapping[str, Any]) -> None:
    for name, value in one["details"].items():
        text(f"{name}: {short_json(value)}", "cc-tag")
