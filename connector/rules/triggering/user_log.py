"""The part of a user's log that was loaded for an evaluation. What turns out to be missing is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connector.rules.model.interactions import LogEntry
from connector.rules.targeting.matching import LoggedType


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
