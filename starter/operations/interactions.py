"""Reports from a file or from words on the command line, taken in a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic_core import from_json

from connector.app.context import AppContext
from connector.ingest.intake import ItemResult

_BATCH = 1000


@dataclass(frozen=True)
class BatchReport:
    """What became of the item in line `line`, counted from 1."""

    line: int
    result: ItemResult


def read_lines(lines: Iterable[str]) -> Iterator[tuple[int, Any | ItemResult]]:
    """Each line that is not empty as (number, JSON value), or as the invalid result that it will have."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, from_json(line, allow_inf_nan=False)
            except ValueError as error:
                yield number, ItemResult("invalid", fault=f"the line is not JSON: {error}")


async def ingest_all(context: AppContext, items: Iterable[tuple[int, Any | ItemResult]]) -> list[BatchReport]:
    """Take the items in, a batch at a time, and give the results in their order.

    Raises:
        StoreUnavailable: batches before this one are stored; all may be reported again.
    """
    rest, reported = iter(items), []
    while batch := list(islice(rest, _BATCH)):
        results = iter(await context.intake.ingest([item for _, item in batch if not isinstance(item, ItemResult)]))
        reported += [BatchReport(n, item if isinstance(item, ItemResult) else next(results)) for n, item in batch]
    return reported
