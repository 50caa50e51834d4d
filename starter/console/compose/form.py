"""A form whose fields are bound to the values of a composition, by their paths.

A change in a field changes its value in the text; a change of the text changes the fields whose values differ. No
change causes another one, because both sides compare with the composition, and a field that shows the value is left
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from connector.definitions.yaml_editing import Path
from connector.rules.model.errors import ConnectorError
from starter.console.compose.codecs import TEXT, Codec
from starter.console.compose.composition import Composition, dotted
from starter.console.compose.problems import Place, Problem, show_at
from starter.console.compose.sections import Section, SectionTree
from starter.console.elements.native_select import Options, native_select, on_option, set_option
from starter.console.elements.page_words import as_sentence

ONLY_IN_YAML = "This is written in a way that the form cannot show. It is kept: change it in the YAML."


class Form(SectionTree):
    """The fields of one page.

    Args:
        edited: called after a field has changed the text.
    """

    def __init__(self, composition: Composition, edited: Callable[[], None]) -> None:
        super().__init__()
        self.composition, self._edited = composition, edited
        self._problems: Sequence[Problem] = ()
        self._steps: list[tuple[ui.tab, str, Section]] = []

    def step(self, tab: ui.tab, title: str, build: Callable[[], None]) -> None:
        """Build what is behind a tab, whose label then counts the problems in it."""
        self._steps = [one for one in self._steps if not one[0].is_deleted]
        self._steps.append((tab, title, self.section(lambda: None, build)))

    def refresh(self) -> None:
        """Show the values of the composition in every field, and the problems that are known."""
        self.refresh_sections()
        self.show_problems(self._problems)

    def value(self, path: Path) -> Any:
        """Return a value of the definition."""
        return self.composition.value(path)

    def put(self, path: Path, value: Any) -> bool:
        """Change a value in the text; return whether it was possible. The reason why not is shown."""
        try:
            changed = self.composition.put(path, value)
        except ConnectorError as error:
            ui.notify(as_sentence(str(error)), type="warning", multi_line=True)
            self._edited()  # the field shows the value again a moment later: not while its own event is handled
            return False
        if changed:
            self._edited()
        return True

    def show_problems(self, problems: Sequence[Problem]) -> None:
        """Show each problem at the fields of its key, or at the nearest part of the form around it, and count them."""
        self._problems = problems
        shown = show_at(self.all_places(), problems)
        for tab, title, section in self._steps:
            if not tab.is_deleted:
                found = {problem for place in section.all_places() for problem in shown.get(place, ())}
                tab.props["label"] = f"{title} ({len(found)})" if found else title

    # What fields are made of

    def place(self, path: Path, *, is_cause: bool = False) -> ui.label:
        """Add the place at which problems of a value, and of what has no field of its own in it, are shown.

        Args:
            is_cause: it is an additional place, at another value that makes this one wrong.
        """
        label = ui.label("").classes("cf-fault").props('aria-live="polite"')
        label.set_visibility(False)
        self.here.places.append(Place(dotted(path), label, is_cause))
        return label

    def on_refresh(self, refresh: Callable[[], None]) -> None:
        """Call this whenever the values may have changed."""
        self.here.refreshers.append(refresh)

    def text(
        self,
        path: Path,
        label: str,
        *,
        codec: Codec = TEXT,
        hint: str = "",
        lines: int = 0,
        props: str = "",
        wide: bool = False,
    ) -> Any:
        """Add a field for a text or another scalar; with `lines`, for a text of several lines."""
        with labelled_field(label, hint, wide=wide or lines > 0) as caption:
            kind = ui.textarea if lines else ui.input
            widget: Any = kind(value=self._shown(path, codec) or "")
            widget.props(f"outlined dense debounce=250 hide-bottom-space {props}")
            if lines:
                widget.props(f"autogrow input-style='min-height: {lines * 1.5}em'").classes("cf-block")
            only_in_yaml = ui.label(ONLY_IN_YAML).classes("cf-yaml-only")
            fault = self.place(path)
        caption.props["for"] = widget.html_id
        widget.props["aria-describedby"] = fault.html_id

        def edit() -> None:
            text, shown = widget.value or "", self._shown(path, codec)
            if shown is not None and not _same(text, shown):
                self.put(path, codec.write(text))

        def refresh() -> None:
            shown = self._shown(path, codec)
            only_in_yaml.set_visibility(shown is None)
            widget.set_enabled(shown is not None)
            if not (_same(widget.value or "", shown) or _means(codec, widget.value or "", self.value(path))):
                widget.set_value(shown or "")

        widget.on_value_change(edit)
        refresh()
        self.on_refresh(refresh)
        return widget

    def select(
        self,
        path: Path,
        label: str,
        options: Options,
        *,
        read: Callable[[Any], str] | None = None,
        write: Callable[[str], Any] | None = None,
        hint: str = "",
        wide: bool = False,
        causes: Sequence[Path] = (),
    ) -> ui.element:
        """Add a choice. `read` returns the option of a value, `write` the value of an option (default: themselves).

        Args:
            causes: values elsewhere that this choice makes wrong; their problems are shown here too.
        """
        to_option = read or (lambda value: "" if value is None else str(value))
        with labelled_field(label, hint, wide=wide) as caption:
            select = native_select(options, to_option(self.value(path)))
            faults = [self.place(path), *(self.place(one, is_cause=True) for one in causes)]
        caption.props["for"] = select.html_id
        select.props["aria-describedby"] = " ".join(fault.html_id for fault in faults)

        def edit(option: str) -> None:
            if option != to_option(self.value(path)) and self.put(path, write(option) if write else option or None):
                self.refresh()  # at once: fields that depend on it must not be rebuilt while somebody types in them

        def refresh() -> None:
            set_option(select, to_option(self.value(path)))

        on_option(select, edit)
        self.on_refresh(refresh)
        return select

    def switch(self, path: Path, label: str) -> None:
        """Add a switch for a boolean, which is only written if it is true."""
        with ui.element("div").classes("cf-field"):
            switch = ui.checkbox(label, value=self.value(path) is True).props("dense")
            switch.props["aria-describedby"] = self.place(path).html_id

        def edit() -> None:
            if switch.value != (self.value(path) is True):
                self.put(path, switch.value or None)

        def refresh() -> None:
            switch.set_value(self.value(path) is True)

        switch.on_value_change(edit)
        self.on_refresh(refresh)

    def _shown(self, path: Path, codec: Codec) -> str | None:
        value = self.value(path)
        return "" if value is None else codec.show(value)


@contextmanager
def labelled_field(label: str, hint: str, *, wide: bool = False) -> Iterator[ui.element]:
    """Add a field with its label above and its hint below; yields the label."""
    with ui.element("div").classes("cf-field cf-wide" if wide else "cf-field"):
        caption = TextElement(tag="label", text=label).classes("cf-label")
        yield caption
        if hint:
            ui.label(hint).classes("cf-hint")


def _means(codec: Codec, text: str, value: Any) -> bool:
    """Return whether a text means the value already, like a list whose next item is not written yet."""
    written = codec.write(text)
    return type(written) is type(value) and bool(written == value)


def _same(text: str, shown: str | None) -> bool:
    return shown is not None and text.rstrip("\n") == shown.rstrip("\n")
