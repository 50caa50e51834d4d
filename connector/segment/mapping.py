"""The mapping: which event is which interaction, which trait is which field. Data, so that a file can extend it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator

from connector.rules.model.choices import UNKNOWN_FORM, WORD
from connector.rules.model.conditions import REFINEMENTS, REQUIRED_REFINEMENT, InteractionCondition
from connector.rules.model.interactions import CARD_INTERACTIONS, InteractionType
from connector.rules.model.users import Consent
from connector.rules.model.values import ChannelName, Definition, Text
from connector.rules.targeting.matching import base_type_of, json_equal

REFINED = tuple(REFINEMENTS)
"""The properties by which conditions narrow interactions (design 8), and which a rule may take from elsewhere."""

_WORDS = {
    name: get_args(get_args(InteractionCondition.model_fields[name].annotation)[0]) for name in ("opens", "conversion")
}
"""The words that these are, where they are not taken from the message."""

_PLACES = ("properties", "context", "traits")
Field_ = Literal["email", "phone", "first_name", "time_zone", "push_tokens", "attribute"]


def is_path(value: str) -> bool:
    """Whether a value is a place in the message, like properties.link_id, and not a word to be taken as it is."""
    root, *steps = value.split(".")
    return root in _PLACES and bool(steps) and all(steps)


def value_at(value: str, message: Mapping[str, Any]) -> Any:
    """What stands at a place of the message, None where nothing does; a plain word is itself."""
    if not is_path(value):
        return value
    found: Any = message
    for step in value.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _path(value: Any) -> Any:
    if isinstance(value, str) and not is_path(value):
        raise ValueError(f"{value!r} is not a place in a message; write one like properties.link_id")
    return value


def _no_misspelt_path(value: Any) -> Any:
    if isinstance(value, str) and "." in value and not is_path(value):
        root, rest = value.split(".", 1)
        meant = get_close_matches(root.lower(), _PLACES, 1, 0.8) if root.isalpha() else []
        if meant:
            raise ValueError(f"{value!r} is not a place in a message; write {meant[0]}.{rest.strip('.') or 'NAME'}")
    return value


def _carriers(name: str) -> set[InteractionType]:
    """The interactions of which a refinement may be told: all wire types of the acts that it refines (M1)."""
    acts = {base_type_of(kind) for kind in REFINEMENTS[name]}
    return {kind for kind in InteractionType if base_type_of(kind) in acts}


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Place = Annotated[Text, BeforeValidator(_path)]
Value = Annotated[Text, BeforeValidator(_no_misspelt_path)]
"""A place in a message, or a word to be taken as it is."""
Values = Annotated[tuple[Value, ...], BeforeValidator(_listed)]


class Rule(Definition):
    """What one event is.

    Args:
        if_: a place that must have something, or places with what must stand there; else the next rule is tried.
        interaction: the kind; with the campaign or card that it names, if that is known here. Else the event is kept
            under its own name.
        campaign: places or ids to take it from, the first that is known; the mapping's own unless told.
        event: the name under which the event is kept instead of its own.
        purchases: the place of a list of products, each of which is a purchase.
        consent: what the user agreed to, or does not any more, by channel.
    """

    if_: Annotated[Place | dict[Place, Any] | None, Field(alias="if", union_mode="left_to_right")] = None
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
    purchases: Place | None = None
    consent: dict[ChannelName, Consent] = Field(default_factory=dict)

    @field_validator("if_")
    @classmethod
    def _asks_something(cls, value: Any) -> Any:
        if value == {}:
            raise ValueError("asks for nothing; name a place, or leave it out for a rule that always holds")
        return value

    @field_validator("opens", "conversion")
    @classmethod
    def _known_word(cls, value: str | None, info: ValidationInfo) -> str | None:
        words = _WORDS[info.field_name or ""]
        if value is not None and not is_path(value) and value not in words:
            raise ValueError(f"{value!r} is not one of {', '.join(words)}, nor a place in a message")
        return value

    @model_validator(mode="after")
    def _one_thing(self) -> Rule:
        kinds = [name for name in ("interaction", "event", "purchases") if getattr(self, name) is not None]
        if len(kinds) > 1:
            raise ValueError(f"an event is one of {' and '.join(kinds)}; keep one")
        if not kinds and not self.consent:
            raise ValueError("says nothing; name an interaction, an event, purchases or consent, or write ignore")
        needless = [n for n in ("campaign", "card", *REFINED) if getattr(self, n) is not None]
        if needless and self.interaction is None:
            raise ValueError(f"{', '.join(needless)}: goes with an interaction only")
        if self.card is not None and self.interaction not in CARD_INTERACTIONS:
            raise ValueError(f"a card has only the interactions {', '.join(sorted(CARD_INTERACTIONS))}")
        return self

    @model_validator(mode="after")
    def _refined_rightly(self) -> Rule:
        if self.interaction is None:
            return self
        for name in REFINED:
            kinds = _carriers(name)
            if getattr(self, name) is not None and self.interaction not in kinds:
                raise ValueError(f"{name} does not refine {self.interaction}; it goes with {', '.join(sorted(kinds))}")
        required = REQUIRED_REFINEMENT.get(self.interaction)
        if required is not None and getattr(self, required) is None:
            raise ValueError(f"{self.interaction} must name its {required}")
        return self

    def holds(self, message: Mapping[str, Any]) -> bool:
        """Whether the message has what the rule asks for."""
        if self.if_ is None:
            return True
        if isinstance(self.if_, str):
            return value_at(self.if_, message) not in (None, "")
        return all(json_equal(value_at(place, message), wanted) for place, wanted in self.if_.items())


IGNORED = "ignore"


def _form(value: Any) -> str | None:
    if isinstance(value, list | tuple):
        return "Rules"
    if isinstance(value, dict | Rule):
        return "Rule"
    return WORD.tag if value == IGNORED else None


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
    """Traits by the field that they are, places of campaigns, and events by what they are."""

    traits: dict[Text, Field_] = Field(default_factory=dict)
    campaign: Values = ()
    events: dict[Text, Rules] = Field(default_factory=dict)

    def extended(self, other: SegmentMapping) -> SegmentMapping:
        """This one with the other's words in their places, by the names of traits and events."""
        return SegmentMapping(
            traits={**self.traits, **other.traits},
            campaign=other.campaign or self.campaign,
            events={**self.events, **other.events},
        )

    def rules(self, event: str) -> tuple[Rule, ...]:
        """The rules for an event, in their order; none for one that is not told of, or is ignored."""
        found = self.events.get(event, ())
        if isinstance(found, Rule):
            return (found,)
        return () if isinstance(found, str) else found

    def ignores(self, event: str) -> bool:
        """Whether nothing is kept of an event."""
        return self.events.get(event) == IGNORED

    def names_targets(self, event: Any) -> bool:
        """Whether the catalogue must be known to say what an event is."""
        return isinstance(event, str) and any(rule.interaction for rule in self.rules(event))
