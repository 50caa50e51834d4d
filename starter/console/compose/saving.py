"""The bar of the composer: save as a draft, take out as a file, read from a file, and the result."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from connector.rules.model.errors import DraftConflict
from starter.api.requests.errors import HANDLED_ERRORS
from starter.console.compose.composition import Composition
from starter.console.compose.unsaved import forget_unsaved
from starter.console.elements.confirm import confirm
from starter.console.elements.dialogs import buttons, dialog
from starter.console.elements.errors import notify_error
from starter.console.elements.text import link, text
from starter.console.paths import at, campaign_path
from starter.console.state import Viewer
from starter.operations.compose import open_definition, save_text
from starter.operations.errors import NotKnown

_MAX_FILE_BYTES = 1_000_000


class SaveBar:
    """The actions of one composition.

    Args:
        replace: shows another text in the form and in the editor.
        settle: checks the text again.
    """

    def __init__(
        self, viewer: Viewer, composition: Composition, replace: Callable[[str], None], settle: Callable[[], None]
    ) -> None:
        self._viewer, self._composition, self._replace, self._settle = viewer, composition, replace, settle
        with ui.element("div").classes("cf-bar"):
            self._state = text("", "cc-muted")
            with ui.element("div").classes("cc-row"):
                upload = ui.upload(
                    on_upload=self._read_file,
                    auto_upload=True,
                    max_file_size=_MAX_FILE_BYTES,
                    on_rejected=lambda: ui.notify("A file of up to 1 MB can be read", type="warning"),
                ).classes("cf-upload")
                upload.props["accept"] = ".yaml,.yml"
                pick = ui.button("Read a file", icon="upload_file").props("flat no-caps")
                # In the browser, because it opens its file dialog only as the immediate effect of a click.
                pick.on("click", js_handler=f"() => runMethod({upload.id}, 'pickFiles', [])")
                ui.button("Take out as a file", icon="download", on_click=self._download).props("flat no-caps")
                self._save = ui.button("Save draft", icon="save", on_click=self._save_draft).props("unelevated no-caps")
                self._save.set_enabled(False)
            self._result = ui.element("section").classes("cf-result").props('role="status"')
            self._result.set_visibility(False)

    def say(self, words: str) -> None:
        """Show a sentence beside the buttons."""
        self._state.set_text(words)

    def offer(self, words: str, action: str, act: Callable[[], None]) -> None:
        """Show a sentence above the form with an action that is taken once."""
        self._result.clear()
        self._result.set_visibility(True)

        def do() -> None:
            self._result.set_visibility(False)
            act()

        with self._result, ui.element("div").classes("cc-row"):
            text(words)
            ui.button(action, on_click=do).props("flat dense no-caps")

    def show(self, checked: Mapping[str, Sequence[Any]]) -> None:
        """Show whether the text can be saved, by what `check_text` has found."""
        may_save = self._viewer.may(Scope.MANAGE)
        is_changed = self._composition.is_changed or not self._composition.bases
        self._save.set_enabled(may_save and is_changed and not checked["faults"])
        base = self._composition.bases.get(self._composition.id)
        since = f"Revision {base}" if base else "Not saved yet"
        words = f"{since}, changed" if base and self._composition.is_changed else since
        self.say(words if may_save else f"{words}; your key may look, and not save")

    async def _save_draft(self) -> None:
        written = self._composition.text
        try:
            actor = await self._viewer.actor(Scope.MANAGE)
            saved = await save_text(self._viewer.context, actor, written, bases=self._composition.bases)
        except DraftConflict as conflict:
            await self._resolve(conflict)
            return
        except HANDLED_ERRORS as error:
            notify_error(error)
            return
        self._composition.saved(written, {one["id"]: one["revision"] for one in saved["saved"]})
        self._show_saved(saved)
        self._settle()

    def _show_saved(self, saved: Mapping[str, Any]) -> None:
        self._result.clear()
        self._result.set_visibility(True)
        first = saved["saved"][0]["id"]
        forget_unsaved()
        ui.navigate.history.replace(at("compose", first))
        with self._result:
            for one in saved["saved"]:
                with ui.element("div").classes("cc-row"):
                    unchanged = one["change"] == "unchanged"
                    text(f"{one['id']}: {'unchanged' if unchanged else 'saved'} as revision {one['revision']}.")
                    link("Publish it on its page", campaign_path(one["id"]))
            for warning in saved["warnings"]:
                text(warning, "cf-warning", tag="p")

    async def _resolve(self, conflict: DraftConflict) -> None:
        """Show what somebody else saved, and ask whose text goes on. Nothing is lost: both are on the screen."""
        id = next(iter(conflict.found))
        try:
            theirs = await open_definition(self._viewer.context, id)
        except NotKnown:
            notify_error(conflict)
            return
        choice = await _ask(str(conflict), theirs["yaml"], self._composition.text)
        if choice == "mine":
            self._composition.bases.update(conflict.found)
            await self._save_draft()
        elif choice == "theirs":
            self._composition.bases.update(conflict.found)
            self._composition.saved(theirs["yaml"], {})
            self._replace(theirs["yaml"])

    def _download(self) -> None:
        name = self._composition.id or "definition"
        ui.download.content(self._composition.text, f"{name}.yaml", "application/yaml")

    async def _read_file(self, event: Any) -> None:
        try:
            content = (await event.file.read()).decode("utf-8-sig")
        except UnicodeDecodeError:
            ui.notify(f"{event.file.name} is not UTF-8 text; save it as UTF-8", type="negative")
            return
        if self._composition.is_changed and not await confirm(
            "Read this file?", ["It takes the place of what you have written here."], action="Read it"
        ):
            return
        self._replace(content)


async def _ask(words: str, theirs: str, mine: str) -> str | None:
    """Show the differences between two texts, and return whose goes on: mine, theirs, or None."""
    lines = difflib.unified_diff(theirs.splitlines(), mine.splitlines(), "theirs", "yours", lineterm="")
    with dialog("Somebody else saved it meanwhile", is_wide=True) as opened:
        text(words, tag="p")
        text("\n".join(lines), "cc-pre", tag="pre").props('tabindex="0"')
        with buttons():
            ui.button("Keep editing", on_click=opened.close).props("flat no-caps autofocus")
            ui.button("Save mine as the newest", on_click=lambda: opened.submit("mine")).props("outline no-caps")
            ui.button("Load theirs", on_click=lambda: opened.submit("theirs")).props("outline no-caps")
    choice: str | None = await opened
    return choice
