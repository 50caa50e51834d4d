"""Explain a key that a mapping does not have: misspelt, written in the wrong place, or unknown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from connector.definitions.yaml_text import join_path
from connector.rules.model.conditions import EventCondition, InteractionCondition
from connector.rules.model.interactions import InteractionType
from connector.rules.model.nearest import nearest
from connector.rules.model.values import WORD

Location = Sequence[str | int]
"""The place of one of pydantic's errors, with the names of the forms that pydantic inserts."""


@dataclass(frozen=True)
class UnknownKey:
    """The problem of an unknown key, and the dotted path of the key that was meant, if one was."""

    problem: str
    meant: str | None = None


def explain_key(location: Location, model: type[BaseModel], data: Any) -> UnknownKey:
    """Return what is wrong with the unknown key at a location of a definition, and what would be right."""
    place, key = location[:-1], str(location[-1])
    mapping = _value_at(place, data)
    if (event := _confused_event(place, key, model, mapping)) is not None:
        return UnknownKey(f"{event} is an interaction, not an event; write interaction: {event}")
    if (below := _find_below(place, key, model, mapping)) is not None:
        meant = join_path(join_path(path_of(place, data), below), key)
        return UnknownKey(f"unknown key here; it belongs to {below}: indent it like the keys there", meant)
    if (number := _find_above(place, key, model, data)) is not None:
        meant = join_path(path_of(place[:number], data), key)
        return UnknownKey(f"unknown key here; it belongs beside {place[number]}: indent it like that", meant)
    known = keys_at(place, model)
    if correction := nearest(key, known):
        return UnknownKey(f"unknown key; did you mean {correction}?", join_path(path_of(place, data), correction))
    return UnknownKey(f"unknown key; {name_keys(known)}")


def _confused_event(place: Location, key: str, model: type[BaseModel], mapping: Any) -> str | None:
    """Return the event of a mapping if it is an interaction, and has a key that only interactions have."""
    event = mapping.get("event") if isinstance(mapping, dict) else None
    is_confused = key in InteractionCondition.model_fields and EventCondition in _models_at(place, model)
    return str(event) if is_confused and event in set(InteractionType) else None


def _find_below(place: Location, key: str, model: type[BaseModel], mapping: Any) -> str | None:
    """Return the neighbour of the key whose mapping has such a key; an empty value is meant as a mapping."""
    known = keys_at(place, model)
    for name, value in mapping.items() if isinstance(mapping, dict) else ():
        if name in known and (value is None or isinstance(value, dict)):
            form = [value["type"]] if value and isinstance(value.get("type"), str) else []
            if key in keys_at([*place, name, *form], model):
                return str(name)
    return None


def _find_above(place: Location, key: str, model: type[BaseModel], data: Any) -> int | None:
    """Return the position in `place` of the key beside which the key belongs."""
    for number in reversed(list(_written_positions(place, data))):
        if isinstance(place[number], str) and key in keys_at(place[:number], model):
            return number
    return None


def _written_positions(place: Location, data: Any) -> Iterator[int]:
    """Yield the positions of the parts that are keys and numbers of the data, not names of forms."""
    for number, part in enumerate(place):
        if _has(data, part):
            data = data[part]
            yield number


def _has(data: Any, part: str | int) -> bool:
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def _value_at(place: Location, data: Any) -> Any:
    for number in _written_positions(place, data):
        data = data[place[number]]
    return data


def keys_at(location: Location, model: type[BaseModel]) -> list[str]:
    """Return the keys of the mapping at a location, as they are written."""
    models = _models_at(location, model)
    return list(dict.fromkeys(info.alias or name for one in models for name, info in one.model_fields.items()))


def name_keys(keys: Sequence[str]) -> str:
    """Return a clause that names the keys of a mapping."""
    return f"known here {'is' if len(keys) == 1 else 'are'} {', '.join(keys)}"


def path_of(location: Location, data: Any) -> str:
    """Return the dotted path of an error, without the form names that pydantic inserts."""
    path = ""
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if isinstance(part, int):
            data = data[part] if isinstance(data, list) and part < len(data) else None
        elif isinstance(data, dict) and part in data:
            data = data[part]
        elif not last or not isinstance(data, dict) or is_form(part):
            continue
        path = join_path(path, part)
    return path


def is_form(part: str) -> bool:
    """Return whether a part of a location is the name of a form."""
    return part == WORD.tag or part[:1].isupper()


def _models_at(location: Location, model: type[BaseModel]) -> list[type[BaseModel]]:
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
