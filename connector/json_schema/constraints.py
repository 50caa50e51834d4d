"""What the models' validators check beyond the types of keys, as JSON Schema; by model, and by key of a model.

Left to the reader, because JSON Schema cannot say it: two variants of one name, a date that the calendar does not have,
templates, JSON within the headers of an email, the nesting limit, and whatever concerns two documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from connector.json_schema import forms
from connector.rules.model.campaigns import (
    MAX_CONVERSION_WINDOW,
    ActionBased,
    Campaign,
    Conversion,
    Scheduled,
    Workspace,
)
from connector.rules.model.conditions import REFINEMENTS, REQUIRED_REFINEMENT, InteractionCondition
from connector.rules.model.interactions import CARD_INTERACTIONS
from connector.rules.model.mail_headers import MAX_HEADERS, OTHER_HEADERS, OWN_HEADERS
from connector.rules.model.messages import Email, Messages
from connector.rules.model.predicates import OPERATORS, AttributePredicate
from connector.rules.model.schedules import SendAt

Constraint = dict[str, Any]
"""A schema that a mapping has to satisfy besides the schemas of its keys."""

_LATENESS = {"anyOf": [forms.duration(is_zero_allowed=False), {"type": "null"}]}
_ADDRESS_WORDS = ("to", "cc", "from", "sender", "reply", "rcpt", "envelope", "return", "delivered")
_ADDRESS_PARTS = ("bcc", "recipient", "dkim", "domainkey")


def _header_name() -> str:
    """Return the pattern of the names of headers that a campaign may set; `mail_headers` says why."""
    parts = [
        f"-(?:{'|'.join(map(forms.any_case, _ADDRESS_WORDS))})(?![A-Za-z0-9_])",
        *map(forms.any_case, _ADDRESS_PARTS),
    ]
    own = "|".join(map(forms.any_case, sorted(OWN_HEADERS)))
    free = f"(?!.*(?:{'|'.join(parts)}))(?!(?:{own})$)(?=.{{1,76}}$)[xX]-[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*"
    return f"^(?:{free}|{'|'.join(map(forms.any_case, OTHER_HEADERS))})$"


def _if(condition: Constraint, then: Constraint) -> Constraint:
    return {"if": condition, "then": then}


def _target_and_refinements() -> list[Constraint]:
    """Return what an interaction needs: one target, and only refinements that it has (M1, M5)."""
    one_target: Constraint = {
        "oneOf": [
            {**forms.present("campaign"), "not": forms.present("card")},
            {**forms.present("card"), "not": forms.present("campaign")},
        ]
    }
    of_cards = _if(forms.present("card"), {"properties": {"interaction": {"enum": sorted(CARD_INTERACTIONS)}}})
    refined = [
        _if(forms.present(name), {"properties": {"interaction": {"enum": sorted(types)}}})
        for name, types in REFINEMENTS.items()
    ]
    required = [
        _if({"required": ["interaction"], "properties": {"interaction": {"const": type.value}}}, forms.present(name))
        for type, name in REQUIRED_REFINEMENT.items()
    ]
    return [one_target, of_cards, *refined, *required]


def _contents() -> list[Constraint]:
    """Return what a campaign needs: messages or variants, and a channel unless another system sends it."""
    has_channel = {"anyOf": [forms.present(channel) for channel in Messages.model_fields]}
    variants = {"required": ["variants"], "properties": {"variants": {"type": "array", "minItems": 1}}}
    sends = {
        "required": ["delivery"],
        "properties": {
            "delivery": {"required": ["type"], "properties": {"type": {"enum": ["action_based", "scheduled"]}}}
        },
    }
    content = {"properties": {"messages": has_channel}, "required": ["messages"]}
    varied = {
        "required": ["variants"],
        "properties": {
            "variants": {
                "type": "array",
                "contains": {"required": ["messages"], "properties": {"messages": has_channel}},
            }
        },
    }
    return [{"not": {"allOf": [forms.present("messages"), variants]}}, _if(sends, {"anyOf": [content, varied]})]


CONSTRAINTS: Mapping[type[BaseModel], list[Constraint]] = {
    InteractionCondition: _target_and_refinements(),
    Campaign: _contents(),
    Email: [_if(forms.present("preheader"), forms.present("html"))],
    AttributePredicate: [{"oneOf": [{"required": [operator]} for operator in OPERATORS]}],
}
"""By model; a model that inherits from it has them too."""

KEY_FORMS: Mapping[tuple[type[BaseModel], str], Constraint] = {
    (ActionBased, "key"): {
        "anyOf": [{"type": "string", "maxLength": 255, "pattern": r"^properties\.[^.].*$"}, {"type": "null"}]
    },
    (ActionBased, "stale_after"): _LATENESS,
    (Scheduled, "stale_after"): _LATENESS,
    (Conversion, "within"): forms.duration(MAX_CONVERSION_WINDOW, is_zero_allowed=False),
    (Conversion, "same"): {"type": "array", "maxItems": 0},
    (SendAt, "at"): dict(forms.LOCAL_MOMENT),
    (Workspace, "zone"): forms.zone(),
    (Email, "headers"): {
        "anyOf": [
            {
                "type": "object",
                "maxProperties": MAX_HEADERS,
                "propertyNames": {"pattern": _header_name()},
                "additionalProperties": {"type": "string", "maxLength": 1_000_000},
            },
            {"type": "null"},
        ]
    },
    (AttributePredicate, "in"): {"type": "array"},
    (AttributePredicate, "not_in"): {"type": "array"},
    (AttributePredicate, "exists"): dict(forms.FLAG),
    **{
        (AttributePredicate, operator): {"not": {"type": "null"}}
        for operator in ("more_than", "at_least", "less_than", "at_most", "contains")
    },
}
"""By model and key: the form of a key's value where a validator narrows what its type says."""
