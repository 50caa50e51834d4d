"""`connector status`: what is live, how follow-ups ended, and the results of one campaign."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from connector.rules.explaining.wording import WAYS_OUT
from connector.rules.model.reasons import State
from starter.commands.calls import run_operation
from starter.commands.options import DataOption, JsonOption
from starter.operations.overview import read_overview
from starter.operations.results import RESULT_STEPS
from starter.operations.status import read_campaign_status, read_status
from starter.terminal import format_table, print_json, print_lines, print_result

_OUTCOMES = {
    "waiting": {"waiting", "held", "sending"},
    "sent": {"sent"},
    "control": {"control"},
    "excepted": {"excepted"},
    "dropped": {"dropped"},
    "failed": {"failed"},
    "refused": {"refused"},
}
"""The columns that count follow-ups of follow-ons and of launches, each with its states."""
_VERDICTS = {"more": "more than control", "less": "less than control", "undecided": "no difference shown"}


def status(
    campaign: Annotated[str | None, typer.Argument(help="The id of a campaign or card. By default all.")] = None,
    attention: Annotated[
        bool, typer.Option("--attention", help="Only what needs a hand, of all campaigns: overdue, failed, unknown.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is live since when, and how many follow-ups wait, were sent, or were not sent and why.

    For one campaign, also show its results: how many users were enrolled, sent, opened, clicked and converted, by
    control group and variant, and the uplift over the control group with its confidence interval.

    With --attention, list what needs a hand: overdue, failed and unknown follow-ups, follow-ons that can never trigger,
    and drafts whose publication alone would miss a launch.

    Examples:

      connector status

      connector status cart-reminder --json

      connector status --attention
    """
    if attention:
        if campaign is not None:
            raise typer.BadParameter("--attention is about all campaigns; leave out the id")
        return _print_attention(run_operation(data, read_overview), as_json)
    if campaign is None:
        _print_all(run_operation(data, read_status), as_json)
    else:
        _print_one(run_operation(data, read_campaign_status, campaign), as_json)
    return None


def _print_attention(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(shown)
    for one in shown["attention"]:
        print_result(f"{one['kind']}: {one['text']}")
    if shown["more_attention"]:
        print_result(f"and {shown['more_attention']} more")
    return None if shown["attention"] else print_result("nothing needs a hand")


def _print_all(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(shown)
    views = shown["campaigns"]
    if not views:
        return print_result("nothing has been applied yet; begin with `connector apply PATH`")
    header = ("id", "kind", "state", "live", "newest", *_OUTCOMES)
    print_lines(format_table(header, [_row(view) for view in views]))
    _print_failed(views)
    return _print_retried(shown["retried"])


def _row(view: dict[str, Any]) -> tuple[object, ...]:
    counts = (_sum_of(view, states) for states in _OUTCOMES.values())
    return view["id"], view["kind"], view["state"], view["live_revision"], view["newest_revision"], *counts


def _print_retried(retried: Sequence[dict[str, Any]]) -> None:
    """Print which messages are due and tried again, and the last fault of their provider."""
    for one in retried:
        messages = f"{one['count']} message{'' if one['count'] == 1 else 's'}"
        due = f"due for up to {one['due_for']}, tried again; last: {one['fault']}"
        print_result(f"{one['campaign']}, {one['channel']}: {messages} {due}")


def _print_failed(views: Sequence[dict[str, Any]]) -> None:
    """Print how many follow-ups failed, by reason, and the way out."""
    for view in views:
        for count in view["follow_ups"]:
            if count["state"] == State.FAILED and count["reason"] in WAYS_OUT:
                listed = f"connector follow-ups --campaign {view['id']} --state failed --reason {count['reason']}"
                way_out = WAYS_OUT[count["reason"]].format(id="ID")
                print_result(f"{view['id']}: {count['count']} {count['reason']}: `{listed}` lists them; {way_out}")


def _sum_of(view: dict[str, Any], states: set[str]) -> int:
    return sum(count["count"] for count in view["follow_ups"] if count["state"] in states)


def _print_one(view: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(view)
    print_result(f"{view['kind']} {view['id']}: {view['state']}")
    print_result(f"live revision: {view['live_revision'] or '-'} (since {view['effective_at'] or '-'})")
    print_result(f"newest revision: {view['newest_revision']}")
    for window in view["windows"]:
        print_result(f"was live from {window['opened_at']} to {window['closed_at'] or 'now'}")
    if view["follow_ups"]:
        rows = [(count["state"], count["reason"], count["count"]) for count in view["follow_ups"]]
        print_lines("\n" + format_table(("state", "reason", "count"), rows))
    _print_failed([view])
    _print_retried(view["retried"])
    if view["template_faults"]:
        faults = [(one["fault"], one["count"]) for one in view["template_faults"]]
        print_lines("\n" + format_table(("template that failed", "count"), faults))
    print_lines("\n" + _format_results(view["results"]))
    return None


def _format_results(results: dict[str, Any]) -> str:
    """Return the results as tables, or a line if no user was reached yet."""
    groups = list(_groups(results))
    if not any(group["enrolled"] or group["sent"] or group["opened"] or group["clicked"] for _, group in groups):
        return "no user was reached yet"
    letters = list(results["receivers"]["uplift"])
    steps = (step.replace("_", " ") for step in RESULT_STEPS)
    header = ("users", *steps, *(f"converted {letter}" for letter in letters))
    rows = [(name, *(group[step] for step in RESULT_STEPS), *_conversions(group, letters)) for name, group in groups]
    uplifts = [row for name, group in groups[1:] for row in _uplift_rows(name, group)]
    if not uplifts:
        return format_table(header, rows)
    percent = round(results["confidence"] * 100)
    uplift_header = (f"uplift over control ({percent}%)", "conversion", "points", "interval", "relative", "which is")
    return format_table(header, rows) + "\n\n" + format_table(uplift_header, uplifts)


def _groups(results: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "control group", results["control"]
    yield "receivers", results["receivers"]
    for group in results["variants"]:
        yield f"  variant {group['variant']}" if group["variant"] is not None else "  without a variant", group


def _conversions(group: dict[str, Any], letters: Sequence[str]) -> Iterator[str]:
    users = group["enrolled"] or group["sent"]
    for letter in letters:
        converted = group["converted"][letter]
        yield f"{converted} ({converted / users:.1%})" if users else str(converted)


def _uplift_rows(name: str, group: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for letter, uplift in group["uplift"].items():
        if uplift is None:
            yield name, letter, "-", "-", "-", "too few users"
            continue
        relative = "-" if uplift["relative"] is None else f"{uplift['relative']:+.1%}"
        interval = f"{uplift['low'] * 100:+.1f} to {uplift['high'] * 100:+.1f}"
        yield name, letter, f"{uplift['difference'] * 100:+.1f}", interval, relative, _VERDICTS[uplift["verdict"]]
