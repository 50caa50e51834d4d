"""A form that opens its page again with what was searched in the address, so that the address can be shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nicegui import ui

from starter.console.elements.native_select import native_select
from starter.console.elements.text import link, text


@dataclass(frozen=True)
class Choice:
    """A choice beside the text.

    Args:
        name: of the parameter in the address.
        label: for readers of screens.
        options: labels by the value in the address.
    """

    name: str
    label: str
    options: Mapping[str, str]
    chosen: str


def search_form(path: str, search: str, choice: Choice, *, is_filtered: bool) -> None:
    """Add a form that searches campaigns.

    Args:
        path: of the page, without a query.
        search: what was searched.
        is_filtered: whether the page shows a part, so that a link leads back to all campaigns.
    """
    with ui.element("form").props('method="get" role="search"').classes("cc-row") as form:
        form.props["action"] = path
        field = ui.element("input").classes("cc-input").props('type="search" name="search"')
        field.props.update({"value": search, "placeholder": "Id or name", "aria-label": "Find a campaign"})
        select = native_select({"": choice.options}, choice.chosen, "cc-input")
        select.props.update({"name": choice.name, "aria-label": choice.label})
        text("Find", "cc-button", tag="button").props('type="submit"')
        if is_filtered:
            link("All campaigns", path)
