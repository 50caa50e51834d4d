"""Request bodies of operators: acts on follow-ups, providers' events, keys and the cleanup."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from connector.rules.model.api_keys import MAX_KEY_RATE, Scope, find_lifetime_fault, find_name_fault
from connector.rules.model.reasons import Reason
from connector.rules.model.values import ChannelName, Duration, Text
from connector.rules.provider_events.events import PROVIDERS
from starter.api.requests.options import Moment, NoOptions, Note, OrderOptions
from starter.operations.bulk_actions import MAX_ACTED_ON
from starter.operations.cursors import MAX_CHARACTERS
from starter.operations.follow_ups import ListedState
from starter.operations.provider_events import MAX_CURSOR_CHARACTERS


def _check_key_name(name: str) -> str:
    if fault := find_name_fault(name):
        raise ValueError(fault)
    return name


def _check_lifetime(lifetime: timedelta) -> timedelta:
    if fault := find_lifetime_fault(lifetime):
        raise ValueError(fault)
    return lifetime


def _check_one_time(until: datetime | None, by: timedelta | None) -> None:
    if (until is None) == (by is None):
        raise ValueError("give either until or by")


class ResolveOptions(NoOptions):
    """Whether a message whose result is unknown was `sent`; `channel` is needed if several are unknown."""

    sent: bool
    channel: ChannelName | None = None
    note: Note


class ResendOptions(NoOptions):
    """The channel to send on again (default: each that failed); with `dry_run`, nothing is changed."""

    channel: ChannelName | None = None
    dry_run: bool = False
    note: Note | None = None


class ActOptions(NoOptions):
    """A note for Temporal's UI and the audit trail; both keep it: do not name users."""

    note: Note | None = None


class PostponeOneOptions(ActOptions):
    """The new time, or by how much longer than now it waits."""

    until: Moment | None = None
    by: Duration | None = None

    @model_validator(mode="after")
    def _one_time(self) -> PostponeOneOptions:
        _check_one_time(self.until, self.by)
        return self


class BulkOptions(NoOptions):
    """Which follow-ups an action concerns: by `ids`, or as in `GET /v1/follow-ups`, by `campaign` or `user` at least.

    Each request acts on one page of at most `limit`; the next page is the same request with `after` set to `next`.
    With `dry_run`, nothing is changed.
    """

    ids: Annotated[list[Text], Field(min_length=1, max_length=MAX_ACTED_ON)] | None = None
    campaign: Text | None = None
    user: Text | None = None
    state: ListedState | None = None
    reason: Annotated[Reason, Field(strict=False)] | None = None
    channel: ChannelName | None = None
    since: Moment | None = None
    after: Annotated[str, Field(max_length=MAX_CHARACTERS)] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_ACTED_ON)] = MAX_ACTED_ON
    dry_run: bool = False
    note: Note | None = None


class PostponeOptions(BulkOptions):
    """The new time, or by how much: each then waits at least so long after its original due time."""

    until: Moment | None = None
    by: Duration | None = None

    @model_validator(mode="after")
    def _one_time(self) -> PostponeOptions:
        _check_one_time(self.until, self.by)
        return self


class ResolveManyOptions(BulkOptions):
    """The verdict on all of them: whether the messages whose results are unknown were `sent`, and how you know.

    Of a follow-up with several such messages, only that of `channel` is settled; without it, the follow-up is refused.
    """

    sent: bool
    note: Note


class MatchOptions(NoOptions):
    """Whose events to match again: one provider's, or all; `after` is `next` of the response before."""

    provider: str | None = None
    note: Note | None = None
    after: Annotated[str, Field(max_length=MAX_CURSOR_CHARACTERS)] | None = None

    @field_validator("provider")
    @classmethod
    def _check_provider(cls, provider: str | None) -> str | None:
        if provider is not None and provider not in PROVIDERS:
            raise ValueError(f"write one of {', '.join(PROVIDERS)}")
        return provider


class CleanupOptions(OrderOptions):
    """With `dry_run`, rows are only counted."""

    dry_run: bool = False


class CreateKeyOptions(OrderOptions):
    """A new key: what it is for, its scopes, its requests per second, and how long it is valid (null: no expiry)."""

    name: Annotated[Text, AfterValidator(_check_key_name)]
    scopes: Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1, max_length=len(Scope))]
    rate: Annotated[float, Field(gt=0, le=MAX_KEY_RATE, allow_inf_nan=False)] | None = None
    expires: Annotated[Duration, AfterValidator(_check_lifetime)] | None = None


class RotateKeyOptions(OrderOptions):
    """How long the old key stays valid."""

    overlap: Duration = timedelta(hours=1)
