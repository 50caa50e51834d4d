"""Read definitions from a YAML text, a file, a folder, or one JSON mapping."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from connector.definitions.faults import describe_faults
from connector.definitions.yaml_text import MAX_DEPTH, Document, read_documents
from connector.rules.model.campaigns import DEFINITION_KINDS, AnyDefinition, Campaign, Card, Workspace
from connector.rules.model.errors import DefinitionError, Fault, Source
from connector.rules.model.nearest import nearest
from connector.templating.checking import check_templates
from connector.templating.links import check_links

MAX_FAULTS_OF_ALL = 10_000
"""How many faults are named; a hostile text has millions, each a hundred times as large in memory as in the text."""
_EMPTY = "is empty; write a campaign, a card or the workspace"


@dataclass(frozen=True)
class Definitions:
    """The definitions of one or several files.

    Args:
        sources: where each campaign and card was read from, by its id; the workspace by ''.
        texts: what was read, by the name of the file.
    """

    workspace: Workspace | None
    campaigns: tuple[Campaign, ...]
    cards: tuple[Card, ...]
    sources: Mapping[str, Source]
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def all(self) -> tuple[AnyDefinition, ...]:
        """All definitions: the workspace, then cards, then campaigns."""
        return (*([self.workspace] if self.workspace else []), *self.cards, *self.campaigns)


def read_definitions(*paths: Path, with_links: bool = False) -> Definitions:
    """Read YAML files, and all *.yaml and *.yml files of folders and their subfolders, in the order of their names.

    With `with_links`, a link whose host comes from user data is a fault too.

    Skips timelines for `simulate` (`timeline.jsonl` and `timeline.yaml`) and subfolders that have one, `node_modules`
    and hidden files.

    Raises:
        DefinitionError: with every fault of every file.
    """
    collector = _Collector(with_links)
    for path in paths:
        collector.add_path(path)
    return collector.definitions()


def read_utf8_file(file: Path) -> str:
    """Return a file's text. Raises DefinitionError if it cannot be read or is not UTF-8."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DefinitionError([Fault("", f"cannot be read: {error.strerror}", str(file))]) from None
    return decode_utf8(content, str(file))


def decode_utf8(content: bytes, file: str) -> str:
    """Return the text of a file's content, without a byte order mark. Raises DefinitionError if it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        problem = "is UTF-16 text; save it as UTF-8" if is_utf16 else "is not UTF-8 text; save it as UTF-8"
        raise DefinitionError([Fault("", problem, file, line)]) from None


def parse_yaml(text: str, *, file: str, with_links: bool = False) -> Definitions:
    """Read the definitions of one YAML text.

    Args:
        file: its name in faults and places.
        with_links: as in `read_definitions`.

    Raises:
        DefinitionError: with every fault.
    """
    collector = _Collector(with_links)
    collector.add_text(text, file)
    return collector.definitions()


def parse_texts(texts: Mapping[str, str], *, with_links: bool = False) -> Definitions:
    """Read the definitions of YAML texts, by the names of their files; `with_links` as in `read_definitions`.

    Raises:
        DefinitionError: with every fault of every text.
    """
    collector = _Collector(with_links)
    for file, text in texts.items():
        collector.add_text(text, file)
    if not collector.collected and not collector.faults:
        collector.faults.append(Fault("", _EMPTY, next(iter(texts), None)))
    return collector.definitions()


def parse_mappings(items: Sequence[Any], *, with_links: bool = False) -> Definitions:
    """Read definitions from JSON mappings; `with_links` as in `read_definitions`.

    Raises:
        DefinitionError: with every fault of every mapping; its key begins with `definitions[n]`.
    """
    collector = _Collector(with_links)
    for number, item in enumerate(items):
        collector.add_mapping(item, f"definitions[{number}]")
    return collector.definitions()


def parse_mapping(data: Any, *, with_links: bool = False) -> AnyDefinition:
    """Read one definition from a JSON mapping; `with_links` as in `read_definitions`.

    Raises:
        DefinitionError: with every fault, by key and without a line.
    """
    definition, faults = _read(data, with_links)
    if definition is None or faults:
        raise DefinitionError(faults)
    return definition


@dataclass
class _Collector:
    """Collects the definitions and faults of several files."""

    with_links: bool
    collected: list[AnyDefinition] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)

    def add_path(self, path: Path) -> None:
        before = len(self.collected) + len(self.faults)
        if not path.exists():
            self.faults.append(Fault("", "does not exist; name a YAML file or a folder of them", str(path)))
            return
        files = _files_in(path) if path.is_dir() else [path]
        if not files:
            self.faults.append(Fault("", "has no .yaml or .yml file; add one, or name another folder", str(path)))
        for file in files:
            self.add_file(file)
        if len(self.collected) + len(self.faults) == before:
            self.faults.append(Fault("", _EMPTY, str(files[0] if len(files) == 1 else path)))

    def add_file(self, file: Path) -> None:
        try:
            self.add_text(read_utf8_file(file), str(file))
        except DefinitionError as error:
            self.faults += error.faults

    def add_text(self, text: str, file: str) -> None:
        self.texts[file] = text
        try:
            for document in read_documents(text, file):
                if len(self.faults) > MAX_FAULTS_OF_ALL:
                    return
                self._add(document)
        except DefinitionError as error:
            self.faults += error.faults

    def definitions(self) -> Definitions:
        """Return everything collected; raises DefinitionError if there is any fault."""
        if len(self.faults) > MAX_FAULTS_OF_ALL:
            more = Fault("", f"there are more than {MAX_FAULTS_OF_ALL:,} faults; correct these first")
            raise DefinitionError([*self.faults[:MAX_FAULTS_OF_ALL], more])
        if self.faults:
            raise DefinitionError(self.faults)
        return Definitions(
            workspace=next((one for one in self.collected if isinstance(one, Workspace)), None),
            campaigns=tuple(one for one in self.collected if isinstance(one, Campaign)),
            cards=tuple(one for one in self.collected if isinstance(one, Card)),
            sources=self.sources,
            texts=self.texts,
        )

    def add_mapping(self, data: Any, place: str) -> None:
        """Collect a JSON mapping, whose keys are below `place`."""
        before = len(self.faults)
        self._add(Document(place, 1, data))
        self.faults[before:] = [
            replace(fault, key=".".join(part for part in (place, fault.key) if part), file=None, line=None)
            for fault in self.faults[before:]
        ]

    def _add(self, document: Document) -> None:
        definition, faults = _read(document.data, self.with_links)
        duplicates = self._duplicate_faults(document)
        found = [*duplicates, *document.faults, *document.locate(faults)]
        self.faults += sorted(found, key=lambda fault: fault.line or 0)
        if definition is not None and not duplicates:
            self.collected.append(definition)

    def _duplicate_faults(self, document: Document) -> list[Fault]:
        """Return a fault if an earlier document has the id; campaigns and cards share one space of ids (design 8)."""
        word = next(
            (word for word in DEFINITION_KINDS if isinstance(document.data, dict) and word in document.data), None
        )
        if word is None or not isinstance(name := document.data[word], str):
            return []
        name = "" if word == "workspace" else name
        first = self.sources.get(name)
        if first is None:
            self.sources[name] = document.source
            return []
        place = f"{first.file}:{first.line_of(word if word in first.lines else '')}"
        if word == "workspace":
            problem = f"is defined twice, first at {place}; there is one workspace, keep one"
        else:
            problem = f"{name} is defined twice, first at {place}; campaigns and cards share one space of ids"
        return [Fault(word, problem, document.file, document.line_of(word))]


def _files_in(folder: Path) -> list[Path]:
    """Return the YAML files of a folder, sorted; `read_definitions` describes what is skipped."""
    timelines = {path for path in folder.rglob("timeline.*") if path.suffix in (".jsonl", ".yaml", ".yml")}
    examples = {timeline.parent for timeline in timelines} - {folder}
    return sorted(
        path
        for pattern in ("*.yaml", "*.yml")
        for path in folder.rglob(pattern)
        if path.is_file()
        and not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(folder).parts)
        and path not in timelines
        and examples.isdisjoint(path.parents)
    )


def _read(data: Any, with_links: bool) -> tuple[AnyDefinition | None, list[Fault]]:
    """Return a definition and its faults; no definition if the data does not fit the model."""
    faults = _shape_faults(data)
    if faults:
        return None, faults
    model = next(model for word, model in DEFINITION_KINDS.items() if word in data)
    try:
        definition: AnyDefinition = model.model_validate(data)
    except ValidationError as error:
        return None, describe_faults(error, model, data)
    if isinstance(definition, Workspace):
        return definition, []
    return definition, [*check_templates(definition), *(check_links(definition) if with_links else ())]


def _shape_faults(data: Any) -> list[Fault]:
    expected = "a definition is a mapping that begins with campaign, card or workspace"
    if not isinstance(data, dict):
        return [Fault("", f"{expected}; this is a {_TYPE_NAMES.get(type(data), 'text')}")]
    if not any(word in data for word in DEFINITION_KINDS):
        corrections = [(key, match) for key in data if (match := nearest(str(key), DEFINITION_KINDS))]
        return [
            Fault(str(key), f"unknown key; did you mean {match}? {expected}") for key, match in corrections[:1]
        ] or [Fault("", expected)]
    if _is_deeper_than(MAX_DEPTH, data):
        return [Fault("", f"is nested more than {MAX_DEPTH} levels deep")]
    return []


_TYPE_NAMES = {list: "list", int: "number", float: "number", bool: "boolean"}


def _is_deeper_than(limit: int, data: Any) -> bool:
    level: list[Any] = [data]
    for _ in range(limit + 1):
        level = [child for value in level for child in _children(value)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
