"""The parts of a user's log that an evaluation needs, and those that were loaded for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connector.rules.model.conditions import Condition
from connector.rules.model.interactions import LogEntry
from connector.rules.model.times import is_before
from connector.rules.targeting.matching import LoggedType, matches


class LogIncomplete(Exception):
    """The evaluation needs more of the user's log; nothing was decided.

    Args:
        since: of which types, and from when on (UTC).
    """

    def __init__(self, since: Mapping[LoggedType, datetime]) -> None:
        super().__init__(f"{len(since)} types of items are missing")
        self.since = since


@dataclass(frozen=True)
class Span:
    """A time [since, until], UTC, in which all items of a type were loaded; `until` is None if no later one exists."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class UserLog:
    """Items of one user's log, and by type the spans in which they are all that there are.

    Args:
        spans: None: `entries` are the whole log.
    """

    entries: Sequence[LogEntry] = ()
    spans: Mapping[LoggedType, Sequence[Span]] | None = field(default_factory=dict)

    def require(self, types: Iterable[LoggedType], since: datetime, until: datetime | None) -> None:
        """Raise LogIncomplete unless all items of these types with t in [since, until] are here; None: to the end."""
        if self.spans is None:
            return
        missing = {type: at for type in types if (at := self._missing_from(type, since, until)) is not None}
        if missing:
            raise LogIncomplete(missing)

    def _missing_from(self, type: LoggedType, since: datetime, until: datetime | None) -> datetime | None:
        """Return from when on items of the type may be missing in [since, until]; None if none are."""
        reached, is_reached = since, False
        for span in sorted((self.spans or {}).get(type, ()), key=lambda span: span.since):
            if span.since > reached or (span.until is not None and span.until < reached):
                continue
            if span.until is None or (until is not None and span.until >= until):
                return None
            reached, is_reached = span.until, True
        return None if is_reached and until is not None and reached >= until else reached

    def with_part(self, part: UserLog) -> UserLog:
        """Return the log with another part of it, which was loaded later."""
        entries = {logged.id: logged for logged in (*self.entries, *part.entries)}
        spans = {type: list(spans) for type, spans in (self.spans or {}).items()}
        for type, more in (part.spans or {}).items():
            spans.setdefault(type, []).extend(more)
        return UserLog(list(entries.values()), spans)


@dataclass(frozen=True)
class LogNeeds:
    """The parts of a user's log with which an evaluation begins. It may find that it needs more: see LogIncomplete.

    Args:
        replayed: the types of items that bear on a replay, each from when on (UTC).
        history: the types of items on which audiences depend, each from when on; None: all.
        overtaken: the follow-ons of which the triggers that in event order waited at `first` must be known, although
            they were refused as `superseded`.
        first: the time of the earliest late item, UTC; None if nothing is replayed.
    """

    replayed: Mapping[LoggedType, datetime]
    history: Mapping[LoggedType, datetime | None]
    overtaken: frozenset[str] = frozenset()
    first: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.replayed or self.history)


class LoggedHistory:
    """A user's log as the history that audiences depend on."""

    def __init__(self, log: Sequence[LogEntry]) -> None:
        self._log = log

    def has_match(self, condition: Condition, since: datetime | None, before: datetime) -> bool:
        """Return whether an item with t in [since, before) matches the condition."""
        return any(
            is_before(logged.t, before)
            and (since is None or not is_before(logged.t, since))
            and matches(logged.item, condition)
            for logged in self._log
        )
