"""Words of the command line that several commands read."""

from __future__ import annotations

from datetime import UTC, datetime

import typer
from pydantic import TypeAdapter, ValidationError

from connector.rules.values import Instant

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def parse_time(option: str, text: str) -> datetime:
    """An instant in UTC from RFC 3339; raises BadParameter with what would be right."""
    try:
        return _INSTANT.validate_python(text).astimezone(UTC)
    except ValidationError:
        raise typer.BadParameter(f"{option} {text!r} is not a time with its zone, like 2026-03-09T12:00:00Z") from None
