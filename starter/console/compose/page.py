"""The page of one composition: the form and its YAML in step, previews, the example user, saving."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from nicegui import background_tasks, ui

from connector.definitions.yaml_editing import Path
from connector.rules.model.errors import ConnectorError
from connector.rules.model.users import User
from connector.store.engine.outages import StoreUnavailable
from starter.console.compose.composition import Composition
from starter.console.compose.conditions import Targets
from starter.console.compose.document_choice import DocumentChoice
from starter.console.compose.examples import Example
from starter.console.compose.form import Form
from starter.console.compose.preview_box import PreviewBox
from starter.console.compose.problems import Problem
from starter.console.compose.rendering import Previews, load_preview_user
from starter.console.compose.saving import SaveBar
from starter.console.compose.steps import build_form
from starter.console.compose.unsaved import forget_unsaved, keep_unsaved, read_unsaved
from starter.console.compose.yaml_pane import YamlPane
from starter.console.elements.text import text
from starter.console.state import Viewer
from starter.operations.compose import (
    check_text,
    read_settings_of_examples,
    read_target,
    search_targets,
)
from starter.operations.errors import NotKnown

_SETTLE_SECONDS = 0.3
"""How long nothing is typed before the text is checked and the other side follows."""
_LEAVE = """
window.composeChanged = %s;
if (!window.composeGuard) {
  window.composeGuard = true;
  window.addEventListener('beforeunload', (event) => { if (window.composeChanged) event.preventDefault(); });
}
"""


class ComposePage:
    """One open composer."""

    def __init__(self, viewer: Viewer, composition: Composition) -> None:
        self._viewer, self.composition = viewer, composition
        self._form = Form(composition, self._edited_in_form)
        self._boxes: list[PreviewBox] = []
        self._user: User | None = None
        self._example = Example()
        self._settling: asyncio.Task[None] | None = None
        self._was_changed: bool | None = None
        self._is_restored = False

    def build(self) -> None:
        """Build the page into the current place."""
        ui.add_head_html('<link rel="stylesheet" href="/assets/compose.css">')
        self._root = ui.element("div").classes("cf-page")
        with self._root:
            self._bar = SaveBar(self._viewer, self.composition, self._replace_text, self._settle)
            self._narrow_switch()
            with ui.element("div").classes("cf-layout"):
                with ui.element("div").classes("cf-side cf-form-side"):
                    self._documents = DocumentChoice(self.composition, self._show_document)
                    self._preview_choice()
                    with ui.element("div").classes("cc-column"):
                        self._build_form()
                with ui.element("div").classes("cf-side cf-yaml-side cc-card"):
                    self._pane = YamlPane(self.composition.text, self._edited_in_yaml)
        self._settle()

    def _build_form(self) -> None:
        targets = Targets(self._search, self._read_target)
        build_form(self._form, targets, self._add_preview, self._example.build)

    def _narrow_switch(self) -> None:
        with ui.element("div").classes("cf-narrow").props('role="group" aria-label="Shown"'):
            form = ui.button("Form", on_click=lambda: show("form")).props("outline dense no-caps")
            yaml = ui.button("YAML", on_click=lambda: show("yaml")).props("outline dense no-caps")

        def show(side: str) -> None:
            self._root.classes(add=f"shows-{side}", remove=f"shows-{'yaml' if side == 'form' else 'form'}")
            form.props["aria-pressed"], yaml.props["aria-pressed"] = (
                str(side == "form").lower(),
                str(side == "yaml").lower(),
            )

        show("form")

    def _preview_choice(self) -> None:
        with ui.element("div").classes("cf-preview-choice"):
            field = ui.input(placeholder="Ana, an example").props("outlined dense debounce=500 hide-bottom-space")
            field.props["aria-label"] = "Preview for the user"
            field.props["prefix"] = "Preview for the user"
            self._user_note = text("", "cc-muted cc-small")

        async def choose() -> None:
            id = (field.value or "").strip()
            found = await load_preview_user(self._viewer.context, id) if id else None
            self._user_note.set_text("" if found or not id else f"There is no user {id}: an example is shown")
            self._user = found
            self._settle()

        field.on_value_change(choose)

    def _show_document(self) -> None:
        """Show the definition that was chosen."""
        self._form.refresh()
        self._settle()

    def _add_preview(self, path: Path, channel: str) -> None:
        self._boxes.append(PreviewBox(path, channel))

    # In step

    def _edited_in_form(self) -> None:
        self._pane.show_text(self.composition.text)
        self._settle()

    def _edited_in_yaml(self, new: str) -> None:
        if new != self.composition.text:
            self.composition.write(new)
            self._settle()

    def _replace_text(self, new: str) -> None:
        """Show another text in both, such as one that was read from a file."""
        self.composition.write(new)
        self._edited_in_form()

    def _settle(self) -> None:
        """Check the text and let the other side follow when nothing has changed for a moment."""
        if self._settling is not None:
            self._settling.cancel()
        self._settling = background_tasks.create(self._follow(), name="compose: follow")

    async def _follow(self) -> None:
        await asyncio.sleep(_SETTLE_SECONDS)
        if self._root.is_deleted:
            return
        with self._root:
            try:
                if not self._is_restored:
                    await self._restore()
                await self._show()
            except (ConnectorError, StoreUnavailable) as error:
                self._bar.say(str(error))

    async def _show(self) -> None:
        """Show the composition as it is now in everything on the page."""
        written = self.composition.text
        self._documents.refresh()
        self._form.refresh()
        await self._form.finish()
        checked = await check_text(self._viewer.context, written)
        if written != self.composition.text or self._root.is_deleted:
            return  # somebody went on; the next round shows it
        self._pane.show_problems(checked)
        self._form.show_problems(self._problems(checked))
        self._bar.show(checked)
        self._guard()
        settings, now = await read_settings_of_examples(self._viewer.context)
        self._example.show(self.composition.definition, settings, now)
        self._boxes = [box for box in self._boxes if not box.is_deleted]
        previews = Previews(self._viewer.context, self.composition, self._user, now, settings.zone)
        for box in self._boxes:
            is_whole = not (checked["faults"] or checked["refusals"])
            preview = await previews.load(box.path, box.channel, is_whole=is_whole)
            if written != self.composition.text:
                return
            box.show(preview)

    def _problems(self, checked: dict[str, Any]) -> list[Problem]:
        """Return what is wrong with the definition that the form shows."""
        return [
            Problem(problem["key"], problem["problem"], name == "warnings")
            for name in ("faults", "refusals", "warnings")
            for problem in checked[name]
            if self.composition.is_shown(problem["line"] or 1)
        ]

    async def _restore(self) -> None:
        """Show again what this tab had and did not save."""
        kept = await read_unsaved()
        self._is_restored = True
        if kept is None or kept[0] == self.composition.text or self.composition.is_changed:
            return
        opened, bases = self.composition.text, dict(self.composition.bases)
        self.composition.write(kept[0])
        self.composition.bases = kept[1]
        self._pane.show_text(kept[0])

        def give_up() -> None:
            self.composition.bases = bases
            self._replace_text(opened)

        self._bar.offer("What you had written here and not saved is here again.", "Give it up", give_up)

    def _guard(self) -> None:
        """Let the browser ask before changes are left behind, and keep them over a reload."""
        if self.composition.is_changed:
            keep_unsaved(self.composition.text, self.composition.bases)
        elif self._was_changed:
            forget_unsaved()
        if self._was_changed != self.composition.is_changed:
            self._was_changed = self.composition.is_changed
            ui.run_javascript(_LEAVE % str(self._was_changed).lower())

    # The catalogue

    async def _search(self, words: str) -> Sequence[dict[str, Any]]:
        here = [self._own_target(data) for data in self.composition.documents]
        found: list[dict[str, Any]] = (await search_targets(self._viewer.context, words))["targets"]
        known = {one["id"] for one in found}
        return [*found, *(one for one in here if one and one["id"] not in known and words in one["id"])]

    def _own_target(self, data: Any) -> dict[str, Any] | None:
        """Return another definition of this text as a target."""
        kind = next((kind for kind in ("campaign", "card") if isinstance(data, dict) and kind in data), None)
        if kind is None or not isinstance(data[kind], str) or data is self.composition.definition:
            return None
        return {"id": data[kind], "kind": kind, "name": str(data.get("name") or ""), "state": "in this text"}

    async def _read_target(self, id: str) -> dict[str, Any] | None:
        try:
            return await read_target(self._viewer.context, id)
        except NotKnown:
            return None
