"""Parts of a page that show counts as they are now, by the shared polling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from nicegui import ui

from starter.api.requests.errors import HANDLED_ERRORS, ApiError, as_api_error
from starter.console.elements.errors import show_page_error
from starter.console.state import Viewer

T = TypeVar("T")
Refresh = Callable[[], Awaitable[None]]
"""Shows at once what has changed: for after an action."""


async def watch(
    viewer: Viewer,
    question: Hashable,
    load: Callable[[], Awaitable[T]],
    show: Callable[[T], Any],
    show_error: Callable[[ApiError], Any] = show_page_error,
) -> Refresh:
    """Show an answer, and again whenever it has changed; return a function that shows changes at once.

    However many pages ask the same question, the store is asked once per interval (`CONNECTOR_CONSOLE_INTERVAL`).

    Args:
        question: what is asked, with its parameters; the same for every viewer who may see the same.
        load: loads the answer, by an operation.
        show: called with each answer that differs from the one before.
        show_error: called instead if it cannot be loaded.
    """
    shown: list[Any] = []

    async def refresh() -> None:
        try:
            answer: Any = await viewer.console.polling.ask(question, load)
        except HANDLED_ERRORS as error:
            answer = as_api_error(error)
        if shown and _is_same(shown[0], answer):
            return
        shown[:] = [answer]
        if isinstance(answer, ApiError):
            show_error(answer)
        else:
            show(answer)

    async def refresh_at_once() -> None:
        viewer.console.polling.forget()
        await refresh()

    await refresh()
    ui.timer(viewer.console.polling.interval_seconds, refresh, immediate=False)
    return refresh_at_once


async def live(
    viewer: Viewer, question: Hashable, load: Callable[[], Awaitable[T]], render: Callable[[T], Any]
) -> Refresh:
    """Render an answer into a part of the page of its own, and again whenever it has changed; see `watch`.

    Args:
        render: builds the elements; called in a container that has been emptied.
    """
    container = ui.element("div").classes("cc-column")

    def show(answer: T) -> None:
        container.clear()
        with container:
            render(answer)

    def show_error(error: ApiError) -> None:
        container.clear()
        with container:
            show_page_error(error)

    return await watch(viewer, question, load, show, show_error)


def _is_same(shown: Any, answer: Any) -> bool:
    if isinstance(shown, ApiError) and isinstance(answer, ApiError):
        return (shown.code, shown.message) == (answer.code, answer.message)
    return bool(shown == answer)
