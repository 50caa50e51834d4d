"""Describe pydantic's errors in a definition: where the fault is, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from connector.definitions.yaml_text import join_path
from connector.rules.model.errors import MAX_FAULTS, Fault
from connector.rules.model.nearest import nearest
from connector.rules.model.validation import describe_problem
from connector.rules.model.values import WORD


def describe_faults(error: ValidationError, model: type[BaseModel], data: Any) -> list[Fault]:
    """Return one fault per mistake, at most `MAX_FAULTS`, with its key and without a line.

    A misspelt key is one mistake, though pydantic reports two: an unknown key and a missing one.
    """
    details = [detail for detail in error.errors(include_url=False)[:MAX_FAULTS] if not _is_consequence(detail)]
    details = _merge_words(details)
    corrections = {id(d): _likely_key(d, model) for d in details if d["type"] == "extra_forbidden"}
    corrected = {(d["loc"][:-1], corrections[id(d)]) for d in details if id(d) in corrections}
    return [
        Fault(_key(detail["loc"], data), _problem(detail, corrections.get(id(detail)), model))
        for detail in details
        if detail["type"] != "missing" or (detail["loc"][:-1], detail["loc"][-1]) not in corrected
    ]


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


def _key(location: Sequence[str | int], data: Any) -> str:
    """Return the dotted path of an error, without the form names that pydantic inserts."""
    path = ""
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(part, int):
            data = data[part] if isinstance(data, list) and part < len(data) else None
        elif isinstance(data, dict) and part in data:
            data = data[part]
        elif not last or not isinstance(data, dict) or _is_form(part):
            continue
        path = join_path(path, part)
    return path


def _is_form(part: str) -> bool:
    return part == WORD.tag or part[:1].isupper()


def _problem(detail: ErrorDetails, correction: str | None, model: type[BaseModel]) -> str:
    if detail["type"] == "extra_forbidden":
        keys = ", ".join(_keys(_models_at(detail["loc"][:-1], model)))
        return "unknown key; " + (f"did you mean {correction}?" if correction else f"known here are {keys}")
    return describe_problem(detail)


def _likely_key(detail: ErrorDetails, model: type[BaseModel]) -> str | None:
    return nearest(str(detail["loc"][-1]), _keys(_models_at(detail["loc"][:-1], model)))


def _keys(models: Iterable[type[BaseModel]]) -> list[str]:
    return [info.alias or name for model in models for name, info in model.model_fields.items()]


def _models_at(location: Sequence[str | int], model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the models that a mapping at this location of a definition may belong to."""
    models = [model]
    for part in location:
        if isinstance(part, int):
            continue
        matching = [candidate for candidate in models if part in (candidate.__name__, _type_of(candidate))]
        # A freely chosen key, like an event's name, does not change the candidates.
        models = matching or [inner for candidate in models for inner in _field_models(candidate, part)] or models
    return models


def _type_of(model: type[BaseModel]) -> str | None:
    """Return the value of `type` that identifies a delivery's model."""
    info = model.model_fields.get("type")
    return next(iter(get_args(info.annotation)), None) if info else None


def _field_models(model: type[BaseModel], key: str) -> list[type[BaseModel]]:
    infos = [info for name, info in model.model_fields.items() if key == (info.alias or name)]
    return [inner for info in infos for inner in _models_in(info.annotation)]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
