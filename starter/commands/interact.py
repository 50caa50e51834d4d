"""`connector interact`: report what users did, from the command line or a file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import from_json
from temporalio.service import RPCError

from connector.app.context import AppContext
from connector.store.engine.database import database_now
from connector.temporal.client import TemporalUnavailable
from starter.commands.options import DataOption, JsonOption
from starter.commands.session import run, session
from starter.operations.interactions import BatchReport, ingest_all, read_lines
from starter.terminal import print_json, print_note, print_result

Word = str | None

_STDIN = Path("-")


def interact(
    user: Annotated[Word, typer.Option(help="Who did it.")] = None,
    type: Annotated[Word, typer.Option(help="receive_push, open_email, make_purchase, event …")] = None,
    campaign: Annotated[Word, typer.Option(help="The campaign it was done with.")] = None,
    card: Annotated[Word, typer.Option(help="The card it was done with.")] = None,
    name: Annotated[Word, typer.Option(help="The name of a custom event (with --type event).")] = None,
    property: Annotated[
        list[str] | None, typer.Option(help="KEY=TEXT, or KEY:=JSON for numbers and the like; may be repeated.")
    ] = None,
    id: Annotated[Word, typer.Option(help="Makes repeating it harmless; made from its content where left out.")] = None,
    at: Annotated[Word, typer.Option(help="When, like 2026-03-02T12:00:00Z; now where left out.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="JSON lines in the wire form of POST /v1/interactions; - is standard input.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Report interactions and events, straight into the store. One bad item stops no other.

    Examples:

      connector interact --user u-17 --type receive_push --campaign welcome

      connector interact --user u-17 --type make_purchase --property product=shoe-1 --property price:=90

      connector interact --user u-17 --type event --name cart_updated --property sku=A

      connector interact --file interactions.jsonl
    """
    words = {"user": user, "type": type, "campaign": campaign, "card": card, "name": name, "id": id, "occurred_at": at}
    said = {key: value for key, value in words.items() if value is not None}
    if file is not None and (said or property):
        raise typer.BadParameter("--file has everything; leave the other options out")
    if file is None and not {"user", "type"} <= said.keys():
        raise typer.BadParameter("name --user and --type, or give a --file")
    if file is not None and not (file == _STDIN or file.is_file()):
        raise typer.BadParameter(f"there is no file {file}")
    item = {**said, "properties": dict(map(_property, property or []))}
    reported = run(_report(data, file, item))
    _show(reported, as_json, of_file=file is not None)


async def _report(data: Path | None, file: Path | None, item: dict[str, Any]) -> list[BatchReport]:
    async with session(data) as context:
        if file is None:
            reported = await ingest_all(context, [(1, {"occurred_at": await _now(context), **item})])
        else:
            with nullcontext(sys.stdin) if file == _STDIN else file.open(encoding="utf-8") as lines:
                reported = await ingest_all(context, read_lines(lines))
        await _begin(context)
        return reported


async def _now(context: AppContext) -> str:
    async with context.database.read() as connection:
        return (await database_now(connection)).isoformat()


async def _begin(context: AppContext) -> None:
    """Start what they triggered; where Temporal is away, whoever sweeps next will."""
    try:
        await context.outbox.flush()
    except (TemporalUnavailable, RPCError):
        print_note(
            "stored; Temporal cannot be reached, so the follow-ups begin when a worker or the API finds it again"
        )


def _property(words: str) -> tuple[str, Any]:
    key, equals, value = words.partition("=")
    if not key.strip(":") or not equals:
        raise typer.BadParameter(f"{words!r} is not KEY=TEXT or KEY:=JSON")
    if not key.endswith(":"):
        return key, value
    try:
        return key[:-1], from_json(value, allow_inf_nan=False)
    except ValueError as error:
        raise typer.BadParameter(f"{words!r}: {value!r} is not JSON: {error}") from None


def _show(reported: Iterable[BatchReport], as_json: bool, *, of_file: bool) -> None:
    counts: Counter[str] = Counter()
    for one in reported:
        counts[one.result.status] += 1
        place = f"line {one.line}: " if of_file else ""
        if as_json:
            print_json({"line": one.line, **vars(one.result)} if of_file else vars(one.result))
        elif one.result.status == "invalid":
            print_note(f"{place}invalid: {one.result.fault}")
        elif not of_file:
            print_result(f"{one.result.status} {one.result.id}")
    if of_file and not as_json:
        print_result(", ".join(f"{counts[status]} {status}" for status in ("accepted", "duplicate", "invalid")))
    if counts["invalid"]:
        raise typer.Exit(1)
