"""`connector reports`: what providers told that could not be led back, and leading it back again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from connector.provider_events.intake import RetryResult, open_provider_event_intake
from connector.rules.model.instants import write_instant
from connector.rules.provider_events.events import CAMPAIGN, DELIVERY, PROVIDERS
from connector.store.provider_events.events import UnmatchedEvent, count_unmatched, newest_unmatched
from starter.commands.options import DataOption, JsonOption
from starter.commands.session import run, session
from starter.terminal import print_json, print_result, table

ProviderOption = Annotated[str | None, typer.Option(help=f"Of this provider only: {', '.join(PROVIDERS)}.")]
RetryOption = Annotated[bool, typer.Option("--retry", help="Try to lead them back, after what was missing was told.")]
LimitOption = Annotated[int, typer.Option(min=1, max=10_000, help="How many are listed, the newest.")]


def reports(
    provider: ProviderOption = None,
    retry: RetryOption = False,
    limit: LimitOption = 100,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what providers told of messages that could not be led back to a campaign and a user, and why not.

    Recipients are not shown. With --retry they are led back again: a campaign may have been applied since, or a user
    described; what still leads nowhere stays.

    Examples:

      connector reports --provider sendgrid

      connector reports --retry --json
    """
    if provider is not None and provider not in PROVIDERS:
        raise typer.BadParameter(f"--provider {provider!r} is not one of {', '.join(PROVIDERS)}")
    if retry:
        _show_retried(run(_retry(data, provider)), as_json)
    else:
        _show(*run(_look(data, provider, limit)), as_json)


async def _retry(data: Path | None, provider: str | None) -> RetryResult:
    async with session(data) as context:
        intake = open_provider_event_intake(context.settings, context.database, context.cache, context.intake)
        return await intake.retry(provider)


async def _look(
    data: Path | None, provider: str | None, limit: int
) -> tuple[list[tuple[str, str, int]], list[UnmatchedEvent]]:
    async with session(data) as context, context.database.read() as c:
        counts = await count_unmatched(c, context.workspace, provider=provider)
        return counts, await newest_unmatched(c, context.workspace, provider=provider, limit=limit)


def _show_retried(retried: RetryResult, as_json: bool) -> None:
    if as_json:
        return print_json(asdict(retried))
    dropped = f", {retried.dropped} dropped (too old, or of users who were erased)" if retried.dropped else ""
    return print_result(f"{retried.led_back} led back{dropped}, {retried.left} left")


def _show(counts: Sequence[tuple[str, str, int]], kept: Sequence[UnmatchedEvent], as_json: bool) -> None:
    listed = [_view(one) for one in kept]
    if as_json:
        named = [{"provider": provider, "reason": reason, "count": count} for provider, reason, count in counts]
        return print_json({"counts": named, "reports": listed})
    if not counts:
        return print_result("everything that providers told was led back")
    print_result(table(("provider", "reason", "count"), counts))
    print_result("\n" + table(tuple(listed[0]), [tuple(one.values()) for one in listed]))
    return None


def _view(kept: UnmatchedEvent) -> dict[str, Any]:
    """One report without its recipient, who is nobody's business here."""
    event = kept.event
    return {
        "provider": event.provider,
        "id": kept.key[1],
        "kind": event.happened.value,
        "at": write_instant(event.at),
        "received_at": write_instant(kept.received_at),
        "reason": kept.reason.value,
        "campaign": event.arguments.get(CAMPAIGN),
        "delivery": event.arguments.get(DELIVERY),
    }
