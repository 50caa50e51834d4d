"""Draw the example user of a follow-on as SVG: trigger, the wait in which exceptions cancel, due time, send.

The marks are at equal distances, with the time between them in words, so that seconds and weeks can both be read, on a
phone too. Every text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from zoneinfo import ZoneInfo

from connector.rules.explaining.wording import REASON_TEXTS
from connector.rules.publishing.example_times import ExampleTimes

_WIDTH, _LEFT, _RIGHT, _LINE = 460.0, 66.0, 394.0, 78.0
_MAX_LABEL = 26
_UNITS = (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


@dataclass(frozen=True)
class _Mark:
    at: datetime
    label: str
    kind: str


def draw_example(times: ExampleTimes, zone: str, trigger: str, *, has_exceptions: bool) -> str:
    """Return the SVG of an example, with times in a zone.

    Args:
        trigger: the trigger in plain words.
        has_exceptions: whether something cancels the wait.
    """
    marks = _marks(times, trigger)
    step = (_RIGHT - _LEFT) / max(len(marks) - 1, 1)
    places = [_LEFT + number * step for number in range(len(marks))]
    parts = [f'<line class="ct-rule" x1="{_LEFT:g}" x2="{_RIGHT:g}" y1="{_LINE}" y2="{_LINE}"/>']
    for number in range(len(marks) - 1):
        parts += _span(marks[number], marks[number + 1], places[number], places[number + 1], has_exceptions)
    for mark, x in zip(marks, places, strict=True):
        parts += _mark(mark, x, ZoneInfo(zone))
    title = describe_example(times, zone, trigger)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ct" viewBox="0 0 {_WIDTH:g} 132" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def describe_example(times: ExampleTimes, zone: str, trigger: str) -> str:
    """Return the example as one sentence."""
    begin = f"Somebody {trigger} on {_moment(times.triggered_at, ZoneInfo(zone))}"
    if times.sent_at is None:
        reason = REASON_TEXTS[times.reason] if times.reason else ""
        return f"{begin}; the message is due on {_moment(times.due_at, ZoneInfo(zone))} and is not sent: {reason}."
    held = ""
    if times.sent_at != times.due_at:
        held = f"due on {_moment(times.due_at, ZoneInfo(zone))}, held, and "
    return f"{begin}; the message is {held}sent on {_moment(times.sent_at, ZoneInfo(zone))} ({zone})."


def describe_span(span: timedelta) -> str:
    """Return a time between two marks by its two largest units, like 1 day 3 hours."""
    rest, words = int(span.total_seconds()), []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return " ".join(words[:2]) or "at once"


def _marks(times: ExampleTimes, trigger: str) -> Sequence[_Mark]:
    first = _Mark(times.triggered_at, trigger, "begin")
    if times.sent_at is None:
        return [first, _Mark(times.due_at, "due, not sent", "dropped")]
    if times.sent_at == times.due_at:
        return [first, _Mark(times.sent_at, "due and sent" if times.waits else "sent at once", "sent")]
    return [first, _Mark(times.due_at, "due", "due"), _Mark(times.sent_at, "sent", "sent")]


def _span(one: _Mark, other: _Mark, x1: float, x2: float, has_exceptions: bool) -> list[str]:
    kind = "ct-wait" if one.kind == "begin" else "ct-held"
    middle, width = (x1 + x2) / 2, x2 - x1
    words = describe_span(other.at - one.at) if other.at > one.at else "no wait"
    parts = [
        f'<rect class="{kind}" x="{x1:g}" y="{_LINE - 5}" width="{width:g}" height="10" rx="5"/>',
        _text(middle, _LINE - 14, words if one.kind == "begin" else f"held {words}", "ct-strong"),
    ]
    if has_exceptions and other.at > one.at:
        parts.append(_text(middle, _LINE + 22, "an exception cancels it", "ct-soft"))
    return parts


def _mark(mark: _Mark, x: float, zone: ZoneInfo) -> list[str]:
    local = mark.at.astimezone(zone)
    label = mark.label if len(mark.label) <= _MAX_LABEL else f"{mark.label[: _MAX_LABEL - 1]}…"
    anchor = "start" if x <= _LEFT else "end" if x >= _RIGHT else "middle"
    at = {"start": x - 58, "end": x + 58, "middle": x}[anchor]
    return [
        f'<circle class="ct-{mark.kind}" cx="{x:g}" cy="{_LINE}" r="8"/>',
        _text(at, 30, label, "ct-label", anchor),
        _text(at, _LINE + 38, f"{local:%a %H:%M}" + (f":{local:%S}" if local.second else ""), "ct-strong", anchor),
        _text(at, _LINE + 52, f"{local.day} {local:%b}", "ct-soft", anchor),
    ]


def _moment(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local:%A} {local.day} {local:%B}, {local:%H:%M}"


def _text(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'
