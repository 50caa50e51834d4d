"""Describe pydantic's errors in a definition: where the fault is, and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from connector.definitions.yaml_text import join_path
from connector.rules.model.errors import MAX_FAULTS, Fault
from connector.rules.model.values import UNKNOWN_FORM, WORD

_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$": (
        "is not an id; write up to 128 letters, digits, dots, hyphens and underscores, beginning with a letter or digit"
    ),
    r"^properties\.[^.].*$": "must name a property, like properties.sku",
    r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}$": 'must be a quoted "YYYY-MM-DD HH:MM"',
    "^(POST|PUT|PATCH|GET|DELETE)$": "must be one of POST, PUT, PATCH, GET, DELETE",
}


def describe_faults(error: ValidationError, model: type[BaseModel], data: Any) -> list[Fault]:
    """Return one fault per mistake, at most `MAX_FAULTS`, with its key and without a line.

    A misspelt key is one mistake, though pydantic reports two: an unknown key and a missing one.
    """
    details = [detail for detail in error.errors(include_url=False)[:MAX_FAULTS] if not _is_consequence(detail)]
    corrections = {id(d): _likely_key(d, model) for d in details if d["type"] == "extra_forbidden"}
    corrected = {(d["loc"][:-1], corrections[id(d)]) for d in details if id(d) in corrections}
    return [
        Fault(_key(detail["loc"], data), _problem(detail, corrections.get(id(detail)), model))
        for detail in details
        if detail["type"] != "missing" or (detail["loc"][:-1], detail["loc"][-1]) not in corrected
    ]


def closest_match(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that was probably meant; None if no candidate is similar."""
    return next(iter(get_close_matches(word, list(candidates), 1, 0.6)), None)


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
    kind = detail["type"]
    if kind == "extra_forbidden":
        keys = ", ".join(_keys(_models_at(detail["loc"][:-1], model)))
        return "unknown key; " + (f"did you mean {correction}?" if correction else f"known here are {keys}")
    describe = _DESCRIPTIONS.get(kind)
    return (
        describe(detail)
        if describe
        else detail["msg"].replace("Input should be", "must be").removeprefix("Value error, ")
    )


def _literal(detail: ErrorDetails) -> str:
    expected = str(detail["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
    return _one_of(detail["input"], expected)


def _unknown_type(detail: ErrorDetails) -> str:
    return "type " + _one_of(detail["ctx"]["tag"], str(detail["ctx"]["expected_tags"]).replace("'", ""))


def _one_of(word: Any, expected: str) -> str:
    correction = closest_match(str(word), expected.split(", "))
    return f"{word!r} is not known; did you mean {correction}?" if correction else f"{word!r} is not one of {expected}"


def _text(detail: ErrorDetails) -> str:
    is_number = isinstance(detail["input"], int | float)
    return f'must be text; quote it: "{detail["input"]}"' if is_number else "must be text"


def _list(detail: ErrorDetails) -> str:
    return "must be a list" + ("; put it in brackets: [ … ]" if detail["input"] is not None else "; write [] for none")


_DESCRIPTIONS: dict[str, Callable[[ErrorDetails], str]] = {
    "missing": lambda _: "is missing",
    "literal_error": _literal,
    "enum": _literal,
    "union_tag_invalid": _unknown_type,
    "union_tag_not_found": lambda detail: f"needs a {str(detail['ctx']['discriminator']).strip(chr(39))}",
    "string_type": _text,
    "tuple_type": _list,
    "list_type": _list,
    "model_type": lambda _: "must be a mapping of keys to values",
    "model_attributes_type": lambda _: "must be a mapping of keys to values",
    "dict_type": lambda _: "must be a mapping of keys to values",
    "string_pattern_mismatch": lambda d: f"{d['input']!r} {_PATTERNS.get(d['ctx']['pattern'], d['msg'])}",
    "string_too_short": lambda _: "must not be empty",
    "timezone_aware": lambda d: f"{d['input']!r} needs a zone, like 2026-03-02T09:00:00+01:00",
    "too_short": lambda detail: f"needs at least {detail['ctx']['min_length']}",
    "too_long": lambda detail: f"accepts at most {detail['ctx']['max_length']}",
    UNKNOWN_FORM: lambda detail: f"{_shown(detail['input'])} is not understood: {detail['msg']}",
}


def _shown(value: Any) -> str:
    return f"a mapping of {', '.join(map(str, value))}" if isinstance(value, dict) else repr(value)


def _likely_key(detail: ErrorDetails, model: type[BaseModel]) -> str | None:
    return closest_match(str(detail["loc"][-1]), _keys(_models_at(detail["loc"][:-1], model)))


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
