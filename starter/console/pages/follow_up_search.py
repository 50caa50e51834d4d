"""The form of filters of the follow-ups page: it leads to the address that has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from nicegui import ui

from connector.rules.explaining.wording import REASON_TEXTS
from connector.rules.model.reasons import Reason
from connector.rules.model.values import ChannelName
from starter.console.elements.moments import MomentField
from starter.console.elements.text import link
from starter.console.follow_up_filter import PATH
from starter.console.paths import at
from starter.operations.follow_ups import ListedState

_STATES = {state: state for state in get_args(ListedState)}
_CHANNELS = {name: name.replace("_", " ") for name in get_args(ChannelName)}
_REASONS = {reason.value: f"{reason.value}: {REASON_TEXTS[reason]}" for reason in Reason}


def filter_form(given: Mapping[str, str | None]) -> None:
    """Show the form with what the address has; a value that is not possible is shown as if nothing were chosen."""
    fields: dict[str, Any] = {}

    async def apply() -> None:
        query = {name: (str(field.value).strip() if field.value else None) for name, field in fields.items()}
        query |= {"since": await since.instant(), "until": await until.instant()}
        ui.navigate.to(at("follow-ups", **query))

    with ui.element("form").props('role="search" aria-label="Filters"').classes("cc-card") as form:
        form.on("submit.prevent", apply)
        with ui.element("div").classes("cc-fields"):
            fields["campaign"] = ui.input("Campaign", value=given["campaign"] or "")
            fields["user"] = ui.input("User: any id, or the user key", value=given["user"] or "")
            fields["state"] = _choice("State", _STATES, given["state"])
            fields["reason"] = _choice("Reason", _REASONS, given["reason"])
            fields["channel"] = _choice("Channel", _CHANNELS, given["channel"])
            since = MomentField("Since", given["since"])
            until = MomentField("Until", given["until"])
            for field in fields.values():
                field.props("outlined dense clearable")
        with ui.element("div").classes("cc-row"):
            ui.button("Show", icon="filter_alt", on_click=apply)
            link("Clear", PATH)


def _choice(label: str, options: Mapping[str, str], chosen: str | None) -> ui.select:
    return ui.select(dict(options), label=label, value=chosen if chosen in options else None, clearable=True)
