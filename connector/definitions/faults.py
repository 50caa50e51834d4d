"""What pydantic found wrong in a definition, in words that say where it stands and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from connector.definitions.yaml_text import join_path
from connector.rules.model.choices import UNKNOWN_FORM, WORD
from connector.rules.model.errors import Fault

_PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$": (
        "is not an id; write up to 128 letters, digits, dots, hyphens and underscores, beginning with a letter or digit"
    ),
    r"^properties\.[^.].*$": "must name a property, like properties.sku",
    r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}$": 'must be a quoted "YYYY-MM-DD HH:MM"',
    "^(POST|PUT|PATCH|GET|DELETE)$": "must be one of POST, PUT, PATCH, GET, DELETE",
}


def describe_faults(error: ValidationError, model: type[BaseModel], data: Any) -> list[Fault]:
    """One fault for each mistake, without lines.

    A misspelt key is one mistake, though pydantic tells it twice: as an unknown key, and as a missing one.
    """
    details = [detail for detail in error.errors(include_url=False) if not _follows_from_another(detail)]
    unknown = {id(d): _meant(d, model) for d in details if d["type"] == "extra_forbidden"}
    meant = {(d["loc"][:-1], unknown[id(d)]) for d in details if id(d) in unknown}
    return [
        Fault(_key(detail["loc"], data), _problem(detail, unknown.get(id(detail)), model))
        for detail in details
        if detail["type"] != "missing" or (detail["loc"][:-1], detail["loc"][-1]) not in meant
    ]


def closest_match(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    return next(iter(get_close_matches(word, list(known), 1, 0.6)), None)


def _follows_from_another(detail: ErrorDetails) -> bool:
    """A list that is too short only because its items have faults of their own."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _key(location: Sequence[str | int], data: Any) -> str:
    """The dotted path of an error, without the names of forms that pydantic puts between."""
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


def _problem(detail: ErrorDetails, meant: str | None, model: type[BaseModel]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        known = ", ".join(_keys(_models_at(detail["loc"][:-1], model)))
        return "unknown key; " + (f"did you mean {meant}?" if meant else f"known here are {known}")
    say = _SAID.get(kind)
    return say(detail) if say else detail["msg"].replace("Input should be", "must be").removeprefix("Value error, ")


def _literal(detail: ErrorDetails) -> str:
    expected = str(detail["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
    return _one_of(detail["input"], expected)


def _unknown_type(detail: ErrorDetails) -> str:
    return "type " + _one_of(detail["ctx"]["tag"], str(detail["ctx"]["expected_tags"]).replace("'", ""))


def _one_of(word: Any, expected: str) -> str:
    near = closest_match(str(word), expected.split(", "))
    return f"{word!r} is not known; did you mean {near}?" if near else f"{word!r} is not one of {expected}"


def _text(detail: ErrorDetails) -> str:
    scalar = isinstance(detail["input"], int | float)
    return f'must be text; quote it: "{detail["input"]}"' if scalar else "must be text"


def _list(detail: ErrorDetails) -> str:
    return "must be a list" + ("; put it in brackets: [ … ]" if detail["input"] is not None else "; write [] for none")


_SAID: dict[str, Callable[[ErrorDetails], str]] = {
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
    "too_long": lambda detail: f"takes at most {detail['ctx']['max_length']}",
    UNKNOWN_FORM: lambda detail: f"{_shown(detail['input'])} is not understood: {detail['msg']}",
}


def _shown(value: Any) -> str:
    return f"a mapping of {', '.join(map(str, value))}" if isinstance(value, dict) else repr(value)


def _meant(detail: ErrorDetails, model: type[BaseModel]) -> str | None:
    return closest_match(str(detail["loc"][-1]), _keys(_models_at(detail["loc"][:-1], model)))


def _keys(models: Iterable[type[BaseModel]]) -> list[str]:
    return [info.alias or name for model in models for name, info in model.model_fields.items()]


def _models_at(location: Sequence[str | int], model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models that a mapping at this place of a definition may be meant as."""
    models = [model]
    for part in location:
        if isinstance(part, int):
            continue
        chosen = [candidate for candidate in models if part in (candidate.__name__, _type_of(candidate))]
        # A key of one's own choosing, like an event's name, stays with the models that may stand under it.
        models = chosen or [inner for candidate in models for inner in _field_models(candidate, part)] or models
    return models


def _type_of(model: type[BaseModel]) -> str | None:
    """The word under `type` that tells a delivery's model apart."""
    info = model.model_fields.get("type")
    return next(iter(get_args(info.annotation)), None) if info else None


def _field_models(model: type[BaseModel], key: str) -> list[type[BaseModel]]:
    infos = [info for name, info in model.model_fields.items() if key == (info.alias or name)]
    return [found for info in infos for found in _models_in(info.annotation)]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in _models_in(inner)]
