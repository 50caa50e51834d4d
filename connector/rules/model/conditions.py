"""Conditions: what a trigger or an exception listens to, as written in YAML (design 8, M1, M2, X3)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Annotated, Any, Literal

from pydantic import Field, Tag, model_validator

from connector.rules.model.interactions import InteractionType, check_card_interaction
from connector.rules.model.values import Definition, Id, Text, form_discriminator

T = InteractionType

REFINEMENTS: dict[str, frozenset[InteractionType]] = {
    "button": frozenset({T.CLICK_IN_APP_MESSAGE_BUTTON, T.CLICK_PUSH_BUTTON}),
    "url": frozenset({T.CLICK_EMAIL}),
    "alias": frozenset({T.CLICK_EMAIL_ALIAS}),
    "opens": frozenset({T.OPEN_EMAIL}),
    "page": frozenset({T.CLICK_PUSH_STORY_PAGE}),
    "conversion": frozenset({T.PERFORM_CONVERSION_EVENT}),
}
"""The properties that narrow an interaction, each with the types that have it."""

REQUIRED_REFINEMENT = {T.CLICK_IN_APP_MESSAGE_BUTTON: "button", T.CLICK_EMAIL_ALIAS: "alias"}
"""The refinement that a condition on the type must name (M1)."""


def check_refinements(type: InteractionType, given: Mapping[str, Set[InteractionType]]) -> None:
    """Check the refinements of an interaction, each given with the types that it refines (M1).

    Raises:
        ValueError: one does not refine this type, or the one that the type must have is missing.
    """
    for name, types in given.items():
        if type not in types:
            raise ValueError(f"{name} does not refine {type}; it goes with {', '.join(sorted(types))}")
    required = REQUIRED_REFINEMENT.get(type)
    if required is not None and required not in given:
        raise ValueError(f"{type} must name its {required}")


class InteractionCondition(Definition):
    """An interaction with one campaign or card, narrowed by its refinements and filtered by `where` (design 8)."""

    interaction: InteractionType
    campaign: Id | None = None
    card: Id | None = None
    button: Text | None = None
    url: Text | None = None
    alias: Text | None = None
    opens: Literal["any", "human", "machine"] | None = None
    page: Text | None = None
    conversion: Literal["A", "B", "C", "D"] | None = None
    where: dict[str, Any] = Field(default_factory=dict)
    same: tuple[Text, ...] = ()

    @property
    def target(self) -> str:
        """The id of the campaign or card; campaigns and cards share one space of ids."""
        return self.campaign or self.card or ""

    @model_validator(mode="after")
    def _check_target_and_refinements(self) -> InteractionCondition:
        if (self.campaign is None) == (self.card is None):
            raise ValueError("name exactly one of campaign and card as the target")
        if self.card is not None:
            check_card_interaction(self.interaction)
        given = {name: types for name, types in REFINEMENTS.items() if getattr(self, name) is not None}
        check_refinements(self.interaction, given)
        return self


class EventCondition(Definition):
    """An event by its name (`make_purchase`, `start_session` or a custom name), filtered by `where`."""

    event: Text
    where: dict[str, Any] = Field(default_factory=dict)
    same: tuple[Text, ...] = ()


Condition = Annotated[
    Annotated[InteractionCondition, Tag("InteractionCondition")] | Annotated[EventCondition, Tag("EventCondition")],
    form_discriminator(
        {"interaction": InteractionCondition, "event": EventCondition},
        right="write {interaction: …, campaign: …} or {event: …}",
    ),
]
