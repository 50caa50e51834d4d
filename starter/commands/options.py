"""Options that several commands have, and words that they read. Importing this costs next to nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from connector.rules.model.values import Instant, parse_duration

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", envvar="CONNECTOR_DATA", file_okay=False, help="The data folder.", show_default=".connector"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def parse_time(option: str, text: str, *, otherwise: str = "") -> datetime:
    """An instant in UTC from RFC 3339; raises BadParameter with what would be right, and `otherwise` what would too."""
    try:
        return _INSTANT.validate_python(text).astimezone(UTC)
    except ValidationError:
        right = f"a time with its zone, like 2026-03-09T12:00:00Z{otherwise}"
        raise typer.BadParameter(f"{option} {text!r} is not {right}") from None


def parse_length(option: str, text: str) -> timedelta:
    """A length of time like "2 hours"; raises BadParameter with what would be right."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from None
