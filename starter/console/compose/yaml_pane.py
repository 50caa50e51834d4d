"""The YAML text beside the form: an editor with the faults at their lines, and a list of them that leads there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from starter.console.elements.page_words import in_page_words
from starter.console.elements.text import heading, text

_MAX_LISTED = 50
_KINDS = (("faults", "is-fault"), ("refusals", "is-fault"), ("warnings", "is-warning"))
_NAME_EDITOR = """
(function name(tries) {
  const content = document.querySelector('.cf-editor .cm-content');
  if (content) {
    content.setAttribute('aria-label', 'YAML of the definition');
    content.setAttribute('aria-describedby', '%s');
    content.setAttribute('tabindex', '0');
    return;
  }
  if (tries) setTimeout(() => name(tries - 1), 100);
})(50)
"""
_WATCH_COLOURS = """
(() => {
  const report = () => emitEvent('colours', document.body.classList.contains('body--dark'));
  new MutationObserver(report).observe(document.body, {attributes: true, attributeFilter: ['class']});
  report();
})()
"""


class YamlPane:
    """The editor and what is wrong with its text.

    Args:
        edited: called with the new text after a keystroke.
    """

    def __init__(self, value: str, edited: Callable[[str], None]) -> None:
        self._edited = edited
        heading("YAML")
        self.editor = ui.codemirror(
            value, language="YAML", theme="githubLight", indent="  ", line_wrapping=True, on_change=self._on_change
        ).classes("cf-editor")
        hint = text("Tab indents; Escape, then Tab leaves the editor.", "cc-muted cc-small", tag="p")
        self._state = text("", "cc-small", tag="p").props('role="status"')
        self._list = ui.element("ul").classes("cf-problems").props('aria-label="Faults and warnings"')
        ui.on("colours", lambda event: self.editor.set_theme("githubDark" if event.args else "githubLight"))
        ui.run_javascript(_NAME_EDITOR % hint.html_id)
        ui.run_javascript(_WATCH_COLOURS)

    def show_text(self, value: str) -> None:
        """Show another text, which the form has made."""
        if self.editor.value != value:
            self.editor.set_value(value)

    def show_problems(self, checked: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Show what `check_text` has found, at its lines and as a list."""
        found = [(problem, kind) for name, kind in _KINDS for problem in checked[name]]
        last = self.editor.value.count("\n") + 1 if self.editor.value else 1
        lines: dict[int, tuple[str, list[str]]] = {}
        for problem, kind in found:
            number = min(problem["line"] or 1, last)
            lines.setdefault(number, (kind, []))[1].append(_sentence(problem))
        self.editor.decorations = [
            {"kind": "line", "line": number, "class": f"cf-line {kind}"} for number, (kind, _) in lines.items()
        ]
        self.editor.line_tooltips = {number: "\n".join(words) for number, (_, words) in lines.items()}
        self._say(checked)
        self._list.clear()
        with self._list:
            for problem, kind in found[:_MAX_LISTED]:
                self._add_item(problem, kind)

    def _say(self, checked: Mapping[str, Sequence[Any]]) -> None:
        faults, refusals, warnings = (len(checked[name]) for name, _ in _KINDS)
        counts = [
            _count(faults, "fault") + (": it cannot be saved yet" if faults else ""),
            _count(refusals, "reason", "s why it cannot be published yet", " why it cannot be published yet"),
            _count(warnings, "warning"),
        ]
        self._state.set_text(", ".join(filter(None, counts)) or "No faults: it can be saved and published")

    def _add_item(self, problem: Mapping[str, Any], kind: str) -> None:
        line = problem["line"] or 1
        with ui.element("li"), ui.element("button").props('type="button"').classes(f"cf-problem {kind}") as button:
            text(f"Line {line}", "cf-problem-line")
            text(_sentence(problem))
        button.on("click", lambda: self.editor.reveal_line(line))

    def _on_change(self) -> None:
        self._edited(self.editor.value or "")


def _sentence(problem: Mapping[str, Any]) -> str:
    return ": ".join(part for part in (problem["key"], in_page_words(problem["problem"])) if part)


def _count(number: int, word: str, many: str = "s", one: str = "") -> str:
    return f"{number} {word}{one if number == 1 else many}" if number else ""
