"""`connector interact`: reports interactions and events from the command line or from a file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from temporalio.service import RPCError

from connector.rules.model.errors import ConnectorError
from connector.rules.model.json_text import JsonInvalid, read_json_text
from connector.temporal.client import TemporalUnavailable
from starter.commands.calls import Calls, open_calls
from starter.commands.options import DataOption, JsonOption
from starter.commands.store_session import run
from starter.operations.interactions import report_interactions
from starter.terminal import print_json, print_note, print_result

_STDIN = Path("-")
_ITEMS_PER_BATCH = 1000
_CHARACTERS_PER_BATCH = 2_000_000
"""The most characters of the lines of a batch: as bytes of a request, far below the 10 MB that the API accepts."""
_BATCHES_BETWEEN_NOTES = 10


@dataclass(frozen=True)
class _Line:
    """A line of a file, counted from 1: its JSON value, or what is wrong with it; `size` in characters or bytes."""

    number: int
    item: Any
    fault: str | None = None
    size: int = 0


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
    """Report interactions and events. An invalid item does not affect the others.

    A file is reported in batches of 1,000 items, and may be reported again as a whole after an interruption.

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
    printer = _Printer(as_json, is_file=file is not None)
    run(_report(data, file, item, printer))
    printer.end()


async def _report(data: Path | None, file: Path | None, item: dict[str, Any], printer: _Printer) -> None:
    async with open_calls(data) as calls:
        if file is None:
            await _report_batch(calls, [_Line(1, item)], printer)
        else:
            stdin: Iterable[str | bytes] = getattr(sys.stdin, "buffer", sys.stdin)
            with nullcontext(stdin) if file == _STDIN else file.open("rb") as lines:
                await _report_all(calls, _batches(_read_lines(lines)), printer)
        await _start_follow_ups(calls)


async def _report_all(calls: Calls, batches: Iterable[list[_Line]], printer: _Printer) -> None:
    """Report batch by batch.

    Raises:
        ConnectorError: the results of earlier batches are printed; all items may be reported again.
    """
    for number, batch in enumerate(batches, start=1):
        try:
            await _report_batch(calls, batch, printer)
        except ConnectorError:
            if number > 1:
                print_note(f"{printer.total} items were reported before this; all may be reported again")
            raise
        if number % _BATCHES_BETWEEN_NOTES == 0:
            print_note(f"{printer.total} items so far")


async def _report_batch(calls: Calls, batch: list[_Line], printer: _Printer) -> None:
    items = [line.item for line in batch if line.fault is None]
    reported = iter((await calls.read(report_interactions, items))["results"] if items else ())
    for line in batch:
        printer.add(line.number, next(reported) if line.fault is None else _invalid(line.fault))


def _invalid(fault: str) -> dict[str, Any]:
    return {"id": None, "status": "invalid", "fault": fault}


def _read_lines(lines: Iterable[str | bytes]) -> Iterator[_Line]:
    """Yield each line that is not empty, with its JSON value or with what is wrong with it."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield _Line(number, read_json_text(line, is_line=True), size=len(line))
            except JsonInvalid as fault:
                yield _Line(number, None, f"the line {fault}")


def _batches(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    """Yield the lines in batches that fit into one request."""
    batch: list[_Line] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == _ITEMS_PER_BATCH or size + line.size > _CHARACTERS_PER_BATCH):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += line.size
    if batch:
        yield batch


async def _start_follow_ups(calls: Calls) -> None:
    """Start the workflows of the new follow-ups; if Temporal is down, the next sweep of a worker does."""
    try:
        await calls.start_follow_ups()
    except (TemporalUnavailable, RPCError):
        print_note(
            "stored; Temporal cannot be reached, so the follow-ups start when a worker or the API reaches it again"
        )


class _Printer:
    """Prints the results as they come, and counts them."""

    def __init__(self, as_json: bool, *, is_file: bool) -> None:
        self._as_json, self._is_file, self._counts = as_json, is_file, Counter[str]()

    @property
    def total(self) -> int:
        """The number of items so far."""
        return self._counts.total()

    def add(self, line: int, result: dict[str, Any]) -> None:
        """Print one result: in JSON all of them, else those that are invalid, and that of a single item."""
        status, id, fault = result["status"], result["id"], result.get("fault")
        self._counts[status] += 1
        if self._as_json:
            shown = {"status": status, "id": id, "fault": fault, "warnings": result.get("warnings", [])}
            print_json({"line": line, **shown} if self._is_file else shown)
        elif status == "invalid":
            print_note(f"{f'line {line}: ' if self._is_file else ''}invalid: {fault}")
        elif not self._is_file:
            print_result(f"{status} {id}")

    def end(self) -> None:
        """Print the numbers; exit code 1 if an item was invalid."""
        if self._is_file and not self._as_json:
            counts = (f"{self._counts[status]} {status}" for status in ("accepted", "duplicate", "invalid"))
            print_result(", ".join(counts))
        if self._counts["invalid"]:
            raise typer.Exit(1)


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
