"""Campaigns, cards and the workspace, as written in YAML (design 8)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, Tag, field_validator, model_validator

from connector.rules.model.choices import WORD, form_discriminator
from connector.rules.model.conditions import Condition, EventCondition
from connector.rules.model.messages import Messages, Template
from connector.rules.model.predicates import Predicate
from connector.rules.model.users import check_zone
from connector.rules.model.values import (
    ChannelName,
    Clock,
    Definition,
    Duration,
    Id,
    Instant,
    Text,
    Zone,
    format_duration,
    has_null_character,
    parse_duration,
)

_LONGEST_CONVERSION = timedelta(days=30)
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class After(Definition):
    """An exact wait from the trigger's time: 1 day is 24 hours (D1)."""

    after: Duration


class Next(Definition):
    """The next such weekday strictly later than the trigger's local date, at a wall-clock time (D2)."""

    next: Weekday
    at: Clock
    zone: Zone = "user"


class InDays(Definition):
    """So many local dates after the trigger's, at a wall-clock time (D2)."""

    in_days: Annotated[int, Field(strict=True, ge=0, le=3650)]
    at: Clock
    zone: Zone = "user"


Delay = Annotated[
    Annotated[After, Tag("After")] | Annotated[Next, Tag("Next")] | Annotated[InDays, Tag("InDays")],
    form_discriminator(
        {"after": After, "next": Next, "in_days": InDays},
        right='write {after: 1 day}, {next: saturday, at: "15:15"} or {in_days: 1, at: "09:00"}',
    ),
]


class TimeOfDay(Definition):
    """The hours [from, to) in which a message may go; outside of them it is dropped or waits for the next opening."""

    from_: Clock = Field(alias="from")
    to: Clock
    zone: Zone = "user"
    outside: Literal["drop", "next"] = "drop"


class QuietHours(Definition):
    """The hours [from, to) in which nothing may disturb; a message is held to their end, or dropped."""

    from_: Clock = Field(alias="from")
    to: Clock
    zone: Zone = "user"
    then: Literal["hold", "drop"] = "hold"


QuietHoursChoice = Annotated[
    Annotated[Literal["none"], WORD] | Annotated[QuietHours, Tag("QuietHours")],
    form_discriminator(
        {"from": QuietHours, "to": QuietHours},
        words=("none",),
        right='write none or {from: "22:00", to: "06:00"}',
    ),
]


class EligibleAfter(Definition):
    """Again so long after the receipt, in seconds (T1)."""

    after: Duration


EligibleAgain = Annotated[
    Annotated[Literal["never", "always"], WORD] | Annotated[EligibleAfter, Tag("EligibleAfter")],
    form_discriminator(
        {"after": EligibleAfter}, words=("never", "always"), right="write never, always or {after: 30 days}"
    ),
]


class Conversion(EventCondition):
    """An event that counts as the campaign's success when it comes within a window after the receipt (C1)."""

    within: Duration = Field(default_factory=lambda: parse_duration("3 days"))

    @field_validator("within")
    @classmethod
    def _window(cls, value: timedelta) -> timedelta:
        if not timedelta(0) < value <= _LONGEST_CONVERSION:
            raise ValueError(f"must be more than nothing and at most {format_duration(_LONGEST_CONVERSION)}")
        return value

    @field_validator("same")
    @classmethod
    def _same_as_nothing(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value:
            raise ValueError("compares with a trigger, which a conversion does not have; take it out")
        return value


class Variant(Definition):
    """One of several contents, drawn by weight through a stable hash (T4)."""

    name: Text
    weight: Annotated[int, Field(strict=True, ge=1)] = 1
    messages: Messages


class ActionBased(Definition):
    """The delivery of a follow-on: trigger, delay, exceptions, and when and how often it may send."""

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


class SendAt(Definition):
    """A wall-clock moment "YYYY-MM-DD HH:MM" in the company's zone or in each user's own."""

    at: Annotated[Text, Field(pattern=r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}$")]
    zone: Zone = "user"

    @field_validator("at")
    @classmethod
    def _exists(cls, value: str) -> str:
        try:
            datetime.strptime(value, "%Y-%m-%d %H:%M")
        except ValueError:
            raise ValueError(f"there is no {value}; write a date and a time of the day") from None
        return value


class Scheduled(Definition):
    """The delivery of an original that goes to its audience at publish or at a time."""

    type: Literal["scheduled"]
    send: Annotated[
        Annotated[Literal["at_publish"], WORD] | Annotated[SendAt, Tag("SendAt")],
        form_discriminator({"at": SendAt}, words=("at_publish",), right='write at_publish or {at: "2026-04-01 09:00"}'),
    ]
    per_minute: Annotated[int, Field(strict=True, ge=1)] | None = None


class External(Definition):
    """The delivery of an original that another system sends: we only hear of its interactions."""

    type: Literal["external"]


Delivery = Annotated[ActionBased | Scheduled | External, Field(discriminator="type")]


class Campaign(Definition):
    """Anything that is published and that users interact with."""

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
        """Its id; campaigns and cards share one space of ids."""
        return self.campaign

    @property
    def follow_on(self) -> ActionBased | None:
        """The delivery where this is a follow-on, None where it is an original."""
        return self.delivery if isinstance(self.delivery, ActionBased) else None

    @model_validator(mode="after")
    def _sends_something(self) -> Campaign:
        if self.messages is not None and self.variants:
            raise ValueError("write messages or variants, not both")
        if self.variants and len({variant.name for variant in self.variants}) != len(self.variants):
            raise ValueError("two variants have the same name")
        contents = [self.messages] if self.messages else [v.messages for v in self.variants or ()]
        if self.delivery.type != "external" and not any(content.channels for content in contents):
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
        """Its id; campaigns and cards share one space of ids."""
        return self.card


class PerDays(Definition):
    """A window of whole calendar days, today the last (W2)."""

    days: Annotated[int, Field(strict=True, ge=1, le=30)]


class FrequencyCap(Definition):
    """At most so many messages in so many calendar days, on one channel or over all (W2)."""

    channel: ChannelName | Literal["any"] = "any"
    at_most: Annotated[int, Field(strict=True, ge=0)]
    per: Annotated[
        Annotated[Literal["day", "week"], WORD] | Annotated[PerDays, Tag("PerDays")],
        form_discriminator({"days": PerDays}, words=("day", "week"), right="write day, week or {days: 3}"),
    ]

    @property
    def days(self) -> int:
        """The number of calendar days that the cap looks at, today included."""
        return self.per.days if isinstance(self.per, PerDays) else {"day": 1, "week": 7}[self.per]


class Workspace(Definition):
    """What holds for all campaigns of a company."""

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


def parse_definition(data: Any) -> Campaign | Card | Workspace:
    """One definition from a mapping, told apart by its first word: campaign, card or workspace.

    Raises:
        ValueError: it is neither; pydantic.ValidationError: it has faults.
    """
    if has_null_character(data):
        raise ValueError("a definition must not contain null characters")
    if isinstance(data, dict):
        for word, model in DEFINITION_KINDS.items():
            if word in data:
                return model.model_validate(data)
    raise ValueError("a definition begins with campaign, card or workspace")


DEFINITION_KINDS: dict[str, type[Campaign] | type[Card] | type[Workspace]] = {
    "campaign": Campaign,
    "card": Card,
    "workspace": Workspace,
}
