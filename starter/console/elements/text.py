"""Text as text: every value of users and marketers comes into a page through these elements, which escape it."""

from __future__ import annotations

from nicegui.elements.mixins.text_element import TextElement


def text(value: object, classes: str = "", *, tag: str = "span") -> TextElement:
    """Add an element with a text; whatever is in it, the browser shows it as text.

    Args:
        tag: the HTML element, such as `span`, `p`, `td`, `dt`.
    """
    return TextElement(tag=tag, text=str(value)).classes(classes)


def heading(value: str, level: int = 2) -> TextElement:
    """Add a heading; a page has its own of level 1 already."""
    return text(value, f"cc-h{level}", tag=f"h{level}")


def link(label: str, path: str, classes: str = "cc-link", *, is_foreign: bool = False) -> TextElement:
    """Add a link.

    Args:
        path: the path on this origin; encode ids in it with `at`.
        is_foreign: it leads elsewhere, such as to Temporal's Web UI, and opens a window of its own.
    """
    element = text(label, classes, tag="a")
    element.props["href"] = path
    if is_foreign:
        element.props.update(target="_blank", rel="noopener noreferrer")
    return element
