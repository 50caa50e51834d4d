"""The frame of every page: header with navigation, colour mode and sign-out, and the main part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.console.elements.text import heading, link, text
from starter.console.state import Viewer


@dataclass(frozen=True, order=True)
class NavigationEntry:
    """One entry of the navigation, ordered by its position; `scope` is what a viewer needs to see it."""

    position: int
    path: str
    label: str
    icon: str
    scope: Scope


NAVIGATION: list[NavigationEntry] = []
"""The entries, which the pages add when they are registered."""


@contextmanager
def frame(viewer: Viewer, title: str | None) -> Iterator[None]:
    """Build the frame of a page; what is built inside comes into its main part."""
    client = ui.context.client
    here = client.request.url.path
    if client.content.parent_slot is not None:  # NiceGUI's own <main> has the header in it
        client.content.parent_slot.parent.props('role="presentation"')
    link("Skip to the content", "#content", "skip-link")
    with ui.element("header").classes("cc-header"), ui.element("div").classes("cc-header-inner"):
        with ui.element("a").props('href="/"').classes("cc-brand"):
            ui.element("img").props('src="/assets/icon.svg" alt="" width="24" height="24"')
            text("Campaign Connector")
        with ui.element("nav").props('aria-label="Pages"').classes("cc-nav"):
            for entry in sorted(NAVIGATION):
                if viewer.may(entry.scope):
                    _navigation_link(entry, _is_here(entry.path, here))
        with ui.element("div").classes("cc-tools"):
            _colour_mode()
            _sign_out(viewer)
    with ui.element("main").props('id="content" tabindex="-1"').classes("cc-main"):
        if title is not None:
            heading(title, 1)
        yield


def _navigation_link(entry: NavigationEntry, is_here: bool) -> None:
    with ui.element("a").classes("cc-nav-link") as link:
        link.props["href"] = entry.path
        if is_here:
            link.props["aria-current"] = "page"
        ui.icon(entry.icon).props('aria-hidden="true"')
        text(entry.label)


def _is_here(path: str, here: str) -> bool:
    return here == path if path == "/" else here == path or here.startswith(path + "/")


def _colour_mode() -> None:
    mode = ui.dark_mode(None)

    def switch() -> None:
        mode.set_value({None: True, True: False, False: None}[mode.value])
        ui.notify({None: "Colours of your system", True: "Dark colours", False: "Light colours"}[mode.value])

    with ui.element("button").classes("cc-icon-button").props('type="button" aria-label="Change colours"') as button:
        ui.icon("contrast").props('aria-hidden="true"')
    button.on("click", switch)


def _sign_out(viewer: Viewer) -> None:
    if viewer.session is viewer.console.open_session:
        return
    with ui.element("form").props('method="post" action="/sign-out"'):
        token = ui.element("input").props('type="hidden" name="token"')
        token.props["value"] = viewer.session.form_token
        with ui.element("button").props('type="submit"').classes("cc-sign-out"):
            text("Sign out")
