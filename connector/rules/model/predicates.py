"""Audience predicates as written in YAML: attributes, past interactions, past events, and combinations (design 8)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag, model_validator

from connector.rules.model.conditions import EventCondition, InteractionCondition
from connector.rules.model.values import WORD, Definition, Duration, Text, form_discriminator

OPERATORS = (
    "is", "is_not", "in", "not_in", "more_than", "at_least", "less_than", "at_most", "contains", "exists",
)  # fmt: skip


class AttributePredicate(Definition):
    """A comparison of one attribute by exactly one operator.

    A missing attribute satisfies only `is_not`, `not_in` and `exists: false`.
    """

    attribute: Text
    is_: Any = Field(None, alias="is")
    is_not: Any = None
    in_: list[Any] | None = Field(None, alias="in")
    not_in: list[Any] | None = None
    more_than: Any = None
    at_least: Any = None
    less_than: Any = None
    at_most: Any = None
    contains: Any = None
    exists: bool | None = None

    @model_validator(mode="after")
    def _check_operator(self) -> AttributePredicate:
        if len(self.model_fields_set - {"attribute"}) != 1:
            raise ValueError(f"compare the attribute by exactly one of {', '.join(OPERATORS)}")
        if self.operand is None and self.operator not in ("is", "is_not"):
            raise ValueError(f"{self.operator} needs something to compare with; write exists: false for no value")
        return self

    @property
    def operator(self) -> str:
        """The operator as written, one of OPERATORS."""
        return next(iter(self.model_fields_set - {"attribute"})).rstrip("_")

    @property
    def operand(self) -> Any:
        """The value that the attribute is compared with."""
        return getattr(self, next(iter(self.model_fields_set - {"attribute"})))


class PastInteraction(InteractionCondition):
    """An interaction that the user had, at any time or `within` a duration before the evaluation."""

    within: Duration | None = None


class PastEvent(EventCondition):
    """An event that the user did, at any time or `within` a duration before the evaluation."""

    within: Duration | None = None


class Interacted(Definition):
    """Holds if the user had this interaction."""

    interacted: PastInteraction


class Did(Definition):
    """Holds if the user did this event."""

    did: PastEvent


class All(Definition):
    """Holds if every predicate holds. An empty list is refused at publish (P7)."""

    all: list[Predicate]


class Any_(Definition):
    """Holds if at least one predicate holds. An empty list is refused at publish (P7)."""

    any: list[Predicate]


class Not(Definition):
    """Holds if the predicate does not."""

    not_: Predicate = Field(alias="not")


Predicate = Annotated[
    Annotated[Literal["everyone"], WORD]
    | Annotated[All, Tag("All")]
    | Annotated[Any_, Tag("Any_")]
    | Annotated[Not, Tag("Not")]
    | Annotated[AttributePredicate, Tag("AttributePredicate")]
    | Annotated[Interacted, Tag("Interacted")]
    | Annotated[Did, Tag("Did")],
    form_discriminator(
        {"all": All, "any": Any_, "not": Not, "attribute": AttributePredicate, "interacted": Interacted, "did": Did},
        words=("everyone",),
        right="write everyone, or a mapping with one of the keys attribute, all, any, not, interacted, did, like "
        "{attribute: tier, is: gold}",
    ),
]

for _model in (All, Any_, Not):
    _model.model_rebuild()
