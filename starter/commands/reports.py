"""`connector reports`: lists provider events that match no delivery, and matches them again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.provider_events.intake import RetryResult
from connector.rules.model.values import format_instant
from connector.rules.provider_events.events import CAMPAIGN, DELIVERY, PROVIDERS
from connector.store.provider_events.events import UnmatchedEvent, count_unmatched, newest_unmatched
from starter.commands.actor import command_line_actor
from starter.commands.options import DataOption, JsonOption, ReasonOption, check_reason
from starter.commands.session import open_session
from starter.commands.store_session import READ_SECONDS, open_store, run
from starter.operations.reports import retry_reports
from starter.terminal import format_table, print_json, print_lines, print_result

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
        _print_retried(run(_retry(data, provider, reason)), as_json)
    else:
        _print_unmatched(*run(_load_unmatched(data, provider, limit)), as_json)


async def _retry(data: Path | None, provider: str | None, reason: str | None) -> RetryResult:
    async with open_session(data) as context:
        return await retry_reports(context, command_line_actor(), provider, reason=reason)


async def _load_unmatched(
    data: Path | None, provider: str | None, limit: int
) -> tuple[list[tuple[str, str, int]], list[UnmatchedEvent]]:
    async with (
        open_store(data) as context,
        context.database.read(context.workspace, seconds=READ_SECONDS) as tx,
    ):
        counts = await count_unmatched(tx, provider=provider)
        return counts, await newest_unmatched(tx, provider=provider, limit=limit)


def _print_retried(retried: RetryResult, as_json: bool) -> None:
    if as_json:
        return print_json({"led_back": retried.led_back, "dropped": retried.dropped, "left": retried.left})
    dropped = f", {retried.dropped} dropped (too old, or of erased users)" if retried.dropped else ""
    return print_result(f"{retried.led_back} matched{dropped}, {retried.left} unmatched")


def _print_unmatched(
    counts: Sequence[tuple[str, str, int]], unmatched: Sequence[UnmatchedEvent], as_json: bool
) -> None:
    views = [_view(one) for one in unmatched]
    if as_json:
        by_reason = [{"provider": provider, "reason": reason, "count": count} for provider, reason, count in counts]
        return print_json({"counts": by_reason, "reports": views})
    if not counts:
        return print_result("there are no unmatched events")
    print_lines(format_table(("provider", "reason", "count"), counts))
    print_lines("\n" + format_table(tuple(views[0]), [tuple(view.values()) for view in views]))
    return None


def _view(unmatched: UnmatchedEvent) -> dict[str, Any]:
    """Return one event without its recipient, which is personal data."""
    event = unmatched.event
    return {
        "provider": event.provider,
        "id": unmatched.key[1],
        "kind": event.happened.value,
        "at": format_instant(event.at),
        "received_at": format_instant(unmatched.received_at),
        "reason": unmatched.reason.value,
        "campaign": event.arguments.get(CAMPAIGN),
        "delivery": event.arguments.get(DELIVERY),
    }
