"""Draw a small simulation in SVG, for light and dark screens: one lane per user and follow-on.

Interactions are dots, waits are bars, ends are marks with their outcomes, and orders are vertical lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from connector.rules.model.errors import ConnectorError
from connector.simulation.picture_layout import Axis, Lane, axis_over, instants_of, lanes_of
from connector.simulation.timeline import ORDER_KINDS, TimelineStep

MAX_LANES = 40
_WIDTH, _LEFT, _RIGHT = 960.0, 170.0, 930.0
_ROW_HEIGHT, _LANE_GAP, _CHARACTER_WIDTH = 15.0, 14.0, 6.1
_CLASS_OF_STATE = {
    "sent": "sent",
    "excepted": "ended",
    "control": "ended",
    "waiting": "open",
    "held": "open",
    "noted": "open",
}
_ORDER_LABELS = {
    "publish": "published",
    "stop": "stopped",
    "resume": "resumed",
    "archive": "archived",
    "apply": "edited",
}
_STYLE = """
svg { --paper: #ffffff; --ink: #24292f; --soft: #6e7781; --rule: #d0d7de; --wait: #9ec5f2; --sent: #1a7f37;
  --ended: #bc4c00; --dropped: #a40e26; --open: #6e7781; font: 11px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1; --rule: #30363d;
  --wait: #1f4f86; --sent: #3fb950; --ended: #f0883e; --dropped: #ff7b72; --open: #9198a1; } }
text { fill: var(--ink); stroke: var(--paper); stroke-width: 3px; paint-order: stroke; }
.soft { fill: var(--soft); } .who { font-weight: 600; }
.paper { fill: var(--paper); } .rule { stroke: var(--rule); } .order { stroke: var(--soft); stroke-dasharray: 2 3; }
.wait { fill: var(--wait); } .hold { fill: var(--wait); opacity: .45; } .rest { stroke: var(--wait); stroke-width: 2;
  stroke-dasharray: 4 4; } .dot { fill: var(--ink); stroke: var(--paper); stroke-width: 1.5; }
.sent { fill: var(--sent); } .ended { fill: var(--ended); } .dropped { fill: var(--dropped); }
.open { fill: var(--open); }
"""


class NotDrawable(ConnectorError):
    """There are more lanes than a picture can show, or none."""


def draw(steps: Iterable[TimelineStep], outcomes: Sequence[Mapping[str, Any]]) -> str:
    """Return the picture of one run.

    Args:
        steps: the timeline that was played.
        outcomes: the output of `simulate`, by the keys of the contract.

    Raises:
        NotDrawable: there are more than 40 lanes, or none.
    """
    played = list(steps)
    orders = [step for step in played if step.kind in _ORDER_LABELS]
    return draw_lanes(lanes_of(played, outcomes), orders, "Outcomes of a timeline in connector simulate")


def draw_lanes(lanes: Sequence[Lane], orders: Sequence[TimelineStep], title: str) -> str:
    """Return the picture of lanes, with orders as vertical lines.

    Raises:
        NotDrawable: there are more than 40 lanes, or none.
    """
    if not 0 < len(lanes) <= MAX_LANES:
        raise NotDrawable(f"a picture shows 1 to {MAX_LANES} follow-ons and users; here are {len(lanes)}")
    axis = axis_over(instants_of(lanes), (step.at for step in orders), _LEFT, _RIGHT)
    labels, top = _order_labels(orders, axis)
    parts, bottom = [], top
    for lane in lanes:
        drawn, height = _lane(lane, axis, bottom)
        parts += drawn
        bottom += height
    stage = [*_order_lines(orders, axis, top, bottom), *_ruler(axis, bottom)]
    return _page([*stage, *labels, *parts], bottom + 34, title)


def _order_labels(orders: Sequence[TimelineStep], axis: Axis) -> tuple[list[str], float]:
    """Return the labels of the vertical lines, above the lanes, and the bottom of the labels."""
    rows, parts = _LabelRows(), []
    for at in dict.fromkeys(step.at for step in orders):
        text = ", ".join(f"{_names(step)} {_ORDER_LABELS[step.kind]}" for step in orders if step.at == at)
        text += f" {axis.format(at)}" if at >= axis.begin else f" before: {at:%Y-%m-%d %H:%M}"
        x, anchor, row = rows.place(axis.x(at), text, axis)
        parts.append(_text(x, 16 + row * _ROW_HEIGHT, text, "soft", anchor))
    return parts, 16 + rows.count * _ROW_HEIGHT


def _order_lines(orders: Sequence[TimelineStep], axis: Axis, top: float, bottom: float) -> list[str]:
    return [
        f'<line class="order" x1="{x}" x2="{x}" y1="{top - _ROW_HEIGHT + 4:.1f}" y2="{bottom:.1f}"/>'
        for x in dict.fromkeys(axis.x(step.at) for step in orders)
    ]


def _names(step: TimelineStep) -> str:
    return ", ".join(step.value) if step.kind in ORDER_KINDS else str(getattr(step.value, "id", "the workspace"))


def _lane(lane: Lane, axis: Axis, top: float) -> tuple[list[str], float]:
    above, below = _LabelRows(), _LabelRows()
    dots = [(dot, *above.place(axis.x(dot.t), dot.label, axis)) for dot in lane.dots]
    y = top + _LANE_GAP + above.count * _ROW_HEIGHT
    parts = [
        f'<line class="rule" x1="{_LEFT}" x2="{_RIGHT}" y1="{y}" y2="{y}"/>',
        _text(12, y - 3 if lane.follow_on else y + 4, lane.user, "who"),
        *([_text(12, y + 11, lane.follow_on, "soft")] if lane.follow_on else []),
    ]
    for outcome in lane.outcomes:
        parts += _wait(outcome, axis, y)
    for outcome in lane.outcomes:
        parts += _end(outcome, axis, y, below)
    for dot, x, anchor, row in dots:
        parts.append(f'<circle class="dot" cx="{axis.x(dot.t)}" cy="{y}" r="4"/>')
        parts.append(_text(x, y - 10 - row * _ROW_HEIGHT, dot.label, "", anchor))
    return parts, _LANE_GAP + (above.count + max(below.count, 1)) * _ROW_HEIGHT + 12


def _wait(outcome: Mapping[str, Any], axis: Axis, y: float) -> list[str]:
    """Return the bar from trigger to end: lighter after the due time, dashed up to a due time that is not reached."""
    if outcome["due_at"] is None or outcome["state"] == "noted":
        return []
    begin, due = (
        axis.x(datetime.fromisoformat(outcome["triggered_at"])),
        axis.x(datetime.fromisoformat(outcome["due_at"])),
    )
    end = axis.right if outcome["decided_at"] is None else axis.x(datetime.fromisoformat(outcome["decided_at"]))
    until = min(due, end)
    parts = [f'<rect class="wait" x="{begin}" y="{y - 4}" width="{until - begin:.1f}" height="8" rx="2"/>']
    if due < end:
        parts.append(f'<rect class="hold" x="{due}" y="{y - 4}" width="{end - due:.1f}" height="8" rx="2"/>')
    if end < due:
        parts.append(f'<line class="rest" x1="{end}" x2="{due}" y1="{y}" y2="{y}"/>')
    return parts


def _end(outcome: Mapping[str, Any], axis: Axis, y: float, rows: _LabelRows) -> list[str]:
    """Return the mark of an end and its label."""
    decided = outcome["decided_at"]
    at = axis.right if decided is None else axis.x(datetime.fromisoformat(decided))
    reason = outcome["reason"] if outcome["state"] not in ("excepted", "control") else None
    when = "" if decided is None else f" {axis.format(datetime.fromisoformat(decided))}"
    text = f"{outcome['state']}{when}{f': {reason}' if reason else ''}"
    x, anchor, row = rows.place(at, text, axis)
    kind = _CLASS_OF_STATE.get(outcome["state"], "dropped")
    mark = f'<rect class="{kind}" x="{at - 6:g}" y="{y - 6}" width="12" height="12" rx="{6 if kind == "sent" else 1}"/>'
    return [mark, _text(x, y + 18 + row * _ROW_HEIGHT, text, kind, anchor)]


class _LabelRows:
    """Rows of labels that do not overlap."""

    def __init__(self) -> None:
        self._rows: list[list[tuple[float, float]]] = []

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def place(self, x: float, text: str, axis: Axis) -> tuple[float, str, int]:
        """Place a label near `x`; returns its x, its anchor and its row."""
        width = len(text) * _CHARACTER_WIDTH
        begin = min(max(x - width / 2, axis.left), _WIDTH - 8 - width)
        anchor = "middle" if begin == x - width / 2 else "start" if begin == axis.left else "end"
        span = (begin - 6, begin + width + 6)
        free = (n for n, row in enumerate(self._rows) if all(span[1] <= a or b <= span[0] for a, b in row))
        row = next(free, len(self._rows))
        self._rows += [[]] if row == len(self._rows) else []
        self._rows[row].append(span)
        return {"middle": x, "start": axis.left, "end": _WIDTH - 8}[anchor], anchor, row


def _ruler(axis: Axis, y: float) -> list[str]:
    parts = [f'<line class="rule" x1="{_LEFT}" x2="{_RIGHT}" y1="{y}" y2="{y}"/>', _text(12, y + 18, "UTC", "soft")]
    for x, text in axis.ticks():
        parts.append(f'<line class="rule" x1="{x}" x2="{x}" y1="{y}" y2="{y + 5}"/>')
        parts.append(_text(x, y + 18, text, "soft", "middle"))
    return parts


def _page(parts: Sequence[str], height: float, title: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" width="{_WIDTH:g}" role="img">'
    name = f"<title>{_escape(title)}</title>"
    paper = f'<rect class="paper" width="{_WIDTH:g}" height="{height:g}"/>'
    return "\n".join([head, name, f"<style>{_STYLE}</style>", paper, *parts, "</svg>", ""])


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{_escape(text)}</text>'


def _escape(text: str) -> str:
    """Return text that is safe in SVG: without markup, and without the control characters that XML does not allow."""
    return escape("".join(character if character.isprintable() else "·" for character in text))
