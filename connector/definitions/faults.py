"""Describe pydantic's errors in a definition: where the fault is, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from connector.definitions.unknown_keys import explain_key, keys_at, name_keys, path_of
from connector.rules.model.errors import MAX_FAULTS, Fault
from connector.rules.model.interactions import BUILT_IN_EVENTS
from connector.rules.model.validation import describe_problem


def describe_faults(error: ValidationError, model: type[BaseModel], data: Any) -> list[Fault]:
    """Return one fault per mistake, at most `MAX_FAULTS`, with its key and without a line.

    A misspelt or misplaced key is one mistake, though pydantic reports two: an unknown key and a missing one.
    """
    details = [detail for detail in error.errors(include_url=False)[:MAX_FAULTS] if not _is_consequence(detail)]
    details = _merge_words(details)
    unknown = {id(d): explain_key(d["loc"], model, data) for d in details if d["type"] == "extra_forbidden"}
    meant = {explained.meant for explained in unknown.values() if explained.meant}
    empty = {path.rpartition(".")[0] for path in meant}
    faults = []
    for detail in details:
        key = path_of(detail["loc"], data)
        is_meant = detail["type"] == "missing" and key in meant
        if not is_meant and not (detail["input"] is None and key in empty):
            problem = unknown[id(detail)].problem if id(detail) in unknown else _problem(detail, model)
            faults.append(Fault(key, problem))
    return faults


def _merge_words(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Return the details with one entry for each unknown word, for which pydantic reports one entry per set of
    words."""
    merged: list[ErrorDetails] = []
    for detail in details:
        last = merged[-1] if merged else None
        is_same = last is not None and last["type"] == detail["type"] == "literal_error"
        if last is not None and is_same and last["loc"][:-1] == detail["loc"][:-1] and last["loc"] != detail["loc"]:
            expected = f"{last['ctx']['expected']}, {detail['ctx']['expected']}"
            merged[-1] = {**last, "ctx": {**last["ctx"], "expected": expected}}
        else:
            merged.append(detail)
    return merged


def _is_consequence(detail: ErrorDetails) -> bool:
    """Return whether a list is too short only because its items have faults of their own."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _problem(detail: ErrorDetails, model: type[BaseModel]) -> str:
    location, value = detail["loc"], detail["input"]
    if location[-1:] == ("interaction",) and value in BUILT_IN_EVENTS:
        return f"{value} is an event, not an interaction with a campaign; write {{event: {value}}}"
    problem = describe_problem(detail)
    if detail["type"] in _NO_MAPPING and (keys := keys_at(location, model)):
        return f"{problem}; {name_keys(keys)}"
    return problem


_NO_MAPPING = ("model_type", "model_attributes_type")
