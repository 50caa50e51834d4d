"""Compare the time of an interaction with an instant: a time in whole seconds means that second (M8).

Reports often cut a time to the second, and this system's own instants (publications, dispatches) have a fraction.
Everything that compares the two uses these functions. The order in which items are applied is that of their times as
given, and so are due times.
"""

from __future__ import annotations

from datetime import datetime


def is_before(t: datetime, instant: datetime) -> bool:
    """Return whether an interaction's time `t` is before an instant (UTC).

    A `t` in whole seconds is not before an instant that has a fraction of the same second. Otherwise both compare as
    they are.
    """
    return t < _as_reported_by(t, instant)


def is_at(t: datetime, instant: datetime) -> bool:
    """Return whether `t` is exactly the instant, or, in whole seconds, the second that the instant is in (UTC)."""
    return t == _as_reported_by(t, instant)


def is_unordered(t: datetime, other: datetime) -> bool:
    """Return whether neither of two interactions' times is before the other; their order of arrival does not decide."""
    return is_at(t, other) or is_at(other, t)


def start_of_second(instant: datetime) -> datetime:
    """Return the earliest time that an interaction can have, and not be before the instant."""
    return instant.replace(microsecond=0) if instant.microsecond else instant


def end_of_second(t: datetime) -> datetime:
    """Return the latest instant that an interaction's time is not before."""
    return t if t.microsecond else t.replace(microsecond=999_999)


def _as_reported_by(t: datetime, instant: datetime) -> datetime:
    """Return the instant as a report with the precision of `t` would give it."""
    return instant if t.microsecond else start_of_second(instant)
