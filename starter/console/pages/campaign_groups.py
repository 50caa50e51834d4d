"""Columns of tables that compare the control group, the receivers and the variants of a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from starter.console.elements.numbers import as_points, share_of
from starter.console.elements.table import Column, Row
from starter.console.elements.text import text

_VERDICTS = {"more": "more convert", "less": "fewer convert", "undecided": "not decided yet"}


def group_rows(numbers: Mapping[str, Any]) -> list[Row]:
    """Return a row for each group of some results: the control group, all receivers, each variant.

    Args:
        numbers: the results of all times or of one day, with `control`, `receivers` and `variants`.
    """
    rows = [("Control group", numbers["control"]), ("All receivers", numbers["receivers"])]
    rows += [(_variant(one["variant"]), one) for one in numbers["variants"]]
    return [{"label": label, **group} for label, group in rows]


def group_columns(letters: Sequence[str]) -> list[Column]:
    """Return the columns of such rows, with the rate and the uplift of each conversion."""
    columns = [
        Column("Group", lambda row: row["label"]),
        Column("Users", lambda row: f"{users_of(row):,}", is_number=True),
        Column("Opened", lambda row: f"{row['opened']:,}", is_number=True),
        Column("Clicked", lambda row: f"{row['clicked']:,}", is_number=True),
    ]
    for letter in letters:
        columns += [
            Column(f"Converted {letter}", partial(_conversion, letter), is_number=True),
            Column(f"Uplift {letter}", partial(_show_uplift, letter)),
        ]
    return columns


def users_of(row: Row) -> int:
    """Return how many users a group has: those who were enrolled in the control group, those who received of others."""
    return int(row["sent"] if "uplift" in row else row["enrolled"])


def _variant(name: str | None) -> str:
    return "Without a variant" if name is None else f"Variant {name}"


def _conversion(letter: str, row: Row) -> str:
    count = row["converted"][letter]
    share = share_of(count, users_of(row))
    return f"{count:,} ({share})" if share else f"{count:,}"


def _show_uplift(letter: str, row: Row) -> None:
    text(_uplift(letter, row), "cc-sentence", tag="div")


def _uplift(letter: str, row: Row) -> str:
    uplift = row.get("uplift", {}).get(letter)
    if uplift is None:
        return "–"
    difference, low, high = (as_points(uplift[name]) for name in ("difference", "low", "high"))
    return f"{difference} ({low} to {high}): {_VERDICTS[uplift['verdict']]}"
