"""Errors in the words of the API: in the place of a page, and beside an action."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from nicegui import ui

from starter.api.requests.errors import HANDLED_ERRORS, ApiError, as_api_error
from starter.console.elements.page_words import as_sentence
from starter.console.elements.text import text

T = TypeVar("T")


def show_page_error(error: ApiError) -> None:
    """Show an error where a page or a part of it would be."""
    with ui.element("section").props('role="alert"').classes("cc-error"):
        ui.icon("error_outline").props('aria-hidden="true"')
        with ui.element("div"):
            text(as_sentence(error.message), tag="p")
            text(f"{error.code} ({error.status})", "cc-muted", tag="p")


def notify_error(error: Exception) -> None:
    """Show the error of an action in the corner, until it is dismissed."""
    ui.notification(
        as_sentence(as_api_error(error).message), type="negative", timeout=None, close_button="Close", multi_line=True
    )


async def attempt(action: Callable[[], Awaitable[T]]) -> T | None:
    """Run an action of a page; return its result, or None after its error was shown."""
    try:
        return await action()
    except HANDLED_ERRORS as error:
        notify_error(error)
        return None
