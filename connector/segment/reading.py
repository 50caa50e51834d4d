"""Reading the mapping: the one that is built in, and a file that extends it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from connector.definitions.faults import describe_faults
from connector.definitions.reading import read_text
from connector.definitions.yaml_text import Document, read_documents
from connector.rules.model.errors import DefinitionError, Fault
from connector.segment.mapping import SegmentMapping

_BUILT_IN = Path(__file__).with_name("mapping.yaml")


def read_mapping(file: Path | None = None) -> SegmentMapping:
    """The built-in mapping, extended by a file where there is one.

    Raises:
        DefinitionError: every fault of the file, with its key and line.
    """
    return _built_in() if file is None else _built_in().extended(_read(file))


@cache
def _built_in() -> SegmentMapping:
    return _read(_BUILT_IN)


def _read(file: Path) -> SegmentMapping:
    documents = list(read_documents(read_text(file), str(file)))
    if len(documents) > 1:
        raise DefinitionError([Fault("", "is a second document; a mapping is one", str(file), documents[1].line)])
    return _parsed(documents[0]) if documents else SegmentMapping()


def _parsed(document: Document) -> SegmentMapping:
    try:
        mapping = SegmentMapping.model_validate(document.data)
    except ValidationError as error:
        told = {fault.key for fault in document.faults}
        found = [fault for fault in describe_faults(error, SegmentMapping, document.data) if fault.key not in told]
        located = [replace(fault, file=document.file, line=document.line_of(fault.key)) for fault in found]
        raise DefinitionError(sorted([*document.faults, *located], key=lambda fault: fault.line or 0)) from None
    if document.faults:
        raise DefinitionError(document.faults)
    return mapping
