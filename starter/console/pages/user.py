"""`/users/{id}`: a profile, consent, the inbox, why a campaign sent nothing, and the timeline; and the erasure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.console.elements.chips import chip
from starter.console.elements.facts import fact, facts, text_fact
from starter.console.elements.sentences import json_text
from starter.console.elements.text import heading, link, text
from starter.console.elements.times import moment
from starter.console.page import console_page
from starter.console.pages.user_erasure import erase_button
from starter.console.pages.user_inbox import inbox
from starter.console.pages.user_reasons import why_not
from starter.console.pages.user_timeline import timeline
from starter.console.paths import at, id_in
from starter.console.state import Viewer
from starter.explain.timeline import read_timeline
from starter.operations.users import read_ids, read_user

_PAGE = 25
_CHANGES = 20
"""The most changes of consent that the card shows, the newest ones."""
NO_CHANGES = "No changes since this version records them; the state above is current."
_SOURCES = {
    "profile": "by the profile",
    "user": "by the user, with a link to unsubscribe",
    "provider": "by a provider",
    "service": "by a service",
    "operator": "by an operator",
}


@console_page("/users/{name:path}", title="User")
async def user(
    viewer: Viewer, name: str, id: str | None = None, campaign: str | None = None, after: str | None = None
) -> None:
    """Show one user, by any id or the user key."""
    happened = await read_timeline(viewer.context, id_in(name, id), limit=_PAGE, after=after)
    profile = await read_user(viewer.context, happened["user"])
    ids = await read_ids(viewer.context, happened["user_key"])
    with ui.element("div").classes("cc-spread"):
        heading(profile["id"], 2)
        with ui.element("div").classes("cc-row"):
            link("Follow-ups", at("follow-ups", user=profile["id"]))
            if viewer.may(Scope.MANAGE):
                erase_button(viewer, profile["id"])
    with ui.element("div").classes("cc-grid"):
        _profile(profile, happened["user_key"], ids)
        _consent(viewer, profile, happened["user_key"])
    await inbox(viewer, profile["id"])
    await why_not(viewer, profile["id"], campaign)
    timeline(viewer, profile["id"], happened, is_first=after is None)


def _profile(profile: Mapping[str, Any], user_key: str, ids: list[str]) -> None:
    with ui.element("section").classes("cc-card"):
        heading("Profile", 2)
        with facts():
            text_fact("Name", profile["first_name"])
            for name, channel, label in (("email", "email", "Email"), ("phone", "sms", "Phone")):
                with fact(label):
                    text(profile[name] or "–")
                    if channel in profile.get("unreachable", {}):
                        chip("suppressed")
            text_fact("Push tokens", str(len(profile["push_tokens"])) if profile["push_tokens"] else None)
            text_fact("Time zone", profile["time_zone"])
            text_fact("Ids", ", ".join(ids), classes="cc-mono")
            text_fact("User key", user_key, classes="cc-mono")
        for join in profile.get("joins", ()):
            _join(join)
        if profile["attributes"]:
            heading("Attributes", 3)
            json_text(profile["attributes"])


def _join(join: Mapping[str, Any]) -> None:
    with ui.element("div").classes("cc-small cc-muted"):
        text(f"{join['previous_id']} was joined into {join['id']} by {join['joined_by'] or 'someone unknown'} at ")
        moment(join["joined_at"])
        if join["undone_at"] is not None:
            text(f", split off by {join['undone_by'] or 'a service that used it as a user of its own'} at ")
            moment(join["undone_at"])


def _consent(viewer: Viewer, profile: Mapping[str, Any], user_key: str) -> None:
    with ui.element("section").classes("cc-card"):
        heading("Consent", 2)
        if not profile["consent"]:
            text("Nothing was stated: messages of every channel with an address go out.", tag="div", classes="cc-muted")
        with facts():
            for channel, state in profile["consent"].items():
                with fact(channel):
                    chip(state)
                    _statement(profile.get("consent_statements", {}).get(channel))
            for channel, address in profile.get("unreachable", {}).items():
                with fact(f"{channel}, suppressed"):
                    text(f"a provider reported that {address} takes no messages")
        _consent_history(profile, user_key, may_read_audit=viewer.may(Scope.MANAGE))


def _statement(stated: Mapping[str, Any] | None) -> None:
    if stated is None:
        return
    text(f" {_SOURCES[stated['source']]}", classes="cc-muted")
    if stated["at"] is not None:
        text(", ", classes="cc-muted")
        moment(stated["at"])


def _consent_history(profile: Mapping[str, Any], user_key: str, *, may_read_audit: bool) -> None:
    """Show the newest changes, whoever made them."""
    changes = profile.get("consent_history", ())
    heading("History", 3)
    if not changes:
        text(NO_CHANGES if profile["consent"] else "No changes.", tag="div", classes="cc-muted cc-small")
    with ui.element("ul").classes("cc-list"):
        for change in changes[:_CHANGES]:
            with ui.element("li"):
                moment(change["changed_at"])
                text(f": {change['words']}")
                if change["stated_at"] not in (None, change["changed_at"]):
                    text(", stated at ", classes="cc-muted")
                    moment(change["stated_at"])
    if len(changes) > _CHANGES:
        text("The timeline below has earlier changes.", tag="div", classes="cc-muted cc-small")
    if may_read_audit and any(change["changed_by"] for change in changes):
        link("Operators' changes in the audit trail", at("audit", subject=user_key))
