"""The small drawings of a report, in SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

STYLE = """
.b { fill: var(--fill); } .back { fill: var(--pale); } .axis { stroke: var(--rule); } .hi { fill: var(--good); }
.zero { stroke: var(--ink); }
.range { stroke: var(--fill); stroke-width: 6; stroke-linecap: round; } .t { fill: var(--soft); font-size: 11px; }
"""
_WIDTH, _HEIGHT, _BOTTOM = 820.0, 150.0, 20.0
_INTERVAL_WIDTH = 120.0


def draw_bar(count: int, most: int) -> str:
    """Return a bar as long as its share of the longest one."""
    share = 100 * count / most if most else 0
    return (
        '<svg width="100%" height="12" aria-hidden="true"><rect class="back" width="100%" height="12" rx="3"/>'
        f'<rect class="b" width="{share:.2f}%" height="12" rx="3"/></svg>'
    )


def draw_interval(low: float, high: float) -> str:
    """Return the interval of a difference of rates around zero, the line in the middle."""
    reach = max(abs(low), abs(high), 0.0001)
    middle, scale = _INTERVAL_WIDTH / 2, (_INTERVAL_WIDTH / 2 - 6) / reach
    return (
        f'<svg width="{_INTERVAL_WIDTH:g}" height="16" aria-hidden="true">'
        f'<line class="range" x1="{middle + low * scale:.1f}" x2="{middle + high * scale:.1f}" y1="8" y2="8"/>'
        f'<line class="zero" x1="{middle:g}" x2="{middle:g}" y1="0" y2="16"/></svg>'
    )


def draw_days(days: Sequence[tuple[str, int, int]]) -> str:
    """Return columns by day: how many users were sent to, and within that how many of them clicked."""
    most = max((sent for _, sent, _ in days), default=0) or 1
    step = _WIDTH / len(days)
    width = max(step * 0.7, 1.0)
    parts = []
    for number, (day, sent, clicked) in enumerate(days):
        x = number * step + (step - width) / 2
        parts.append(f"<g><title>{escape(day)}: {sent:,} sent, {clicked:,} clicked</title>")
        parts += [_column(x, width, value / most, kind) for value, kind in ((sent, "b"), (clicked, "hi")) if value]
        parts.append("</g>")
    base = _HEIGHT - _BOTTOM
    parts.append(f'<line class="axis" x1="0" x2="{_WIDTH:g}" y1="{base:g}" y2="{base:g}"/>')
    parts.append(f'<text class="t" x="0" y="{_HEIGHT - 5:g}">{escape(days[0][0])}</text>')
    if len(days) > 1:
        parts.append(
            f'<text class="t" x="{_WIDTH:g}" y="{_HEIGHT - 5:g}" text-anchor="end">{escape(days[-1][0])}</text>'
        )
    label = f"Sent per day, at most {most:,}; the part in green clicked"
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="100%" role="img" aria-label="{label}">'
        + "".join(parts)
        + f'</svg><p class="soft small">{label}.</p>'
    )


def _column(x: float, width: float, share: float, kind: str) -> str:
    height = max(share * (_HEIGHT - _BOTTOM - 8), 1.0)
    top = _HEIGHT - _BOTTOM - height
    return f'<rect class="{kind}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"/>'
