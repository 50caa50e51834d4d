"""`connector status`: what is live, what came of the follow-ups, and of how many users each step is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.errors import ConnectorError
from connector.store.reporting.overview import Count, count_follow_ups
from starter.commands.options import DataOption, JsonOption
from starter.commands.session import run, session
from starter.operations import results as results_view
from starter.operations.catalogue import view
from starter.terminal import print_json, print_result, table


class Unknown(ConnectorError):
    """No campaign or card has that id."""


def status(
    campaign: Annotated[str | None, typer.Argument(help="One campaign or card; all of them where left out.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is live since when, and how many follow-ups wait, were sent, or were not and why.

    Of one campaign also its results: how many users were enrolled in the control group, sent, opened, clicked and
    converted, by variant, and the uplift over the control group with its confidence interval.

    Examples:

      connector status

      connector status cart-reminder --json
    """
    if campaign is None:
        _show_all(*run(_look_at_all(data)), as_json)
    else:
        _show_one(run(_look_at_one(data, campaign)), as_json)


async def _look_at_all(data: Path | None) -> tuple[Catalogue, list[Count]]:
    async with session(data) as context:
        catalogue = await context.cache.at_least(context.database)
        async with context.database.read(context.workspace) as tx:
            return catalogue, await count_follow_ups(tx)


async def _look_at_one(data: Path | None, campaign: str) -> dict[str, Any]:
    async with session(data) as context:
        entry = (await context.cache.at_least(context.database)).entries.get(campaign)
        if entry is None:
            raise Unknown(f"{campaign} is not known; apply its definition first")
        async with context.database.read(context.workspace) as tx:
            counts = await count_follow_ups(tx, campaign)
        return {**_with_counts(entry, counts), "results": await results_view.load_results(context, entry)}


def _with_counts(entry: Entry, counts: Sequence[Count]) -> dict[str, Any]:
    own = [count for count in counts if count.campaign == entry.id]
    shown = [{"state": count.state, "reason": count.reason, "count": count.count} for count in own]
    return {**view(entry), "follow_ups": shown}


def _show_all(catalogue: Catalogue, counts: Sequence[Count], as_json: bool) -> None:
    shown = [_with_counts(catalogue.entries[name], counts) for name in sorted(catalogue.entries)]
    if as_json:
        return print_json({"version": catalogue.version, "campaigns": shown})
    if not shown:
        return print_result("nothing has been applied yet; begin with `connector apply PATH`")
    header = ("id", "kind", "state", "live", "newest", "waiting", "sent", "not sent", "refused")
    return print_result(table(header, [_row(one) for one in shown]))


def _row(shown: dict[str, Any]) -> tuple[object, ...]:
    waiting, sent, refused = (_sum(shown, states) for states in ({"waiting", "held", "sending"}, {"sent"}, {"refused"}))
    others = _sum(shown, {"excepted", "dropped", "control", "failed"})
    live, newest = shown["live_revision"], shown["newest_revision"]
    return shown["id"], shown["kind"], shown["state"], live, newest, waiting, sent, others, refused


def _sum(shown: dict[str, Any], states: set[str]) -> int:
    return sum(count["count"] for count in shown["follow_ups"] if count["state"] in states)


def _show_one(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(shown)
    print_result(f"{shown['kind']} {shown['id']}: {shown['state']}")
    print_result(f"live revision: {shown['live_revision'] or '-'} (since {shown['effective_at'] or '-'})")
    print_result(f"newest revision: {shown['newest_revision']}")
    for window in shown["windows"]:
        print_result(f"was live from {window['opened_at']} to {window['closed_at'] or 'now'}")
    if shown["follow_ups"]:
        rows = [(count["state"], count["reason"], count["count"]) for count in shown["follow_ups"]]
        print_result("\n" + table(("state", "reason", "count"), rows))
    print_result("\n" + results_view.text(shown["results"]))
    return None
