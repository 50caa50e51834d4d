"""`connector interact`: reports interactions and events from the command line or from a file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from temporalio.service import RPCError

from connector.app.context import AppContext
from connector.ingest.intake import ItemResult
from connector.rules.model.json_text import JsonInvalid, read_json_text
from connector.temporal.client import TemporalUnavailable
from starter.commands.options import DataOption, JsonOption
from starter.commands.session import open_session
from starter.commands.store_session import run
from starter.terminal import print_json, print_note, print_result

_STDIN = Path("-")
_ITEMS_PER_BATCH = 1000


@dataclass(frozen=True)
class LineResult:
    """The result of the item in line `line`, counted from 1."""

    line: int
    result: ItemResult


def interact(
    user: Annotated[str | None, typer.Option(help="The user's id.")] = None,
    type: Annotated[str | None, typer.Option(help="receive_push, open_email, make_purchase, event …")] = None,
    campaign: Annotated[str | None, typer.Option(help="The campaign that the user interacted with.")] = None,
    card: Annotated[str | None, typer.Option(help="The card that the user interacted with.")] = None,
    name: Annotated[str | None, typer.Option(help="The name of a custom event (with --type event).")] = None,
    property: Annotated[
        list[str] | None, typer.Option(help="KEY=TEXT, or KEY:=JSON for numbers and the like; may be repeated.")
    ] = None,
    id: Annotated[
        str | None, typer.Option(help="Repeating an id changes nothing. By default made from the content.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="When it happened, like 2026-03-02T12:00:00Z. By default now.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="JSON lines in the wire form of POST /v1/interactions; - is standard input.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report interactions and events directly to the store. An invalid item does not affect the others.

    Examples:

      connector interact --user u-17 --type receive_push --campaign welcome

      connector interact --user u-17 --type make_purchase --property product=shoe-1 --property price:=90

      connector interact --user u-17 --type event --name cart_updated --property sku=A

      connector interact --file interactions.jsonl
    """
    options = {
        "user": user, "type": type, "campaign": campaign, "card": card, "name": name, "id": id, "occurred_at": at,
    }  # fmt: skip
    item: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    if file is not None and (item or property):
        raise typer.BadParameter("--file holds everything; leave the other options out")
    if file is None and not {"user", "type"} <= item.keys():
        raise typer.BadParameter("give --user and --type, or a --file")
    if file is not None and not (file == _STDIN or file.is_file()):
        raise typer.BadParameter(f"there is no file {file}")
    item["properties"] = dict(map(_parse_property, property or []))
    results = run(_report(data, file, item))
    _print_results(results, as_json, is_file=file is not None)


async def _report(data: Path | None, file: Path | None, item: dict[str, Any]) -> list[LineResult]:
    async with open_session(data) as context:
        if file is None:
            results = await _ingest(context, [(1, item)])
        else:
            stdin: Iterable[str | bytes] = getattr(sys.stdin, "buffer", sys.stdin)
            with nullcontext(stdin) if file == _STDIN else file.open("rb") as lines:
                results = await _ingest(context, _read_lines(lines))
        await _start_follow_ups(context)
        return results


def _read_lines(lines: Iterable[str | bytes]) -> Iterator[tuple[int, Any | ItemResult]]:
    """Yield each line that is not empty as (number, JSON value), or (number, invalid result) if it is no JSON."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, read_json_text(line, is_line=True)
            except JsonInvalid as fault:
                yield number, ItemResult("invalid", fault=f"the line {fault}")


async def _ingest(context: AppContext, items: Iterable[tuple[int, Any | ItemResult]]) -> list[LineResult]:
    """Ingest the items in batches, and return the results in their order.

    Raises:
        StoreUnavailable: earlier batches are stored; all items may be reported again.
    """
    remaining, results = iter(items), []
    while batch := list(islice(remaining, _ITEMS_PER_BATCH)):
        valid = [item for _, item in batch if not isinstance(item, ItemResult)]
        ingested = iter(await context.intake.ingest(valid))
        results += [LineResult(n, item if isinstance(item, ItemResult) else next(ingested)) for n, item in batch]
    return results


async def _start_follow_ups(context: AppContext) -> None:
    """Start the workflows of the new follow-ups; if Temporal is down, the next sweep of a worker does."""
    try:
        await context.outbox.flush()
    except (TemporalUnavailable, RPCError):
        print_note(
            "stored; Temporal cannot be reached, so the follow-ups start when a worker or the API reaches it again"
        )


def _parse_property(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key.strip(":") or not equals:
        raise typer.BadParameter(f"{text!r} is not KEY=TEXT or KEY:=JSON")
    if not key.endswith(":"):
        return key, value
    try:
        return key[:-1], read_json_text(value, is_line=True)
    except JsonInvalid as fault:
        raise typer.BadParameter(f"{text!r}: {value!r} {fault}") from None


def _print_results(results: Iterable[LineResult], as_json: bool, *, is_file: bool) -> None:
    counts: Counter[str] = Counter()
    for line, result in ((one.line, one.result) for one in results):
        counts[result.status] += 1
        if as_json:
            print_json({"line": line, **vars(result)} if is_file else vars(result))
        elif result.status == "invalid":
            print_note(f"{f'line {line}: ' if is_file else ''}invalid: {result.fault}")
        elif not is_file:
            print_result(f"{result.status} {result.id}")
    if is_file and not as_json:
        print_result(", ".join(f"{counts[status]} {status}" for status in ("accepted", "duplicate", "invalid")))
    if counts["invalid"]:
        raise typer.Exit(1)
