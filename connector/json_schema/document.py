"""Generate the JSON Schema of a kind of definition, or of all of them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, get_args

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema, to_jsonable_python

from connector.json_schema import forms
from connector.json_schema.constraints import CONSTRAINTS, KEY_FORMS
from connector.json_schema.texts import key_text
from connector.rules.explaining.interaction_words import INTERACTION_WORDS
from connector.rules.model.campaigns import DEFINITION_KINDS
from connector.rules.model.interactions import InteractionType
from connector.rules.model.messages import Part
from connector.rules.model.values import ID_PATTERN, format_duration

SchemaKind = Literal["campaign", "card", "workspace", "all"]
SCHEMA_KINDS: tuple[SchemaKind, ...] = get_args(SchemaKind)
SCHEMA_FILE = "connector.schema.json"
"""The name of the schema's file beside the examples that name it."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_RULES = re.compile(r" \((?:(?:[A-Z]\d+|design \d+)(?:, )?)+\)")
_TITLES = MappingProxyType(
    {
        "campaign": "A campaign",
        "card": "A News Feed card",
        "workspace": "The settings of a workspace",
        "all": "Campaigns, cards and the workspace",
    }
)


@cache
def definition_schema(kind: SchemaKind = "all") -> JsonSchemaValue:
    """Return the JSON Schema, draft 2020-12, of one YAML document of this kind; do not change it.

    What the reader refuses the schema refuses as far as JSON Schema can say it; what the reader accepts it accepts.
    """
    kinds = DEFINITION_KINDS if kind == "all" else {kind: DEFINITION_KINDS[kind]}
    inputs = [(name, "validation", TypeAdapter(model).core_schema) for name, model in kinds.items()]
    places, definitions = _Generator(ref_template="#/$defs/{model}").generate_definitions(inputs)  # type: ignore[arg-type]
    roots = {name: places[name, "validation"] for name in kinds}
    head = {"$schema": _DIALECT, "title": _TITLES[kind]}
    return {**head, **(_choice(roots) if kind == "all" else roots[kind]), "$defs": definitions}


def schema_text(kind: SchemaKind = "all") -> str:
    """Return the schema as the text of a file."""
    return json.dumps(definition_schema(kind), indent=2, ensure_ascii=False) + "\n"


def _choice(roots: dict[str, JsonSchemaValue]) -> JsonSchemaValue:
    """Return the schema of a document whose kind is given by its key; the order is the reader's."""
    chosen: JsonSchemaValue = {"type": "object", "anyOf": [{"required": [name]} for name in roots]}
    branch: JsonSchemaValue = {}
    for name in reversed(roots):
        branch = {"if": {"required": [name]}, "then": roots[name], **({"else": branch} if branch else {})}
    return {**chosen, **branch}


class _Generator(GenerateJsonSchema):
    """Generates schemas with this project's forms of values, constraints, descriptions and examples."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return False: a title would only repeat the key."""
        return False

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        """Return the form of durations."""
        return forms.duration()

    def time_schema(self, schema: core_schema.TimeSchema) -> JsonSchemaValue:
        """Return the form of times of day."""
        return dict(forms.CLOCK)

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        """Return the form of times with a zone."""
        return dict(forms.INSTANT)

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        """Return the schema of an enumeration; editors show the words of each interaction."""
        described = super().enum_schema(schema)
        if schema["cls"] is InteractionType:
            described["description"] = "What the user does: one of the 21 interactions."
            described["enumDescriptions"] = [f"somebody {INTERACTION_WORDS[kind]}" for kind in InteractionType]
        return described

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        """Return the form of true and false."""
        return dict(forms.FLAG)

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        """Return the form of texts; that of ids has words for its pattern."""
        described = super().str_schema(schema)
        if described.get("pattern") == ID_PATTERN:
            described["patternErrorMessage"] = "write up to 128 letters, digits, dots, hyphens and underscores"
        return described

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema without its default, which is added with the text of the key."""
        return self.generate_inner(schema["schema"])

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the schema of a mapping, with a description and examples of each key."""
        model: type[BaseModel] = schema["cls"]
        described = super().model_schema(schema)
        described.pop("title", None)
        described["description"] = _describe_model(model)
        for key, value in described["properties"].items():
            described["properties"][key] = _describe_key(model, key, value)
        constraints = [one for ancestor in model.__mro__ for one in CONSTRAINTS.get(ancestor, ())]
        if constraints:
            described["allOf"] = constraints
        return _or_id(described) if issubclass(model, Part) else described

    def generate_inner(self, schema: CoreSchema) -> JsonSchemaValue:
        """Return the schema of any value, without pydantic's note on a discriminator, which is not JSON Schema."""
        described = super().generate_inner(schema)
        described.pop("discriminator", None)
        return described


def _describe_model(model: type[BaseModel]) -> str:
    """Return the first paragraph of a model's docstring, without the numbers of rules."""
    return _RULES.sub("", " ".join((model.__doc__ or "").split("\n\n")[0].split()))


def _describe_key(model: type[BaseModel], key: str, schema: JsonSchemaValue) -> JsonSchemaValue:
    text = key_text(model, key)
    form = next((KEY_FORMS[one, key] for one in model.__mro__ if (one, key) in KEY_FORMS), schema)
    return {"description": text.meaning, **form, **_default(model, key), "examples": list(text.examples)}


def _default(model: type[BaseModel], key: str) -> JsonSchemaValue:
    """Return the default of a key as it would be written; nothing if it is required or has none."""
    info = next(info for name, info in model.model_fields.items() if key == (info.alias or name))
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    written = to_jsonable_python(format_duration(default) if isinstance(default, timedelta) else default)
    return {} if written in (None, [], {}) else {"default": written}


def _or_id(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Return the schema of a part of a message, which may be given by its id alone."""
    return {"anyOf": [{**schema["properties"]["id"], "description": "The id alone."}, schema]}
