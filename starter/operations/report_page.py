"""The results of a campaign as one HTML file to mail around: no script, nothing from another place, light and dark.

It is made from the JSON views of `read_results` and `read_graph`. Everything that users and marketers wrote is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from starter.operations.report_charts import STYLE as CHART_STYLE
from starter.operations.report_charts import draw_bar, draw_days, draw_interval

View = Mapping[str, Any]
_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1f2328; --soft: #59636e; --rule: #d1d9e0; --fill: #2f6feb;
  --pale: #eef2f7; --good: #1a7f37; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1; --rule: #30363d;
  --fill: #4c8dff; --pale: #151b23; --good: #3fb950; --bad: #f85149; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 17px; margin: 36px 0 10px; }
p { margin: 6px 0; overflow-wrap: anywhere; } .soft { color: var(--soft); } .small { font-size: 13px; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 7em; }
th { font-weight: 600; color: var(--soft); font-size: 13px; } .good { color: var(--good); } .bad { color: var(--bad); }
.bars td:last-child { width: 45%; } svg { display: block; }
"""
_VERDICTS = {
    "more": ("more convert", "good"),
    "less": ("fewer convert", "bad"),
    "undecided": ("no difference shown", ""),
}
_STEPS = {
    "triggered": "triggered",
    "waiting": "waiting now",
    "sent": "sent",
    "opened": "users who opened",
    "clicked": "users who clicked",
}
_UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


def write_report(results: View, graph: View) -> str:
    """Return the page.

    Args:
        results: as `read_results` returns it, with the results by day.
        graph: as `read_graph` returns it, around the campaign.
    """
    node = next(one for one in graph["nodes"] if one["id"] == results["id"])
    title = node["name"] or results["id"]
    parts = [
        *_head(node, title, results),
        *_how_it_works(node, graph["edges"]),
        *_section("Funnel", _funnel(results)),
        *_section("Control group and uplift", _uplift(results)),
        *_section("Variants", _variants(results)),
        *_section("Why nothing was sent", _reasons(results["reasons"])),
        *_section("Per day", _days(results)),
        *_section("How soon exceptions came", _exceptions(results["exceptions_after"])),
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}: results</title>\n<style>{_STYLE}{CHART_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _head(node: View, title: str, results: View) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    since = f", live since {_time(node['live_since'])}" if node["live_since"] else ""
    yield _p(f"{results['id']}: {node['state']}{since}", "soft")
    begin = _time(results["since"]) if results["since"] else "the beginning"
    covered = f"from {begin} to {_time(results['until'] or results['as_of'])}"
    yield _p(f"Results {covered}; days are those of {results['zone']}.", "soft small")


def _how_it_works(node: View, edges: Sequence[View]) -> Iterator[str]:
    own = [edge for edge in edges if edge["to"] == node["id"]]
    starts = [_in_words(edge) for edge in own if edge["role"] == "trigger"] + node["starts_on"]
    ends = [_in_words(edge) for edge in own if edge["role"] == "exception"] + node["cancelled_by"]
    if starts:
        yield _p(f"Starts when a user does this: {' or '.join(starts)}. Sends {node['delay']}.")
    if ends:
        yield _p(f"Cancelled while it waits by: {' or '.join(ends)}.")


def _in_words(edge: View) -> str:
    refinement = f" ({edge['refinement']})" if edge["refinement"] else ""
    return f"{edge['text']} of {edge['from']}{refinement}"


def _funnel(results: View) -> str:
    funnel = results["funnel"]
    rows = [(words, funnel[step]) for step, words in _STEPS.items()]
    rows += [(f"users who converted ({letter})", count) for letter, count in funnel["converted"].items()]
    return _bars(rows) + _p(
        "Triggered, waiting and sent count follow-ups; a user counts once in each of the other steps.", "soft small"
    )


def _uplift(results: View) -> str | None:
    letters = results["receivers"]["uplift"]
    if not letters:
        return None
    rows = []
    for name, group in [("receivers", results["receivers"]), *((_variant(v), v) for v in results["variants"])]:
        for letter, uplift in group["uplift"].items():
            rows.append([_cell(f"{name}, {letter}"), *_uplift_cells(uplift)])
    control = results["control"]
    return _p(f"Control group: {_users(control['enrolled'])}.", "soft") + _table(
        ("", "rate", "control", "difference", "95% interval", "", "which means"), rows
    )


def _uplift_cells(uplift: View | None) -> list[str]:
    if uplift is None:
        return [_cell("-")] * 5 + [_cell("too few users")]
    words, kind = _VERDICTS[uplift["verdict"]]
    return [
        _cell(f"{uplift['rate']:.1%}"),
        _cell(f"{uplift['control_rate']:.1%}"),
        _cell(f"{_points(uplift['difference'])} points"),
        _cell(_interval(uplift)),
        f"<td>{draw_interval(uplift['low'], uplift['high'])}</td>",
        _cell(words, kind),
    ]


def _variants(results: View) -> str | None:
    if not results["variants"]:
        return None
    letters = list(results["receivers"]["converted"])
    head = ("", "sent", "opened", "clicked", *(f"converted ({letter})" for letter in letters))
    rows = [
        [_cell(_variant(one)), *(_cell(f"{one[step]:,}") for step in ("sent", "opened", "clicked"))]
        + [_cell(_with_share(one["converted"][letter], one["sent"])) for letter in letters]
        for one in results["variants"]
    ]
    return _table(head, rows)


def _reasons(reasons: Sequence[View]) -> str | None:
    return _bars([(f"{one['text']} ({one['reason']})", one["count"]) for one in reasons]) if reasons else None


def _days(results: View) -> str | None:
    days = results["days"] or []
    if not any(day["receivers"]["sent"] or day["control"]["enrolled"] for day in days):
        return None
    letters = list(results["receivers"]["converted"])
    compared = [title for letter in letters for title in (f"converted ({letter})", "uplift", "interval")]
    reached = [day for day in reversed(days) if day["receivers"]["sent"] or day["control"]["enrolled"]]
    rows = [row for day in reached for row in _rows_of_day(day, letters)]
    chart = draw_days([(day["day"], day["receivers"]["sent"], day["receivers"]["clicked"]) for day in days])
    note = "Users count for the day on which they were first reached, whatever they did later."
    head = ("day", "users", "opened", "clicked", *compared)
    return chart + _p(note, "soft small") + _table(head, rows)


def _rows_of_day(day: View, letters: Sequence[str]) -> Iterator[list[str]]:
    """Yield a row for the receivers of a day, and one each for its control group and variants that have users."""
    variants = [(_variant(one), one, one["sent"]) for one in day["variants"]]
    groups = [("control group", day["control"], day["control"]["enrolled"]), *variants]
    rows = [(day["day"], day["receivers"], day["receivers"]["sent"]), *(one for one in groups if one[2])]
    for name, group, users in rows:
        yield [
            _cell(name),
            *(_cell(f"{count:,}") for count in (users, group["opened"], group["clicked"])),
            *(cell for letter in letters for cell in _conversion_cells(group, letter, users)),
        ]


def _conversion_cells(group: View, letter: str, users: int) -> list[str]:
    uplift = group.get("uplift", {}).get(letter)
    compared = ("", "") if uplift is None else (_points(uplift["difference"]), _interval(uplift))
    return [_cell(text) for text in (_with_share(group["converted"][letter], users), *compared)]


def _exceptions(waits: View) -> str | None:
    if not waits["count"]:
        return None
    rows = [[_cell(f"{name[1:]} %"), _cell(_duration(waits[name]))] for name in waits if name != "count"]
    note = f"From the trigger to the exception, of the newest {waits['count']:,}: choose the delay by it."
    return _p(note, "soft small") + _table(("share", "within"), rows)


def _section(title: str, content: str | None) -> list[str]:
    return [] if content is None else [f"<h2>{escape(title)}</h2>", content]


def _bars(rows: Sequence[tuple[str, int]]) -> str:
    most = max((count for _, count in rows), default=0)
    cells = [[_cell(name), _cell(f"{count:,}"), f"<td>{draw_bar(count, most)}</td>"] for name, count in rows]
    return _table(("", "", ""), cells, "bars")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    shown = f"<thead><tr>{titles}</tr></thead>" if any(head) else ""
    body = "".join(f"<tr>{''.join(row)}</tr>\n" for row in rows)
    return f'<div class="wide"><table class="{kind}">{shown}<tbody>{body}</tbody></table></div>'


def _cell(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{escape(text)}</td>'


def _p(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{escape(text)}</p>'


def _variant(group: View) -> str:
    return f"variant {group['variant']}" if group["variant"] is not None else "without a variant"


def _points(difference: float) -> str:
    """Return a difference of rates in percentage points, without a sign before zero."""
    text = f"{difference * 100:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def _interval(uplift: View) -> str:
    return f"{_points(uplift['low'])} to {_points(uplift['high'])}"


def _time(instant: str) -> str:
    """Return an instant of a JSON view for people: to the minute, in UTC."""
    return f"{instant[:10]} {instant[11:16]} UTC"


def _users(count: int) -> str:
    return f"{count:,} {'user' if count == 1 else 'users'}"


def _with_share(count: int, of: int) -> str:
    return f"{count:,} ({count / of:.1%})" if of else f"{count:,}"


def _duration(seconds: float) -> str:
    size, unit = next((one for one in _UNITS if seconds >= 2 * one[0]), _UNITS[-1])
    return f"{seconds / size:.3g} {unit}"
