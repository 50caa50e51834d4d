"""Step 1: the messages of a campaign by channel, and its variants."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import ui

from connector.definitions.yaml_editing import Path
from starter.console.compose.codecs import BLOCK, INTEGER, KEPT_BLOCK, KEPT_TEXT
from starter.console.compose.form import Form
from starter.console.compose.message_parts import part_list
from starter.console.elements.text import heading, text

CHANNELS = {
    "email": ("Email", "mail"),
    "push": ("Push", "notifications"),
    "sms": ("Text message", "sms"),
    "in_app_message": ("In-app message", "smartphone"),
    "content_card": ("Content card", "view_agenda"),
    "news_feed_card": ("News Feed card", "feed"),
    "webhook": ("Webhook", "webhook"),
}
_STARTS: dict[str, dict[str, Any]] = {
    "email": {"subject": "", "html": '<p>Hi {{ user.first_name | default: "there" }}</p>\n'},
    "sms": {"body": ""},
    "webhook": {"url": "https://"},
}
_METHODS = {"": {"": "POST", "PUT": "PUT", "PATCH": "PATCH", "GET": "GET", "DELETE": "DELETE"}}
_SHOWN = {
    "email": {"subject", "html", "text", "from", "reply_to", "preheader"},
    "sms": {"body"},
    "push": {"title", "body", "link", "buttons", "pages"},
    "webhook": {"url", "method", "body"},
    "in_app_message": {"title", "body", "buttons"},
    "content_card": {"title", "body", "link"},
    "news_feed_card": {"title", "body", "link"},
}

Preview = Callable[[Path, str], None]
"""Adds the preview of the message at a path, on a channel."""


def messages_step(form: Form, preview: Preview) -> None:
    """Add the messages, or the variants with theirs."""

    def build() -> None:
        form.place(("variants",))
        variants = form.value(("variants",))
        if isinstance(variants, list) and variants:
            form.each(len(variants), partial(_variant, form, preview))
            with ui.element("div").classes("cc-row"):
                ui.button("Add a variant", icon="add", on_click=lambda: _add_variant(form)).props("outline no-caps")
        else:
            _contents(form, preview, ("messages",))
            ui.button("Compare variants", icon="science", on_click=lambda: _split(form)).props("flat no-caps").classes(
                "cf-add"
            )

    def shape() -> Any:
        variants = form.value(("variants",))
        return len(variants) if isinstance(variants, list) else 0

    form.section(shape, build)


def card_step(form: Form, preview: Preview) -> None:
    """Add the content of a News Feed card."""
    with ui.element("div").classes("cf-grid"):
        form.text(("title",), "Title", codec=KEPT_TEXT, wide=True)
        form.text(("body",), "Text", codec=KEPT_BLOCK, lines=2)
        form.text(("link",), "Link")
    preview((), "card")


def _variant(form: Form, preview: Preview, number: int) -> None:
    path: Path = ("variants", number)
    with ui.element("fieldset").classes("cf-card"):
        text(f"Variant {number + 1}", "cf-legend", tag="legend")
        button = ui.button(icon="delete", on_click=lambda: remove()).props("flat round dense").classes("cf-remove")
        button.props["aria-label"] = f"Remove variant {number + 1}"
        with ui.element("div").classes("cf-grid"):
            form.text((*path, "name"), "Name", codec=KEPT_TEXT)
            form.text((*path, "weight"), "Weight", codec=INTEGER, hint="Shares of users by weight; 1 if empty")
        _contents(form, preview, (*path, "messages"))

    def remove() -> None:
        form.put(path, None)
        form.refresh()


def _contents(form: Form, preview: Preview, path: Path) -> None:
    def present() -> list[str]:
        messages = form.value(path)
        return [name for name in CHANNELS if name in messages] if isinstance(messages, dict) else []

    def build() -> None:
        form.place(path)
        here = present()
        for channel in here:
            _message(form, preview, (*path, channel), channel)
        if not here:
            text("Choose at least one channel.", "cc-muted")
        with ui.element("div").classes("cc-row").props('role="group" aria-label="Add a channel"'):
            for channel, (label, icon) in CHANNELS.items():
                if channel not in here:
                    ui.button(label, icon=icon, on_click=lambda c=channel: add(c)).props("outline dense no-caps")

    def add(channel: str) -> None:
        form.put((*path, channel), _STARTS.get(channel, {"title": "", "body": ""}))
        form.refresh()

    form.section(lambda: tuple(present()), build)


def _message(form: Form, preview: Preview, path: Path, channel: str) -> None:
    label, icon = CHANNELS[channel]

    def remove() -> None:
        form.put(path, None)
        form.refresh()

    with ui.element("section").classes("cf-card"):
        with ui.element("div").classes("cc-spread"):
            with ui.element("div").classes("cc-row"):
                ui.icon(icon).props('aria-hidden="true"')
                heading(label, 3)
            button = ui.button(icon="delete", on_click=remove).props("flat round dense")
            button.props["aria-label"] = f"Remove the {label.lower()}"
        form.place(path)
        with ui.element("div").classes("cf-message"):
            with ui.element("div").classes("cc-column"), ui.element("div").classes("cf-grid"):
                _FIELDS[channel](form, path)
            preview(path, channel)
        _only_in_yaml(form, path, channel)


def _email(form: Form, path: Path) -> None:
    form.text((*path, "subject"), "Subject", codec=KEPT_TEXT, wide=True)
    form.text((*path, "preheader"), "Text beside the subject")
    form.text((*path, "from"), "From", hint="Shop <news@shop.example>")
    form.text((*path, "html"), "HTML", codec=BLOCK, lines=5, hint="Name a link by data-alias to follow its clicks")
    form.text((*path, "text"), "Plain text", codec=BLOCK, lines=2)
    form.text((*path, "reply_to"), "Replies go to")


def _sms(form: Form, path: Path) -> None:
    form.text((*path, "body"), "Text", codec=KEPT_TEXT, lines=3)


def _titled(form: Form, path: Path) -> None:
    form.text((*path, "title"), "Title", codec=KEPT_TEXT, wide=True)
    form.text((*path, "body"), "Text", codec=KEPT_BLOCK, lines=2)


def _linked(form: Form, path: Path) -> None:
    _titled(form, path)
    form.text((*path, "link"), "Link", wide=True)


def _push(form: Form, path: Path) -> None:
    _linked(form, path)
    part_list(form, (*path, "buttons"), "Button", ("label", "link"))
    part_list(form, (*path, "pages"), "Page", ("title", "body", "link"))


def _in_app(form: Form, path: Path) -> None:
    _titled(form, path)
    part_list(form, (*path, "buttons"), "Button", ("label", "link"))


def _webhook(form: Form, path: Path) -> None:
    form.text((*path, "url"), "Address", codec=KEPT_TEXT, wide=True)
    form.select((*path, "method"), "Method", _METHODS)
    form.text((*path, "body"), "Body", codec=BLOCK, lines=3)


_FIELDS: dict[str, Callable[[Form, Path], None]] = {
    "email": _email,
    "sms": _sms,
    "push": _push,
    "webhook": _webhook,
    "in_app_message": _in_app,
    "content_card": _linked,
    "news_feed_card": _linked,
}


def _only_in_yaml(form: Form, path: Path, channel: str) -> None:
    """Say which keys of a message only the YAML has."""
    note = text("", "cf-yaml-only")

    def refresh() -> None:
        message = form.value(path)
        hidden = [name for name in message if name not in _SHOWN[channel]] if isinstance(message, dict) else []
        note.set_text(f"Only in the YAML, and kept: {', '.join(hidden)}")
        note.set_visibility(bool(hidden))

    refresh()
    form.on_refresh(refresh)


def _split(form: Form) -> None:
    """Turn the messages into two variants that are equal at first."""
    messages = form.value(("messages",)) or {}
    content = messages if isinstance(messages, dict) else {}
    variants = [{"name": name, "weight": 1, "messages": content} for name in ("A", "B")]
    if form.put(("variants",), variants):
        form.put(("messages",), None)
        form.refresh()


def _add_variant(form: Form) -> None:
    variants = form.value(("variants",))
    names = {str(one.get("name")) for one in variants if isinstance(one, dict)}
    name = next((letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in names), "New")
    last = variants[-1] if isinstance(variants[-1], dict) else {}
    form.put(("variants", len(variants)), {"name": name, "weight": 1, "messages": last.get("messages", {})})
    form.refresh()
