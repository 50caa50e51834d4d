"""Options that several commands share, and the parsing of their values. Cheap to import, unlike the session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from connector.rules.model.audit import MAX_REASON_CHARACTERS
from connector.rules.model.values import Instant, parse_duration

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", envvar="CONNECTOR_DATA", file_okay=False, help="The data folder.", show_default=".connector"
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DefinitionPaths = Annotated[list[Path], typer.Argument(exists=True, help="YAML files, or folders of YAML files.")]
ReasonOption = Annotated[
    str | None,
    typer.Option(
        help=f"Why, for the audit trail: at most {MAX_REASON_CHARACTERS} characters, kept for good: do not name users."
    ),
]


def check_reason(reason: str | None, *, option: str = "--reason") -> None:
    """Raise BadParameter if the reason for an act is too long."""
    if reason is not None and len(reason) > MAX_REASON_CHARACTERS:
        raise typer.BadParameter(f"{option} has at most {MAX_REASON_CHARACTERS} characters")


def parse_time_option(option: str, text: str, *, alternative: str = "") -> datetime:
    """Return the instant in UTC that an option gives in RFC 3339.

    Args:
        alternative: another form that the caller accepts, for the error's message.

    Raises:
        BadParameter: the message has the right form.
    """
    try:
        return _INSTANT.validate_python(text).astimezone(UTC)
    except ValidationError:
        right = f"a time with its zone, like 2026-03-09T12:00:00Z{alternative}"
        raise typer.BadParameter(f"{option} {text!r} is not {right}") from None


def parse_duration_option(option: str, text: str) -> timedelta:
    """Return the duration that an option gives, like "2 hours"; raises BadParameter with the right form."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from None
