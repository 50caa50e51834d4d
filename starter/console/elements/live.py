"""A part of a page that shows counts as they are now, by the shared polling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from nicegui import ui

from starter.api.requests.errors import HANDLED_ERRORS, ApiError, as_api_error
from starter.console.elements.errors import show_page_error
from starter.console.state import Viewer

T = TypeVar("T")


async def live(
    viewer: Viewer, question: Hashable, load: Callable[[], Awaitable[T]], render: Callable[[T], Any]
) -> Callable[[], Awaitable[None]]:
    """Render an answer, and again whenever it has changed; return a function that shows changes at once.

    However many pages ask the same question, the store is asked once per interval (`CONNECTOR_CONSOLE_INTERVAL`).

    Args:
        question: what is asked, with its parameters; the same for every viewer who may see the same.
        load: loads the answer, by an operation.
        render: builds the elements; called in a container that has been emptied.
    """
    container = ui.element("div").classes("cc-column")
    shown: list[Any] = []

    async def refresh() -> None:
        try:
            answer: Any = await viewer.console.polling.ask(question, load)
        except HANDLED_ERRORS as error:
            answer = as_api_error(error)
            if shown and str(shown[0]) == str(answer):
                return
        if shown and shown[0] == answer:
            return
        shown[:] = [answer]
        container.clear()
        with container:
            show_page_error(answer) if isinstance(answer, ApiError) else render(answer)

    async def refresh_at_once() -> None:
        viewer.console.polling.forget()
        await refresh()

    await refresh()
    ui.timer(viewer.console.polling.interval_seconds, refresh, immediate=False)
    return refresh_at_once
