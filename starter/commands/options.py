"""Options that several commands have, and words that they read. Importing this costs next to nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from connector.rules.values import Instant

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", envvar="CONNECTOR_DATA", file_okay=False, help="The data folder.", show_default=".connector"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def parse_time(option: str, text: str) -> datetime:
    """An instant in UTC from RFC 3339; raises BadParameter with what would be right."""
    try:
        return _INSTANT.validate_python(text).astimezone(UTC)
    except ValidationError:
        raise typer.BadParameter(f"{option} {text!r} is not a time with its zone, like 2026-03-09T12:00:00Z") from None
