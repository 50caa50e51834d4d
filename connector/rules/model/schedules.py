"""Schedules as written in YAML: delays, hours of the day, quiet hours, send times and eligibility."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, Tag, field_validator

from connector.rules.model.values import WORD, Clock, Definition, Duration, Text, Zone, form_discriminator

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class After(Definition):
    """An exact delay from the trigger's time: 1 day is 24 hours (D1)."""

    after: Duration


class Next(Definition):
    """The next such weekday strictly later than the trigger's local date, at a wall-clock time (D2)."""

    next: Weekday
    at: Clock
    zone: Zone = "user"


class InDays(Definition):
    """A number of local dates after the trigger's local date, at a wall-clock time (D2)."""

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
    """The hours [from, to) in which messages may be sent; outside them a message is dropped or waits for the next."""

    from_: Clock = Field(alias="from")
    to: Clock
    zone: Zone = "user"
    outside: Literal["drop", "next"] = "drop"


class QuietHours(Definition):
    """The hours [from, to) in which no message is sent; a message is held until they end, or dropped."""

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
    """A user may receive the campaign again this long after the last receipt, in seconds (T1)."""

    after: Duration


EligibleAgain = Annotated[
    Annotated[Literal["never", "always"], WORD] | Annotated[EligibleAfter, Tag("EligibleAfter")],
    form_discriminator(
        {"after": EligibleAfter}, words=("never", "always"), right="write never, always or {after: 30 days}"
    ),
]


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
