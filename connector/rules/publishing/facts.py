"""The facts that an order is checked against besides the catalogue, and what has to be looked up for them.

All facts are optional: a fact that was not looked up is not checked. Only the sources of definitions and the counts are
exact; facts from a sample are marked as such.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from connector.rules.model.campaigns import Campaign
from connector.rules.model.conditions import Condition, InteractionCondition
from connector.rules.model.errors import Fault, Source
from connector.rules.model.predicates import Did, Interacted
from connector.rules.model.values import canonical_json
from connector.rules.publishing.audiences import walk
from connector.rules.targeting.matching import LoggedType, logged_types

Variable = tuple[str, tuple[str, ...]]
"""A variable of a template: the key of the text that uses it, and its path, like ("user", "first_name")."""

Conditions = Sequence[tuple[str, Condition]]
"""Conditions of one definition, each with its dotted key."""


@dataclass(frozen=True)
class MissedCount:
    """The number of logged interactions that a follow-on has missed; at least so many if it is not exact."""

    number: int
    is_exact: bool = True


@dataclass(frozen=True)
class Properties:
    """The names of the properties in reports of one type. `looked_at` are the reports; `is_all`: there are no more."""

    names: frozenset[str]
    looked_at: int
    is_all: bool


@dataclass(frozen=True)
class Profiles:
    """The names of the attributes of users. `looked_at` are the users; there are `users`, or more if not exact."""

    attributes: frozenset[str]
    looked_at: int
    users: int
    is_exact: bool = True

    @property
    def is_all(self) -> bool:
        """Whether every user was looked at."""
        return self.looked_at >= self.users


@dataclass(frozen=True)
class Reach:
    """The numbers of sampled users who are in an audience, and who can be reached: by any channel, and by each."""

    in_audience: int
    reachable: int
    by_channel: Mapping[str, int]


@dataclass(frozen=True)
class PublishFacts:
    """The facts of one order.

    Args:
        sources: where definitions were read from, by id; the workspace's by ''.
        missed: what has been missed, by `condition_key`.
        events: the names of the events that were reported within the retention; None: not looked up.
        properties: what is known of the properties of reports, by type.
        profiles: what is known of users; None: not looked up.
        reach: by the campaign's id.
        providers: the channels that have a provider; None: not known.
        variables: the variables of each campaign's templates, by id.
        unknown: why some facts were not looked up, for a warning; '' if all were.
    """

    sources: Mapping[str, Source] = field(default_factory=dict)
    missed: Mapping[str, MissedCount] = field(default_factory=dict)
    events: Collection[str] | None = None
    properties: Mapping[LoggedType, Properties] = field(default_factory=dict)
    profiles: Profiles | None = None
    reach: Mapping[str, Reach] = field(default_factory=dict)
    providers: Collection[str] | None = None
    variables: Mapping[str, Sequence[Variable]] = field(default_factory=dict)
    unknown: str = ""

    def describe(self, faults: Iterable[Fault], id: str | None = None) -> list[str]:
        """Return faults as texts, with file and line if their definitions were read from files.

        Args:
            id: the campaign of all of them; None: each has its own.
        """
        sources = ((one, self.sources.get(one.id if id is None else id)) for one in faults)
        return [str(one if source is None else source.locate(one)) for one, source in sources]


NO_FACTS = PublishFacts()


def condition_key(condition: InteractionCondition) -> str:
    """Return a key that conditions share which match the same interactions."""
    return canonical_json(condition.model_dump(mode="json", exclude={"same"}, exclude_none=True))


def trigger_conditions(campaign: Campaign) -> Conditions:
    """Return the conditions of a follow-on's trigger, with their keys."""
    follow_on = campaign.follow_on
    return [(f"delivery.trigger[{n}]", one) for n, one in enumerate(follow_on.trigger)] if follow_on else []


def exception_conditions(campaign: Campaign) -> Conditions:
    """Return a follow-on's exceptions, with their keys."""
    follow_on = campaign.follow_on
    return [(f"delivery.exceptions[{n}]", one) for n, one in enumerate(follow_on.exceptions)] if follow_on else []


def all_conditions(campaign: Campaign) -> Conditions:
    """Return every condition of a campaign, with its key: triggers, exceptions, conversions, and of the audience."""
    conversions = [(f"conversions[{n}]", one) for n, one in enumerate(campaign.conversions)]
    return [
        *trigger_conditions(campaign),
        *exception_conditions(campaign),
        *conversions,
        *past_conditions(campaign),
    ]


def past_conditions(campaign: Campaign) -> Conditions:
    """Return the conditions of an audience on what users did before, with their keys."""
    conditions: list[tuple[str, Condition]] = []
    for key, predicate in walk(campaign.audience):
        if isinstance(predicate, Interacted):
            conditions.append((f"{key}.interacted", predicate.interacted))
        elif isinstance(predicate, Did):
            conditions.append((f"{key}.did", predicate.did))
    return conditions


@dataclass(frozen=True)
class PublishQuestions:
    """The look-ups for the facts of an order on these campaigns.

    Args:
        missed: the conditions of which the logged interactions are counted, by `condition_key` (P4).
    """

    campaigns: Sequence[Campaign]
    missed: Mapping[str, InteractionCondition] = field(default_factory=dict)

    @cached_property
    def types(self) -> set[LoggedType]:
        """The types of reports of which the properties are used: in `where`, `same`, `key` and templates."""
        return {
            type
            for campaign in self.campaigns
            for _, condition in all_conditions(campaign)
            for type in logged_types(condition)
        }
