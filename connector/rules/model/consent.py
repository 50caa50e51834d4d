"""Consent to a channel: what was stated, by whom and when, and which of two statements holds (W1).

A statement with a time is explicit: the latest one holds, in whatever order they arrive. A profile states without a
time, again and again, from a system that may not have heard of an opt-out: its `unsubscribed` always applies, its
`subscribed` never replaces an explicit opt-out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from connector.rules.model.validation import describe_problem
from connector.rules.model.values import Definition, Instant

Consent = Literal["subscribed", "unsubscribed"]

EFFECTIVE_AT = "effective_at"
"""The key beside the channels that gives all of them their time."""


class ConsentSource(StrEnum):
    """Who stated it: the user by a link of ours; a provider for the user; a service or an operator with the time of the
    user's statement; or a profile, without one."""

    USER = "user"
    PROVIDER = "provider"
    SERVICE = "service"
    OPERATOR = "operator"
    PROFILE = "profile"


@dataclass(frozen=True)
class ConsentStatement:
    """One statement on one channel.

    Args:
        at: when it was made, UTC. A profile's `unsubscribed` was made when it arrived; its `subscribed` has no time.
    """

    state: Consent
    source: ConsentSource
    at: datetime | None

    @property
    def is_explicit(self) -> bool:
        """Whether it was made with its time."""
        return self.source is not ConsentSource.PROFILE


ConsentStatements = Mapping[str, ConsentStatement]
"""The statement that holds, by channel."""


class StatedConsent(Definition):
    """Consent as a service reports it, with the time of the user's statement; without `effective_at`, a profile's."""

    state: Consent
    effective_at: Instant | None = None


_STATED = TypeAdapter(StatedConsent)
_TIME: TypeAdapter[datetime | None] = TypeAdapter(Instant | None)


def choose_statement(current: ConsentStatement | None, new: ConsentStatement) -> ConsentStatement:
    """Return which of two statements on a channel holds: the one that held until now, or a new one.

    Of two explicit ones at the same instant the new one holds: some providers report whole seconds, in order.
    """
    if current is None:
        return new
    if new.is_explicit:
        return new if current.at is None or (new.at is not None and new.at >= current.at) else current
    is_opt_out = new.state == "unsubscribed" and current.state != new.state
    return new if is_opt_out or (not current.is_explicit and current.state != new.state) else current


def merge_statements(current: ConsentStatements, new: ConsentStatements) -> dict[str, ConsentStatement]:
    """Return what holds on each channel after new statements."""
    chosen = {channel: choose_statement(current.get(channel), statement) for channel, statement in new.items()}
    return {**current, **chosen}


@dataclass(frozen=True)
class ConsentChange:
    """A channel whose state of consent changed.

    Args:
        old: the state before; None: nothing was stated.
        new: the statement that holds from then on.
    """

    channel: str
    old: Consent | None
    new: ConsentStatement


def find_changes(before: ConsentStatements, after: ConsentStatements) -> list[ConsentChange]:
    """Return the channels whose state differs, sorted; a statement that repeats the state changes nothing."""
    held = {channel: one.state for channel, one in before.items()}
    return [
        ConsentChange(channel, held.get(channel), new)
        for channel, new in sorted(after.items())
        if held.get(channel) != new.state
    ]


def read_statements(consent: Mapping[Any, Any], now: datetime, source: ConsentSource) -> dict[str, ConsentStatement]:
    """Return the statements of a well-formed `consent` of the wire (`plain_consent` checks it).

    Args:
        now: when it arrived, UTC; a statement in the future was made now (M7).
        source: of the statements with a time; all others are a profile's.
    """
    shared = _TIME.validate_python(consent.get(EFFECTIVE_AT))
    statements = {}
    for channel, value in consent.items():
        if channel == EFFECTIVE_AT:
            continue
        stated = _STATED.validate_python({"state": value} if isinstance(value, str) else value)
        statements[channel] = _statement(stated.state, stated.effective_at or shared, now, source)
    return statements


def plain_consent(consent: Any) -> Any:
    """Return a `consent` of the wire with the bare state of each channel; return a value that is no object unchanged.

    Raises:
        ValueError: what is wrong with the statement or the time of which channel.
    """
    if not isinstance(consent, Mapping):
        return consent
    try:
        if EFFECTIVE_AT in consent:
            _TIME.validate_python(consent[EFFECTIVE_AT])
        return {channel: _plain(value) for channel, value in consent.items() if channel != EFFECTIVE_AT}
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or EFFECTIVE_AT
        raise ValueError(f"{where}: {describe_problem(fault)}") from None


def _plain(value: Any) -> Any:
    return _STATED.validate_python(value).state if isinstance(value, Mapping) else value


def _statement(state: Consent, at: datetime | None, now: datetime, source: ConsentSource) -> ConsentStatement:
    if at is not None:
        return ConsentStatement(state, source, min(at.astimezone(UTC), now))
    return ConsentStatement(state, ConsentSource.PROFILE, now if state == "unsubscribed" else None)
