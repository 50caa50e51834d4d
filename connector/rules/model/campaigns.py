"""Campaigns, cards and the workspace, as written in YAML (design 8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Tag, field_validator, model_validator

from connector.rules.model.conditions import Condition, EventCondition
from connector.rules.model.messages import Messages, Template
from connector.rules.model.predicates import Predicate
from connector.rules.model.schedules import Delay, EligibleAgain, QuietHours, QuietHoursChoice, SendAt, TimeOfDay
from connector.rules.model.values import (
    WORD,
    ChannelName,
    Definition,
    Duration,
    Id,
    Instant,
    Text,
    form_discriminator,
    format_duration,
    has_null_character,
    parse_duration,
)
from connector.rules.model.zones import check_zone

MAX_CONVERSION_WINDOW = timedelta(days=30)
"""The limit of the time within which an event counts as a conversion (C1)."""


def _check_lateness(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("must be more than zero: every message is sent a little after its due time")
    return value


Lateness = Annotated[Duration, AfterValidator(_check_lateness)]
"""How late after its due time a message may be sent (D4)."""


class Conversion(EventCondition):
    """An event that counts as a success of the campaign if it happens within a window after the receipt (C1)."""

    within: Duration = Field(default_factory=lambda: parse_duration("3 days"))

    @field_validator("within")
    @classmethod
    def _check_window(cls, value: timedelta) -> timedelta:
        if not timedelta(0) < value <= MAX_CONVERSION_WINDOW:
            raise ValueError(f"must be more than zero and at most {format_duration(MAX_CONVERSION_WINDOW)}")
        return value

    @field_validator("same")
    @classmethod
    def _refuse_same(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value:
            raise ValueError("compares with a trigger, which a conversion does not have; remove it")
        return value


class Variant(Definition):
    """One of several contents, drawn by weight through a stable hash (T4)."""

    name: Text
    weight: Annotated[int, Field(strict=True, ge=1)] = 1
    messages: Messages


class ActionBased(Definition):
    """The delivery of a follow-on: its trigger, delay and exceptions, and when and how often it may send."""

    type: Literal["action_based"]
    trigger: Annotated[tuple[Condition, ...], Field(min_length=1)]
    delay: Delay | None = None
    exceptions: tuple[Condition, ...] = ()
    retrigger: Literal["ignore", "restart"] = "ignore"
    key: Annotated[Text | None, Field(pattern=r"^properties\.[^.].*$")] = None
    start: Instant | None = None
    end: Instant | None = None
    time_of_day: TimeOfDay | None = None
    quiet_hours: QuietHoursChoice | None = None
    eligible_again: EligibleAgain = "never"
    spread: Duration | None = None
    recheck_audience: bool = False
    ignore_frequency_caps: bool = False
    stale_after: Lateness | None = None


class Scheduled(Definition):
    """The delivery of an original that is sent to its audience at publication or at a given time."""

    type: Literal["scheduled"]
    send: Annotated[
        Annotated[Literal["at_publish"], WORD] | Annotated[SendAt, Tag("SendAt")],
        form_discriminator({"at": SendAt}, words=("at_publish",), right='write at_publish or {at: "2026-04-01 09:00"}'),
    ]
    per_minute: Annotated[int, Field(strict=True, ge=1)] | None = None
    stale_after: Lateness | None = None


class External(Definition):
    """The delivery of an original that another system sends: only its interactions are reported here."""

    type: Literal["external"]


Delivery = Annotated[ActionBased | Scheduled | External, Field(discriminator="type")]


class Campaign(Definition):
    """A campaign: anything that is published and that users interact with, except cards."""

    campaign: Id
    name: Text | None = None
    delivery: Delivery
    audience: Predicate = "everyone"
    control_group: Annotated[int, Field(strict=True, ge=0, le=100)] = 0
    variants: tuple[Variant, ...] | None = None
    conversions: Annotated[tuple[Conversion, ...], Field(max_length=4)] = ()
    messages: Messages | None = None

    @property
    def id(self) -> str:
        """The campaign's id; campaigns and cards share one space of ids."""
        return self.campaign

    @property
    def follow_on(self) -> ActionBased | None:
        """The delivery if the campaign is a follow-on, None if it is an original."""
        return self.delivery if isinstance(self.delivery, ActionBased) else None

    @property
    def contents(self) -> list[Messages]:
        """All contents that the campaign may send: its messages, or those of each variant."""
        return [content for _, content in self.keyed_contents]

    @property
    def keyed_contents(self) -> list[tuple[str, Messages]]:
        """All contents that the campaign may send, each with its dotted key."""
        contents = [("messages", self.messages)] if self.messages is not None else []
        return [*contents, *((f"variants[{n}].messages", v.messages) for n, v in enumerate(self.variants or ()))]

    def stale_after(self, workspace: Workspace) -> timedelta:
        """Return how late its messages may be sent: by its own `stale_after`, else by the workspace's (D4, W5)."""
        own = None if isinstance(self.delivery, External) else self.delivery.stale_after
        return workspace.stale_after if own is None else own

    @model_validator(mode="after")
    def _check_contents(self) -> Campaign:
        if self.messages is not None and self.variants:
            raise ValueError("write messages or variants, not both")
        if self.variants and len({variant.name for variant in self.variants}) != len(self.variants):
            raise ValueError("two variants have the same name")
        if self.delivery.type != "external" and not any(content.channels for content in self.contents):
            raise ValueError("needs messages (or variants) with at least one channel")
        return self


class Card(Definition):
    """A News Feed card: published and stopped like a campaign, with only the interactions view and click."""

    card: Id
    title: Template
    body: Template
    link: Template | None = None

    @property
    def id(self) -> str:
        """The card's id; campaigns and cards share one space of ids."""
        return self.card


class PerDays(Definition):
    """A window of whole calendar days that ends with today (W2)."""

    days: Annotated[int, Field(strict=True, ge=1, le=30)]


class FrequencyCap(Definition):
    """A limit on messages per user within some calendar days, on one channel or over all of them (W2)."""

    channel: ChannelName | Literal["any"] = "any"
    at_most: Annotated[int, Field(strict=True, ge=0)]
    per: Annotated[
        Annotated[Literal["day", "week"], WORD] | Annotated[PerDays, Tag("PerDays")],
        form_discriminator({"days": PerDays}, words=("day", "week"), right="write day, week or {days: 3}"),
    ]

    @property
    def days(self) -> int:
        """The number of calendar days that the cap covers, including today."""
        return self.per.days if isinstance(self.per, PerDays) else {"day": 1, "week": 7}[self.per]


class Workspace(Definition):
    """The settings that apply to all campaigns of a company."""

    workspace: Id = "default"
    zone: Text = "UTC"
    frequency_caps: Annotated[tuple[FrequencyCap, ...], Field(max_length=10)] = ()
    quiet_hours: QuietHours | None = None
    robots: Literal["ignore", "count"] = "ignore"
    target: Literal["active", "ever_published"] = "active"
    stale_after: Duration = Field(default_factory=lambda: parse_duration("24 hours"))

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        return check_zone(value)


Publishable = Campaign | Card
AnyDefinition = Campaign | Card | Workspace


def parse_definition(data: Any) -> AnyDefinition:
    """Parse one definition from a mapping; its kind is given by the key `campaign`, `card` or `workspace`.

    Raises:
        ValueError: the mapping has none of these keys.
        pydantic.ValidationError: the definition has faults.
    """
    if has_null_character(data):
        raise ValueError("a definition must not contain null characters")
    if isinstance(data, dict):
        for kind, model in DEFINITION_KINDS.items():
            if kind in data:
                return model.model_validate(data)
    raise ValueError("a definition begins with campaign, card or workspace")


DEFINITION_KINDS: dict[str, type[Campaign] | type[Card] | type[Workspace]] = {
    "campaign": Campaign,
    "card": Card,
    "workspace": Workspace,
}
