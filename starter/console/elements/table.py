"""A table in HTML, page by page with a cursor: cells are text, or elements that a column builds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from starter.console.elements.errors import attempt
from starter.console.elements.text import text

Row = Mapping[str, Any]
Page = tuple[Sequence[Row], str | None]
"""Rows, and the cursor of the next page; None: there is none."""


@dataclass(frozen=True)
class Column:
    """One column.

    Args:
        cell: builds the cell from the row; returning a text shows it, returning None means that it has added elements.
        is_number: right-aligned, digits of one width.
    """

    label: str
    cell: Callable[[Row], Any]
    is_number: bool = False


def table(columns: Sequence[Column], rows: Sequence[Row], *, label: str) -> ui.element:
    """Show rows; returns the body, to which `add_rows` adds further ones.

    On a phone each row is a card, which takes its role from an element; therefore the roles are written out.

    Args:
        label: what the table lists, for readers of screens.
    """
    with ui.element("div").classes("cc-table-scroll").props('tabindex="0" role="region"') as scroll:
        scroll.props["aria-label"] = label
        with ui.element("table").classes("cc-table").props('role="table"'):
            with ui.element("thead").props('role="rowgroup"'), ui.element("tr").props('role="row"'):
                for column in columns:
                    text(column.label, "number" if column.is_number else "", tag="th").props(
                        'scope="col" role="columnheader"'
                    )
            body = ui.element("tbody").props('role="rowgroup"')
    add_rows(body, columns, rows)
    return body


def add_rows(body: ui.element, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Add rows to the body of a table."""
    with body:
        for row in rows:
            with ui.element("tr").props('role="row"'):
                for column in columns:
                    with ui.element("td").classes("number" if column.is_number else "") as cell:
                        cell.props.update({"role": "cell", "data-label": column.label})
                        shown = column.cell(row)
                        if isinstance(shown, str | int | float):
                            text(shown)


async def paged_table(
    columns: Sequence[Column],
    load: Callable[[str | None], Awaitable[Page]],
    *,
    label: str,
    empty: Callable[[], Any],
) -> None:
    """Show the first page of a list, and a button that adds the next one.

    Args:
        load: loads the page after a cursor; None: the first.
        empty: shows what is there if the list is empty.
    """
    rows, after = await load(None)
    if not rows:
        empty()
        return
    body, cursor = table(columns, rows, label=label), [after]
    more = ui.button("Show more", icon="expand_more").props("outline")
    more.set_visibility(after is not None)

    async def add() -> None:
        page = await attempt(lambda: load(cursor[0]))
        if page is not None:
            add_rows(body, columns, page[0])
            cursor[0] = page[1]
            more.set_visibility(page[1] is not None)

    more.on_click(add)
