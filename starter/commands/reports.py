"""`connector reports`: lists provider events that match no delivery, and matches them again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from connector.rules.provider_events.events import PROVIDERS
from starter.commands.calls import next_page, open_calls
from starter.commands.options import DataOption, JsonOption, ReasonOption, check_reason
from starter.commands.store_session import run
from starter.operations.provider_events import MAX_PAGE, list_provider_events, match_provider_events
from starter.terminal import format_table, print_json, print_lines, print_note, print_result

_NUMBERS = ("led_back", "dropped", "left")

ProviderOption = Annotated[str | None, typer.Option(help=f"Only this provider: {', '.join(PROVIDERS)}.")]
RetryOption = Annotated[bool, typer.Option("--retry", help="Match the events again, after what was missing was added.")]
LimitOption = Annotated[int, typer.Option(min=1, max=10_000, help="How many events to list, the newest first.")]


def reports(
    provider: ProviderOption = None,
    retry: RetryOption = False,
    limit: LimitOption = 100,
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List events from providers that match no campaign and user, with the reason; recipients are not shown.

    With --retry, match them again: a campaign may have been applied since, or a user reported. Events that still match
    nothing are kept.

    Examples:

      connector reports --provider sendgrid

      connector reports --retry --json
    """
    if provider is not None and provider not in PROVIDERS:
        raise typer.BadParameter(f"--provider {provider!r} is not one of {', '.join(PROVIDERS)}")
    check_reason(reason)
    if retry:
        _print_matched(run(_match(data, provider, reason)), as_json)
    else:
        _print_unmatched(run(_list(data, provider, limit)), as_json)


async def _match(data: Path | None, provider: str | None, note: str | None) -> dict[str, Any]:
    """Match all events again, some thousands with each call."""
    total, after = dict.fromkeys(_NUMBERS, 0), None
    async with open_calls(data) as calls:
        while True:
            page = await calls.act(match_provider_events, provider=provider, note=note, after=after)
            total = {name: total[name] + page[name] for name in _NUMBERS}
            after = next_page(page, after)
            if after is None:
                return total
            print_note(f"{sum(total.values())} events so far; if this is interrupted, the same command continues it")


async def _list(data: Path | None, provider: str | None, limit: int) -> dict[str, Any]:
    """Return the newest events, at most `limit`, from as many pages as they take."""
    async with open_calls(data) as calls:
        page = await calls.read(list_provider_events, provider=provider, limit=min(limit, MAX_PAGE))
        listed, after = page["reports"], next_page(page, None)
        while after is not None and len(listed) < limit:
            most = min(limit - len(listed), MAX_PAGE)
            page = await calls.read(list_provider_events, provider=provider, limit=most, after=after)
            listed, after = listed + page["reports"], next_page(page, after)
        return page | {"reports": listed}


def _print_matched(total: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(total)
    dropped = f", {total['dropped']} dropped (too old, or of erased users)" if total["dropped"] else ""
    return print_result(f"{total['led_back']} matched{dropped}, {total['left']} unmatched")


def _print_unmatched(page: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json(page)
    if not page["counts"]:
        return print_result("there are no unmatched events")
    print_lines(format_table(("provider", "reason", "count"), [tuple(one.values()) for one in page["counts"]]))
    listed = page["reports"]
    if listed:
        print_lines("\n" + format_table(tuple(listed[0]), [tuple(one.values()) for one in listed]))
    return None
