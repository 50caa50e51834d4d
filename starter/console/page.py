"""How a page is declared: `@console_page("/path", title=…)` on an async function that takes the viewer."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import app, ui

from connector.rules.model.api_keys import Scope
from starter.api.requests.clients import client_of
from starter.api.requests.errors import HANDLED_ERRORS, as_api_error
from starter.console.elements.errors import show_page_error
from starter.console.elements.text import heading
from starter.console.layout import NAVIGATION, NavigationEntry, frame
from starter.console.sessions import SESSION
from starter.console.state import Console, Viewer

_RESPONSE_SECONDS = 20.0


def console_page(
    path: str,
    *,
    title: str,
    icon: str | None = None,
    position: int = 100,
    scope: Scope = Scope.READ,
    has_heading: bool = True,
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[Any]]]:
    """Register an async function as a page. It takes the `viewer` and, by name, the parameters of the path and query.

    An error of an operation becomes a message in the words of the API, within the frame of the page.

    Args:
        title: the title of the window, and the label in the navigation.
        icon: the name of a Material icon; None: the page is not in the navigation.
        position: the place in the navigation; the overview has 0, and places go up by tens.
        scope: what the viewer's key needs.
        has_heading: the frame shows the title; False: the page shows a heading of level 1 of its own.
    """

    def register(build: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[Any]]:
        async def built(**parameters: Any) -> Any:
            viewer = current_viewer()
            with frame(viewer, title if has_heading else None):
                try:
                    await viewer.actor(scope)
                    await build(viewer, **parameters)
                except HANDLED_ERRORS as error:
                    if not has_heading:
                        heading(title, 1)
                    show_page_error(as_api_error(error))
            return None

        own = list(inspect.signature(build, eval_str=True).parameters.values())[1:]
        signature = inspect.Signature([one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own])
        built.__signature__ = signature  # type: ignore[attr-defined]
        built.__name__ = build.__name__
        if icon is not None:
            NAVIGATION.append(NavigationEntry(position, path, title, icon, scope))
        return ui.page(path, title=f"{title} · Campaign Connector", response_timeout=_RESPONSE_SECONDS)(built)

    return register


def current_viewer() -> Viewer:
    """Return who looks at the page that is built, or whose event is handled, now."""
    console: Console = app.state.console
    request = ui.context.client.request
    return Viewer(console, request.scope["state"][SESSION], client_of(request.scope))
