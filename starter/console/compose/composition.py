"""The text of a composition and what its form shows: one truth, the YAML text, read and changed value by value.

Pure: no page, no store. The form reads `definition` and changes values by `put`; the editor replaces the `text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.definitions.yaml_editing import Path, remove_value, set_value, value_at
from connector.definitions.yaml_text import read_documents
from connector.rules.model.errors import ConnectorError, DefinitionError, Fault

KINDS = ("campaign", "card", "workspace")
MAX_VALUES = 10_000
"""The most values of a text that the form shows: it is read at each change, in a tenth of a second at most."""


class NotInStep(ConnectorError):
    """The text is no YAML at the moment, or too large for the form, so the form cannot change it."""


class Composition:
    """A YAML text with one or several definitions, one of which the form shows.

    Args:
        text: the text as it was opened.
        bases: the newest revisions of its definitions when it was opened, by id.

    Attributes:
        syntax_faults: why the form cannot show the text now, which is no YAML or too large; the form shows the last
            text that it could.
        number: the document that the form shows, from 0.
    """

    def __init__(self, text: str, bases: Mapping[str, int] | None = None) -> None:
        self.bases: dict[str, int] = dict(bases or {})
        self.number = 0
        self.syntax_faults: list[Fault] = []
        self._documents: list[Any] = []
        self._starts: list[int] = []
        self._saved = self.text = text
        self.write(text)

    @property
    def documents(self) -> list[Any]:
        """The data of the documents, as of the last text that was YAML."""
        return self._documents

    @property
    def definition(self) -> dict[str, Any]:
        """The data of the document that the form shows; empty if it is no mapping."""
        data = self._documents[self.number] if self.number < len(self._documents) else None
        return data if isinstance(data, dict) else {}

    @property
    def kind(self) -> str:
        """The kind of the definition by its key, or "" if it has none yet."""
        return next((kind for kind in KINDS if kind in self.definition), "")

    @property
    def id(self) -> str:
        """The id of the definition, as far as it is a text."""
        id = self.definition.get(self.kind)
        return id if isinstance(id, str) else ""

    @property
    def is_changed(self) -> bool:
        """Whether the text differs from what was opened or saved last."""
        return self.text != self._saved

    def write(self, text: str) -> None:
        """Replace the whole text. If the form cannot show it, the data stays as it was and `syntax_faults` says why."""
        self.text = text
        try:
            read = list(read_documents(text, "", max_values=MAX_VALUES))
        except DefinitionError as error:
            self.syntax_faults = error.faults
            return
        self.syntax_faults = []
        self._documents, self._starts = [one.data for one in read], [one.line for one in read]
        self.number = min(self.number, max(len(self._documents) - 1, 0))

    def is_shown(self, line: int) -> bool:
        """Return whether a line of the text, from 1, is in the document that the form shows."""
        later = [start for start in self._starts[self.number + 1 :] if start <= line]
        return not later and (self.number == 0 or line >= self._starts[self.number])

    def value(self, path: Path) -> Any:
        """Return a value of the definition; None if there is none."""
        return value_at(self.definition, path)

    def put(self, path: Path, value: Any) -> bool:
        """Set one value, or remove it (None); return whether the text changed.

        Raises:
            NotInStep: the form cannot show the text at the moment.
            NotEditable: the value cannot be changed alone.
        """
        if self.value(path) == value and type(self.value(path)) is type(value):
            return False
        if self.syntax_faults:
            fault = self.syntax_faults[0]
            raise NotInStep(f"the form cannot follow line {fault.line} of the YAML ({fault.problem}); change it there")
        if value is None:
            changed = remove_value(self.text, path, document=self.number)
        else:
            changed = set_value(self.text, path, value, document=self.number)
        self.write(changed)
        return True

    def saved(self, text: str, revisions: Mapping[str, int]) -> None:
        """Note that `text` was saved, as these revisions."""
        self._saved = text
        self.bases.update(revisions)


def dotted(path: Path) -> str:
    """Return a path as faults name it: delivery.trigger[0].alias."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
