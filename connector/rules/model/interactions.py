"""Interactions and events: the 21 types of interaction with campaigns and cards, and other events (design 8)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connector.rules.model.values import (
    Id,
    Text,
    UtcInstant,
    canonical_json,
    is_small_and_plain,
    show_value,
    storage_problem,
)

MAX_PROPERTIES_BYTES = 32 * 1024


class InteractionType(StrEnum):
    """The 21 types of interaction."""

    VIEW_IN_APP_MESSAGE = "view_in_app_message"
    CLICK_IN_APP_MESSAGE = "click_in_app_message"
    CLICK_IN_APP_MESSAGE_BUTTON = "click_in_app_message_button"
    CLICK_EMAIL = "click_email"
    CLICK_EMAIL_ALIAS = "click_email_alias"
    OPEN_EMAIL = "open_email"
    OPEN_PUSH = "open_push"
    CLICK_PUSH_BUTTON = "click_push_button"
    CLICK_PUSH_STORY_PAGE = "click_push_story_page"
    PERFORM_CONVERSION_EVENT = "perform_conversion_event"
    RECEIVE_EMAIL = "receive_email"
    RECEIVE_SMS = "receive_sms"
    CLICK_SMS_LINK = "click_sms_link"
    RECEIVE_PUSH = "receive_push"
    RECEIVE_WEBHOOK = "receive_webhook"
    ENROLL_IN_CONTROL_GROUP = "enroll_in_control_group"
    VIEW_CONTENT_CARD = "view_content_card"
    CLICK_CONTENT_CARD = "click_content_card"
    DISMISS_CONTENT_CARD = "dismiss_content_card"
    VIEW_NEWS_FEED_CARD = "view_news_feed_card"
    CLICK_NEWS_FEED_CARD = "click_news_feed_card"


T = InteractionType
LAUNCH_TIME = frozenset({T.ENROLL_IN_CONTROL_GROUP, T.RECEIVE_EMAIL, T.RECEIVE_SMS, T.RECEIVE_PUSH, T.RECEIVE_WEBHOOK})
"""Interactions that happen when their target is sent: a follow-on published later has missed them (P3, P4)."""

VIEWS = frozenset({T.VIEW_IN_APP_MESSAGE, T.VIEW_CONTENT_CARD, T.VIEW_NEWS_FEED_CARD})
"""The views of in-app messages and cards, which have no receipt: conversions count from the first view (C1)."""

CLICKS = frozenset(kind for kind in T if kind.startswith("click_"))
CARD_INTERACTIONS = frozenset({T.VIEW_NEWS_FEED_CARD, T.CLICK_NEWS_FEED_CARD})

BUILT_IN_EVENTS = ("make_purchase", "start_session")
"""The events that have a type of their own."""

RECEIVE_TYPES = {
    "email": T.RECEIVE_EMAIL,
    "sms": T.RECEIVE_SMS,
    "push": T.RECEIVE_PUSH,
    "webhook": T.RECEIVE_WEBHOOK,
}
"""The interaction that a sent message makes, by channel (M4). Cards and in-app messages make none."""


TEXT_PROPERTIES: dict[str, tuple[str, ...]] = {
    T.CLICK_IN_APP_MESSAGE: ("button",),
    T.CLICK_IN_APP_MESSAGE_BUTTON: ("button",),
    T.CLICK_EMAIL: ("url", "alias"),
    T.CLICK_EMAIL_ALIAS: ("url", "alias"),
    T.OPEN_EMAIL: ("opens",),
    T.OPEN_PUSH: ("button",),
    T.CLICK_PUSH_BUTTON: ("button",),
    T.CLICK_PUSH_STORY_PAGE: ("page",),
    T.PERFORM_CONVERSION_EVENT: ("conversion",),
    T.RECEIVE_PUSH: ("dispatch",),
}
"""The properties by which interactions are distinguished, by type: opaque texts (M1, M3)."""


def check_card_interaction(type: InteractionType) -> None:
    """Raise ValueError if this cannot be done with a card."""
    if type not in CARD_INTERACTIONS:
        raise ValueError(f"a card has only the interactions {', '.join(sorted(CARD_INTERACTIONS))}")


ON_ARRIVAL = datetime.max.replace(tzinfo=UTC)
"""The `occurred_at` of an item that was reported without one, until it arrives: a later time is the arrival (M7)."""


class _Report(BaseModel):
    """The fields of every report. `occurred_at` is in UTC; `properties` hold refinements and facts by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Text | None = None
    user: Text
    occurred_at: UtcInstant = Field(
        default_factory=lambda: ON_ARRIVAL, description="When it happened; by default when it arrives."
    )
    properties: dict[str, Any] = Field(default_factory=dict)

    @field_validator("properties")
    @classmethod
    def _check_properties(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not value or is_small_and_plain(value, MAX_PROPERTIES_BYTES):
            return value
        if problem := storage_problem(value):
            raise ValueError(f"properties {problem}")
        if len(canonical_json(value).encode()) > MAX_PROPERTIES_BYTES:
            raise ValueError(f"properties are larger than {MAX_PROPERTIES_BYTES} bytes")
        return value

    @property
    def target(self) -> str | None:
        """The campaign or card that the user interacted with; None for an event."""
        return None


class Interaction(_Report):
    """One thing that one user did with one campaign or card at one time."""

    type: InteractionType
    campaign: Id | None = None
    card: Id | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_text_properties(cls, data: Any) -> Any:
        """Turn integers into their decimal text, and an open of a push that names a button into its click (M1)."""
        if not isinstance(data, dict) or not isinstance(properties := data.get("properties"), dict):
            return data
        names = TEXT_PROPERTIES.get(str(data.get("type")), ())
        texts = {name: _read_text(name, properties[name]) for name in names if properties.get(name) is not None}
        if not texts:
            return data
        is_button = data["type"] == T.OPEN_PUSH and texts["button"] != ""
        kind = T.CLICK_PUSH_BUTTON if is_button else data["type"]
        return {**data, "type": kind, "properties": {**properties, **texts}}

    @model_validator(mode="after")
    def _check_target(self) -> Interaction:
        if (self.campaign is None) == (self.card is None):
            raise ValueError("name exactly one of campaign and card")
        if self.card is not None:
            check_card_interaction(self.type)
        return self

    @property
    def target(self) -> str:
        """The id of the campaign or card."""
        return self.campaign or self.card or ""

    @property
    def name_or_type(self) -> str:
        """The interaction's type as on the wire."""
        return self.type.value


class Event(_Report):
    """A behaviour outside campaigns: a purchase, a session start, or a custom event by its name."""

    type: Literal["event", "make_purchase", "start_session"]
    name: Annotated[Text | None, Field(validate_default=True)] = None

    @model_validator(mode="before")
    @classmethod
    def _name_built_in_event(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("type") in BUILT_IN_EVENTS and "name" not in data:
            return {**data, "name": data["type"]}
        return data

    @model_validator(mode="after")
    def _check_name(self) -> Event:
        if self.name is None:
            raise ValueError("an event needs a name")
        return self

    @property
    def name_or_type(self) -> str:
        """The event's name, built-in or custom."""
        return self.name or ""


def _read_text(name: str, value: Any) -> str:
    """Return a text as it is and an integer as its decimal text (M1). Raises ValueError for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f'properties.{name}: {show_value(value)} is neither a text nor an integer; write a text, like "1"')


Item = Interaction | Event


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An item in the log. `t` is min(occurred_at, received_at) in UTC (M7); `seq` grows in the order of arrival."""

    id: str
    seq: int
    t: datetime
    received_at: datetime
    item: Item


def create_log_entry(item: Item, seq: int, received_at: datetime) -> LogEntry:
    """Return the log entry of an item that arrives at `received_at`; a later `occurred_at` is reduced to it (M7)."""
    return LogEntry(item.id or "", seq, min(item.occurred_at, received_at), received_at, item)


def is_too_old(item: Item, now: datetime, retention: timedelta) -> bool:
    """Return whether the item happened before the log's retention, so that a repeat could not be recognised (M6)."""
    return item.occurred_at < now - retention


def log_horizon(now: datetime, retention: timedelta) -> datetime:
    """Return from when on (UTC) received items count, as of `now`: the midnight before the retention begins.

    Rules look no further back, whether or not older items have been deleted yet; only an audience may (`look_backs`).
    Whole days, because the log is kept by the day.
    """
    return (now.astimezone(UTC) - retention).replace(hour=0, minute=0, second=0, microsecond=0)


def dispatch_of(item: Item) -> tuple[str, str] | None:
    """Return the (campaign, dispatch) of a `receive_push`: reports with the same one are one interaction (M3)."""
    if not isinstance(item, Interaction) or item.type is not InteractionType.RECEIVE_PUSH:
        return None
    dispatch = item.properties.get("dispatch")
    return None if dispatch is None else (item.target, str(dispatch))


def derive_id(facts: Sequence[Any]) -> str:
    """Return the id of an item that was reported without one, from what distinguishes it from others (M6)."""
    text = canonical_json(facts).encode(errors="surrogatepass")
    return f"made-{hashlib.sha256(text).hexdigest()[:40]}"
