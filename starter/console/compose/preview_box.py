"""Previews beside the messages: an email in a frame without scripts, a push as on a phone, a text with its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from connector.definitions.yaml_editing import Path
from starter.console.elements.rendered import html_frame
from starter.console.elements.text import text


class PreviewBox:
    """The place of one preview, added here.

    Args:
        path: of the message that it shows.
    """

    def __init__(self, path: Path, channel: str) -> None:
        self.path, self.channel = path, channel
        self._shown: Mapping[str, Any] | None = None
        self._box = ui.element("div").classes("cf-preview").props('role="region"')
        self._box.props["aria-label"] = f"Preview: {channel.replace('_', ' ')}"

    @property
    def is_deleted(self) -> bool:
        """Whether its part of the form is gone."""
        return self._box.is_deleted

    def show(self, preview: Mapping[str, Any]) -> None:
        """Show a rendered message, or why there is none. What is shown already stays, so that no email flickers."""
        if self.is_deleted or preview == self._shown:
            return
        self._shown = preview
        self._box.clear()
        with self._box:
            content = preview["content"]
            if content is None:
                text(preview["fault"], "cf-preview-fault")
            else:
                _SHOW.get(self.channel, _show_card)(content, preview)
            if preview.get("words"):
                text(f"Now: {preview['words']}", "cc-small")
            if preview.get("missing"):
                text(f"Nothing known: {', '.join(preview['missing'])}", "cc-muted cc-small")


def _show_email(content: Mapping[str, Any], preview: Mapping[str, Any]) -> None:
    with ui.element("div").classes("cp-mail"):
        text(content.get("subject") or "(no subject)", "cp-title")
        if content.get("from"):
            text(content["from"], "cc-muted cc-small")
        if content.get("html") is not None:
            html_frame(content["html"], title="Preview of the email").classes("cp-frame")
        if content.get("text") is not None:
            text(content["text"], "cp-plain", tag="pre")


def _show_push(content: Mapping[str, Any], preview: Mapping[str, Any]) -> None:
    with ui.element("div").classes("cp-phone"), ui.element("div").classes("cp-push"):
        ui.icon("notifications").props('aria-hidden="true"').classes("cp-push-icon")
        with ui.element("div").classes("cp-push-text"):
            text(content.get("title") or "(no title)", "cp-title")
            text(content.get("body") or "")
            _buttons(content)
    for page in content.get("pages") or ():
        text(f"{page.get('title') or page['id']}: {page.get('body') or ''}", "cc-small")


def _show_sms(content: Mapping[str, Any], preview: Mapping[str, Any]) -> None:
    with ui.element("div").classes("cp-phone"):
        text(content["body"] or "(empty)", "cp-bubble")
    size = preview.get("size")
    if size is not None:
        segments = "1 segment" if size["segments"] == 1 else f"{size['segments']} segments"
        unit = "characters" if size["encoding"] == "GSM-7" else "units"
        text(f"{segments} ({size['encoding']}, {size['units']} {unit})", "cc-muted cc-small")


def _show_webhook(content: Mapping[str, Any], preview: Mapping[str, Any]) -> None:
    text(f"{content.get('method', 'POST')} {content['url']}", "cc-mono")
    if content.get("body") is not None:
        text(content["body"], "cp-plain", tag="pre")


def _show_card(content: Mapping[str, Any], preview: Mapping[str, Any]) -> None:
    with ui.element("div").classes("cp-card"):
        text(content.get("title") or "(no title)", "cp-title")
        text(content.get("body") or "")
        _buttons(content)
        if content.get("link"):
            text(content["link"], "cc-muted cc-small")


def _buttons(content: Mapping[str, Any]) -> None:
    if content.get("buttons"):
        with ui.element("div").classes("cp-buttons"):
            for button in content["buttons"]:
                text(button.get("label") or button["id"], "cp-button")


_SHOW = {"email": _show_email, "push": _show_push, "sms": _show_sms, "webhook": _show_webhook}
