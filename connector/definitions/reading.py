"""Reading definitions: a YAML text, a file, a folder of them, or one mapping from JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from connector.definitions.faults import closest_match, describe_faults
from connector.definitions.yaml_text import MAX_DEPTH, Document, read_documents
from connector.rules.model.campaigns import DEFINITION_KINDS, Campaign, Card, Workspace
from connector.rules.model.errors import DefinitionError, Fault
from connector.templating.templates import check_templates

Definition = Campaign | Card | Workspace


@dataclass(frozen=True)
class Definitions:
    """What one or several files define. `places` has "file:line" for each campaign's and card's id."""

    workspace: Workspace | None
    campaigns: tuple[Campaign, ...]
    cards: tuple[Card, ...]
    places: Mapping[str, str]

    @property
    def all(self) -> tuple[Definition, ...]:
        """The workspace first, then cards and campaigns."""
        return (*([self.workspace] if self.workspace else []), *self.cards, *self.campaigns)


def read_definitions(path: Path) -> Definitions:
    """Read a YAML file, or all *.yaml and *.yml of a folder and its folders, in the order of their names.

    A folder inside of it that has a `timeline.jsonl` is a case for `simulate`, and no part of it. Neither is what npm
    installed (`node_modules`).

    Raises:
        DefinitionError: with every fault of every file.
    """
    if not path.exists():
        raise DefinitionError([Fault("", "does not exist; name a YAML file or a folder of them", str(path))])
    files = _files_in(path) if path.is_dir() else [path]
    if not files:
        raise DefinitionError([Fault("", "holds no .yaml or .yml file", str(path))])
    collected = _Collected()
    for file in files:
        collected.add_file(file)
    return collected.definitions()


def read_text(file: Path) -> str:
    """A file's text. Raises DefinitionError where it cannot be read, or is not UTF-8."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DefinitionError([Fault("", "is not UTF-8 text", str(file), line)]) from None
    except OSError as error:
        raise DefinitionError([Fault("", f"cannot be read: {error.strerror}", str(file))]) from None


def parse_yaml(text: str, *, file: str) -> Definitions:
    """Read the definitions of one YAML text; `file` is its name in faults and places.

    Raises:
        DefinitionError: with every fault.
    """
    collected = _Collected()
    collected.add_text(text, file)
    return collected.definitions()


def parse_mapping(data: Any, *, file: str | None = None) -> Definition:
    """Read one definition from a mapping, as JSON gives it.

    Raises:
        DefinitionError: with every fault, each with its key and without a line.
    """
    definition, faults = _read(data)
    if definition is None or faults:
        raise DefinitionError([replace(fault, file=file) for fault in faults])
    return definition


@dataclass
class _Collected:
    """What the files so far define, with the faults so far."""

    found: list[Definition] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    workspace_place: str = ""

    def add_file(self, file: Path) -> None:
        try:
            self.add_text(read_text(file), str(file))
        except DefinitionError as error:
            self.faults += error.faults

    def add_text(self, text: str, file: str) -> None:
        try:
            for document in read_documents(text, file):
                self._add(document)
        except DefinitionError as error:
            self.faults += error.faults

    def definitions(self) -> Definitions:
        """All of it; raises DefinitionError where there is any fault."""
        if self.faults:
            raise DefinitionError(self.faults)
        return Definitions(
            workspace=next((one for one in self.found if isinstance(one, Workspace)), None),
            campaigns=tuple(one for one in self.found if isinstance(one, Campaign)),
            cards=tuple(one for one in self.found if isinstance(one, Card)),
            places=self.places,
        )

    def _add(self, document: Document) -> None:
        definition, faults = _read(document.data)
        told = {fault.key for fault in document.faults}
        located = [
            replace(fault, file=document.file, line=document.line_of(fault.key))
            for fault in faults
            if fault.key not in told
        ]
        repeated = self._repeated(document)
        self.faults += sorted([*repeated, *document.faults, *located], key=lambda fault: fault.line or 0)
        if definition is not None and not repeated:
            self.found.append(definition)

    def _repeated(self, document: Document) -> list[Fault]:
        """The id's own fault where an earlier document has it; campaigns and cards share one space (design 8)."""
        word = next(
            (word for word in DEFINITION_KINDS if isinstance(document.data, dict) and word in document.data), None
        )
        if word is None or not isinstance(name := document.data[word], str):
            return []
        place = f"{document.file}:{document.line_of(word)}"
        if word == "workspace":
            first, self.workspace_place = self.workspace_place, self.workspace_place or place
            problem = f"is defined twice, first at {first}; there is one workspace, keep one"
        else:
            first = self.places.get(name, "")
            self.places.setdefault(name, place)
            problem = f"{name} is defined twice, first at {first}; campaigns and cards share one space of ids"
        return [Fault(word, problem, document.file, document.line_of(word))] if first else []


def _files_in(folder: Path) -> list[Path]:
    """The YAML files of a folder, without hidden ones, those of cases and what npm installed."""
    cases = {timeline.parent for timeline in folder.rglob("timeline.jsonl")} - {folder}
    return sorted(
        path
        for pattern in ("*.yaml", "*.yml")
        for path in folder.rglob(pattern)
        if path.is_file()
        and not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(folder).parts)
        and cases.isdisjoint(path.parents)
    )


def _read(data: Any) -> tuple[Definition | None, list[Fault]]:
    """One definition and its faults; without a definition where it is not even well formed."""
    faults = _shape_faults(data)
    if faults:
        return None, faults
    model = next(model for word, model in DEFINITION_KINDS.items() if word in data)
    try:
        definition: Definition = model.model_validate(data)
    except ValidationError as error:
        return None, describe_faults(error, model, data)
    return definition, [] if isinstance(definition, Workspace) else check_templates(definition)


def _shape_faults(data: Any) -> list[Fault]:
    expected = "a definition is a mapping that begins with campaign, card or workspace"
    if not isinstance(data, dict):
        return [Fault("", f"{expected}; this is a {_KIND_OF.get(type(data), 'text')}")]
    if not any(word in data for word in DEFINITION_KINDS):
        near = [(key, match) for key in data if (match := closest_match(str(key), DEFINITION_KINDS))]
        return [Fault(str(key), f"unknown key; did you mean {match}? {expected}") for key, match in near[:1]] or [
            Fault("", expected)
        ]
    if _deeper_than(MAX_DEPTH, data):
        return [Fault("", f"is nested more than {MAX_DEPTH} deep")]
    return []


_KIND_OF = {list: "list", int: "number", float: "number", bool: "boolean"}


def _deeper_than(limit: int, data: Any) -> bool:
    level: list[Any] = [data]
    for _ in range(limit + 1):
        level = [inner for value in level for inner in _inner(value)]
        if not level:
            return False
    return True


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
