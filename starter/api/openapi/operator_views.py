"""Models of the responses to operators, for the OpenAPI document: see `starter.api.openapi.views`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from connector.rules.model.api_keys import KeyState, Scope
from connector.rules.model.reasons import Reason, State
from connector.rules.provider_events.attribution import Unmatched
from starter.api.openapi.views import ResponseModel
from starter.explain.timeline import TimelineEntry


class OperatedView(ResponseModel):
    """A follow-up after an operator action: what `says` became of it, and until when it waits, if it does."""

    id: str
    update: Literal["send_now", "postpone", "cancel"]
    says: str
    state: State | None
    reason: Reason | None
    next_at: datetime | None


class RefusedView(ResponseModel):
    """A follow-up that an action leaves as it is, and why; `reason` is the rule's code, if a rule forbids it."""

    id: str
    why: str
    reason: Reason | None


class LeftOutView(ResponseModel):
    """A channel on which a follow-up is not sent again, and the reason for which a rule forbids it."""

    id: str
    channel: str
    reason: Reason


class BulkView(ResponseModel):
    """One page of an action: the ids of the follow-ups that it changed, or would change.

    `left_out` has the channels of those that are sent again on others only.

    If `has_more` is true, the next page is the same request with `after` set to `next`.
    """

    done: list[str]
    unchanged: list[str]
    refused: list[RefusedView]
    left_out: list[LeftOutView]
    dry_run: bool
    has_more: bool
    next: str | None


class SettledView(ResponseModel):
    """The follow-up after one of its messages was settled; `changed` is false if it was settled so before."""

    id: str
    channel: str
    changed: bool
    state: State
    reason: Reason | None


class ResentView(ResponseModel):
    """`resent`: it waits again, on `channels`, held until then if a rule holds it; `unchanged`: it does so already.

    `left_out` has the other channels whose message failed, with the reason for which a rule forbids each.
    """

    id: str
    outcome: Literal["resent", "unchanged"]
    channels: list[str]
    left_out: dict[str, Reason]
    held_until: datetime | None
    dry_run: bool


class UnmatchedCountView(ResponseModel):
    """The number of events of one provider that match nothing for one reason."""

    provider: str
    reason: Unmatched
    count: int


class UnmatchedEventView(ResponseModel):
    """An event of a provider that matches nothing; `campaign` and `delivery` are what it names, if anything."""

    provider: str
    id: str
    kind: str
    at: datetime
    received_at: datetime
    reason: Unmatched
    campaign: str | None
    delivery: str | None


class ProviderEventsView(ResponseModel):
    """The newest received first; `counts` are those of all events that the filters select."""

    counts: list[UnmatchedCountView]
    reports: list[UnmatchedEventView]
    has_more: bool
    next: str | None


class MatchedView(ResponseModel):
    """The numbers of events that match now, were deleted, and still match nothing."""

    led_back: int
    dropped: int
    left: int
    has_more: bool
    next: str | None


class KeyView(ResponseModel):
    """A key without its secret; `rate` is null if it is the API's default, `expires_at` if there is no expiry."""

    id: str
    name: str
    scopes: list[Scope]
    rate: float | None
    state: KeyState
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeysView(ResponseModel):
    """Every key, oldest first."""

    keys: list[KeyView]


class ReplacedKeyView(ResponseModel):
    """The key that a rotation replaces, and until when it is valid."""

    id: str
    expires_at: datetime | None


class IssuedKeyView(KeyView):
    """A new key: `key` is the whole key, shown this once. `replaces` is there after a rotation."""

    key: str
    replaces: ReplacedKeyView | None = None


class RevokedKeyView(ResponseModel):
    """A key that is not valid any more."""

    id: str
    name: str
    revoked_at: datetime


class CleanedView(ResponseModel):
    """What was deleted, or would be: rows by table, dropped partitions with their bytes, and what could not be done."""

    rows: dict[str, int]
    partitions: dict[str, int]
    faults: list[str]
    has_more: bool


class FoundUserView(ResponseModel):
    """A user whom a search found, with all ids, and which of them or which address `matched`."""

    id: str
    user_key: str
    ids: list[str]
    email: str | None
    phone: str | None
    first_name: str | None
    time_zone: str | None
    matched: Literal["id", "user_key", "email", "phone"]


class HistoryView(ResponseModel):
    """A page of what a user did, what was decided, the messages, and changes of consent, newest first.

    `next` is the `after` of the next page.

    `is_cut`: there are older decisions, which are left out.
    """

    user: str
    user_key: str
    as_of: datetime
    entries: list[TimelineEntry]
    is_cut: bool
    has_more: bool
    next: str | None


class FoundUsersView(ResponseModel):
    """The users whom a text names; `is_cut`: there are more; `erased`: it names a user who was erased."""

    users: list[FoundUserView]
    is_cut: bool
    erased: bool
