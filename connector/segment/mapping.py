"""Map events to interactions and traits to user fields. The built-in mapping is data, and a file can extend it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from connector.definitions.faults import describe_faults
from connector.definitions.reading import read_utf8_file
from connector.definitions.yaml_text import Document, read_documents
from connector.rules.model.conditions import REFINEMENTS, InteractionCondition, check_refinements
from connector.rules.model.consent import Consent
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.interactions import InteractionType, check_card_interaction
from connector.rules.model.json_values import json_equal
from connector.rules.model.values import UNKNOWN_FORM, WORD, ChannelName, Definition, Text
from connector.rules.targeting.matching import base_type_of

REFINING_FIELDS = tuple(REFINEMENTS)
"""The properties by which conditions refine interactions (design 8); a rule may fill them from anywhere."""

_WORDS = {
    name: get_args(get_args(InteractionCondition.model_fields[name].annotation)[0]) for name in ("opens", "conversion")
}
"""The valid constants of these fields."""

_SECTIONS = ("properties", "context", "traits")
_BUILT_IN_FILE = Path(__file__).with_name("mapping.yaml")
UserField = Literal["email", "phone", "first_name", "time_zone", "push_tokens", "attribute"]


def is_path(value: str) -> bool:
    """Return whether a value is a path into the message, like properties.link_id, and not a constant."""
    root, *steps = value.split(".")
    return root in _SECTIONS and bool(steps) and all(steps)


def value_at(value: str, message: Mapping[str, Any]) -> Any:
    """Return the message's value at a path, None if there is none; a constant is returned unchanged."""
    if not is_path(value):
        return value
    found: Any = message
    for step in value.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _check_path(value: Any) -> Any:
    if isinstance(value, str) and not is_path(value):
        raise ValueError(f"{value!r} is not a place in a message; write one like properties.link_id")
    return value


def _check_no_misspelt_path(value: Any) -> Any:
    if isinstance(value, str) and "." in value and not is_path(value):
        root, rest = value.split(".", 1)
        meant = get_close_matches(root.lower(), _SECTIONS, 1, 0.8) if root.isalpha() else []
        if meant:
            raise ValueError(f"{value!r} is not a place in a message; write {meant[0]}.{rest.strip('.') or 'NAME'}")
    return value


def _refinable_types(name: str) -> set[InteractionType]:
    """Return the interactions that a refinement can refine, under all their wire types (M1)."""
    base_types = {base_type_of(kind) for kind in REFINEMENTS[name]}
    return {kind for kind in InteractionType if base_type_of(kind) in base_types}


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


PathText = Annotated[Text, BeforeValidator(_check_path)]
Value = Annotated[Text, BeforeValidator(_check_no_misspelt_path)]
"""A path into a message, or a constant."""
Values = Annotated[tuple[Value, ...], BeforeValidator(_as_list)]


class Rule(Definition):
    """The rule for translating one event.

    Args:
        if_: a path that must have a value, or paths with their required values; else the next rule is tried.
        interaction: the type of interaction, if the catalogue has the campaign or card that the event names; otherwise
            the event is kept under its own name.
        campaign: paths or ids, of which the first that exists counts. Default: those of the mapping.
        event: the name of the event, instead of its own.
        purchases: the path of a list of products, each of which becomes a purchase.
        consent: the user's new consent, by channel.
    """

    if_: Annotated[PathText | dict[PathText, Any] | None, Field(alias="if", union_mode="left_to_right")] = None
    interaction: InteractionType | None = None
    campaign: Values | None = None
    card: Values | None = None
    button: Value | None = None
    url: Value | None = None
    alias: Value | None = None
    opens: Value | None = None
    page: Value | None = None
    conversion: Value | None = None
    event: Text | None = None
    purchases: PathText | None = None
    consent: dict[ChannelName, Consent] = Field(default_factory=dict)

    @field_validator("if_")
    @classmethod
    def _has_condition(cls, value: Any) -> Any:
        if value == {}:
            raise ValueError("is empty; name a place, or leave it out for a rule that always applies")
        return value

    @field_validator("opens", "conversion")
    @classmethod
    def _is_valid_constant(cls, value: str | None, info: ValidationInfo) -> str | None:
        words = _WORDS[info.field_name or ""]
        if value is not None and not is_path(value) and value not in words:
            raise ValueError(f"{value!r} is not one of {', '.join(words)}, nor a place in a message")
        return value

    @model_validator(mode="after")
    def _has_one_meaning(self) -> Rule:
        kinds = [name for name in ("interaction", "event", "purchases") if getattr(self, name) is not None]
        if len(kinds) > 1:
            raise ValueError(f"an event is one of {' and '.join(kinds)}; keep one")
        if not kinds and not self.consent:
            raise ValueError("is empty; name an interaction, an event, purchases or consent, or write ignore")
        interaction_fields = [n for n in ("campaign", "card", *REFINING_FIELDS) if getattr(self, n) is not None]
        if interaction_fields and self.interaction is None:
            raise ValueError(f"{', '.join(interaction_fields)}: goes with an interaction only")
        return self

    @model_validator(mode="after")
    def _has_valid_refinements(self) -> Rule:
        if self.interaction is None:
            return self
        if self.card is not None:
            check_card_interaction(self.interaction)
        given = {name: _refinable_types(name) for name in REFINING_FIELDS if getattr(self, name) is not None}
        check_refinements(self.interaction, given)
        return self

    def matches(self, sections: Mapping[str, Any]) -> bool:
        """Return whether a message with these sections meets the rule's condition."""
        if self.if_ is None:
            return True
        if isinstance(self.if_, str):
            return value_at(self.if_, sections) not in (None, "")
        return all(json_equal(value_at(path, sections), expected) for path, expected in self.if_.items())


def _form(value: Any) -> str | None:
    if isinstance(value, list | tuple):
        return "Rules"
    if isinstance(value, dict | Rule):
        return "Rule"
    return WORD.tag if value == "ignore" else None


Rules = Annotated[
    Annotated[Rule, Tag("Rule")]
    | Annotated[tuple[Rule, ...], Field(min_length=1), Tag("Rules")]
    | Annotated[Literal["ignore"], WORD],
    Discriminator(
        _form,
        custom_error_type=UNKNOWN_FORM,
        custom_error_message="write a mapping like interaction: open_email, a list of them, or ignore",
    ),
]


class SegmentMapping(Definition):
    """The user fields of traits, the paths of campaigns, and the rules of events."""

    traits: dict[Text, UserField] = Field(default_factory=dict)
    campaign: Values = ()
    events: dict[Text, Rules] = Field(default_factory=dict)

    def extended(self, other: SegmentMapping) -> SegmentMapping:
        """Return this mapping with the other's traits, events and campaign paths replacing its own."""
        return SegmentMapping(
            traits={**self.traits, **other.traits},
            campaign=other.campaign or self.campaign,
            events={**self.events, **other.events},
        )

    def rules_for(self, event: str) -> tuple[Rule, ...]:
        """Return the rules of an event, in order; none if it has none or is ignored."""
        rules = self.events.get(event, ())
        if isinstance(rules, Rule):
            return (rules,)
        return () if isinstance(rules, str) else rules

    def ignores(self, event: str) -> bool:
        """Return whether an event is discarded."""
        return self.events.get(event) == "ignore"

    def names_targets(self, event: Any) -> bool:
        """Return whether translating an event needs the catalogue."""
        return isinstance(event, str) and any(rule.interaction for rule in self.rules_for(event))


def read_mapping(file: Path | None = None) -> SegmentMapping:
    """Return the built-in mapping, extended by a file if one is given.

    Raises:
        DefinitionError: every fault of the file, with its key and line.
    """
    return _built_in() if file is None else _built_in().extended(_read(file))


@cache
def _built_in() -> SegmentMapping:
    return _read(_BUILT_IN_FILE)


def _read(file: Path) -> SegmentMapping:
    documents = list(read_documents(read_utf8_file(file), str(file)))
    if len(documents) > 1:
        problem = "is a second document; a mapping is one document"
        raise DefinitionError([Fault("", problem, str(file), documents[1].line)])
    return _parse(documents[0]) if documents else SegmentMapping()


def _parse(document: Document) -> SegmentMapping:
    try:
        mapping = SegmentMapping.model_validate(document.data)
    except ValidationError as error:
        located = document.locate(describe_faults(error, SegmentMapping, document.data))
        raise DefinitionError(sorted([*document.faults, *located], key=lambda fault: fault.line or 0)) from None
    if document.faults:
        raise DefinitionError(document.faults)
    return mapping
