"""A form whose fields are bound to the values of a composition, by their paths.

A change in a field changes its value in the text; a change of the text changes the fields whose values differ. No
change causes another one, because both sides compare with the composition, and a field that shows the value is left
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from connector.definitions.yaml_editing import Path
from connector.rules.model.errors import ConnectorError
from starter.console.compose.codecs import TEXT, UNITS, Codec, read_duration, write_duration
from starter.console.compose.composition import Composition, covers, dotted
from starter.console.compose.sections import Problem, Section
from starter.console.elements.native_select import Options, native_select, on_option, set_option
from starter.console.elements.page_words import as_sentence

ONLY_IN_YAML = "This is written in a way that the form cannot show. It is kept: change it in the YAML."


class Form:
    """The fields of one page.

    Args:
        edited: called after a field has changed the text.
    """

    def __init__(self, composition: Composition, edited: Callable[[], None]) -> None:
        self.composition, self._edited = composition, edited
        self._root: Section | None = None
        self._section: Section | None = None
        self._problems: Sequence[Problem] = ()
        self._steps: list[tuple[ui.tab, str, Section]] = []

    @contextmanager
    def within(self, section: Section) -> Iterator[None]:
        """Add what is built in the block to this section."""
        outer, self._section = self._section, section
        try:
            yield
        finally:
            self._section = outer

    def section(self, shape: Callable[[], Hashable], build: Callable[[], None], classes: str = "cc-column") -> Section:
        """Build a section here. `shape` says by what it is built: another shape builds it again."""
        outer = self._section
        section = Section(self.within, shape, build, classes)
        if outer is None:
            self._root = section
        else:
            outer.children.append(section)
        return section

    def step(self, tab: ui.tab, title: str, build: Callable[[], None]) -> None:
        """Build what is behind a tab, whose label then counts the problems in it."""
        self._steps = [one for one in self._steps if not one[0].is_deleted]
        self._steps.append((tab, title, self.section(lambda: None, build)))

    def refresh(self) -> None:
        """Show the values of the composition in every field, and the problems that are known."""
        if self._root is not None:
            self._root.refresh()
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
        """Show each problem at the field of its key, or at the nearest part of the form around it."""
        self._problems = problems
        if self._root is None:
            return
        places = self._root.all_places()
        shown: dict[int, list[Problem]] = {}
        for problem in problems:
            around = [n for n, (key, _) in enumerate(places) if key and covers(key, problem.key)]
            if around:
                shown.setdefault(max(around, key=lambda n: len(places[n][0])), []).append(problem)
        for number, (_, label) in enumerate(places):
            here = shown.get(number, [])
            label.set_text("\n".join(problem.text for problem in here))
            label.set_visibility(bool(here))
            is_warning = bool(here) and all(problem.is_warning for problem in here)
            label.classes(**{"add" if is_warning else "remove": "is-warning"})
        for tab, title, section in self._steps:
            if not tab.is_deleted:
                labels = {id(label) for _, label in section.all_places()}
                count = sum(len(shown.get(n, ())) for n, (_, label) in enumerate(places) if id(label) in labels)
                tab.props["label"] = f"{title} ({count})" if count else title

    # What fields are made of

    def place(self, path: Path) -> ui.label:
        """Add the place at which problems of a value, and of what has no field of its own in it, are shown."""
        label = ui.label("").classes("cf-fault").props('aria-live="polite"')
        label.set_visibility(False)
        self._here.places.append((dotted(path), label))
        return label

    def on_refresh(self, refresh: Callable[[], None]) -> None:
        """Call this whenever the values may have changed."""
        self._here.refreshers.append(refresh)

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
        with _field(label, hint, wide=wide or lines > 0) as caption:
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
            text = widget.value or ""
            if _same(text, self._shown(path, codec)):
                return
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
    ) -> ui.element:
        """Add a choice. `read` returns the option of a value, `write` the value of an option (default: themselves)."""
        to_option = read or (lambda value: "" if value is None else str(value))
        with _field(label, hint, wide=wide) as caption:
            select = native_select(options, to_option(self.value(path)))
            self.place(path)
        caption.props["for"] = select.html_id

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
            self.place(path)

        def edit() -> None:
            if switch.value != (self.value(path) is True):
                self.put(path, switch.value or None)

        def refresh() -> None:
            switch.set_value(self.value(path) is True)

        switch.on_value_change(edit)
        self.on_refresh(refresh)

    def duration(self, path: Path, label: str, *, hint: str = "") -> None:
        """Add a field for a duration: a number and a unit."""
        with _field(label, hint) as caption:
            with ui.element("div").classes("cf-duration"):
                number = ui.input().props("outlined dense debounce=250 inputmode=numeric")
                unit = native_select({"": {one: one for one in UNITS}}, "days")
                unit.props["aria-label"] = f"Unit of: {label}"
            self.place(path)
        caption.props["for"] = number.html_id

        def refresh() -> None:
            shown = read_duration(self.value(path))
            number.set_enabled(shown is not None)
            text, named = shown or ("", "")
            if number.value != text:
                number.set_value(text)
            if named:
                set_option(unit, named)

        def edit(option: str | None = None) -> None:
            new = write_duration(number.value or "", option or unit.props["value"])
            if read_duration(self.value(path)) not in (None, read_duration(new)):
                self.put(path, new)

        refresh()
        number.on_value_change(lambda: edit())
        on_option(unit, edit)
        self.on_refresh(refresh)

    def clock(self, path: Path, label: str) -> None:
        """Add a field for a time of the day, which is always written in quotes."""
        self.text(path, label, props="type=time")

    def instant(self, path: Path, label: str) -> None:
        """Add a field for an instant with its zone."""
        self.text(path, label, hint="With its zone, like 2026-04-01T09:00:00+02:00")

    @property
    def _here(self) -> Section:
        assert self._section is not None  # noqa: S101 - fields are built within sections
        return self._section

    def _shown(self, path: Path, codec: Codec) -> str | None:
        value = self.value(path)
        return "" if value is None else codec.show(value)


@contextmanager
def _field(label: str, hint: str, *, wide: bool = False) -> Iterator[ui.element]:
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
