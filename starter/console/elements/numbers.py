"""Numbers, shares and durations in words for people."""

from __future__ import annotations

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def count_of(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: "1 user", "2,300 users"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def share_of(part: int, whole: int) -> str:
    """Return a part in per cent: "12.5%"; nothing of nothing is empty."""
    return f"{100 * part / whole:.1f}%" if whole else ""


def as_points(difference: float) -> str:
    """Return the difference of two rates in points, with its sign: "+2.6"."""
    return f"{100 * difference:+.1f}".replace("-", "\N{MINUS SIGN}")


def duration_of(seconds: float) -> str:
    """Return a duration in its two largest units: "1 day 3 hours"."""
    parts: list[str] = []
    rest = round(seconds)
    for unit, size in _UNITS:
        number, rest = divmod(rest, size)
        if number and len(parts) < 2:
            parts.append(count_of(number, unit))
    return " ".join(parts) or "0 seconds"
