"""Write the files that commands make: pictures, reports, an email's HTML, examples."""

from __future__ import annotations

from pathlib import Path

from connector.rules.model.errors import ConnectorError


class NotWritten(ConnectorError):
    """A file exists already, cannot be written, or there is nothing to write into it."""


def write_file(file: Path, text: str) -> None:
    """Write a text in UTF-8. Raises NotWritten."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotWritten(f"{file}: cannot be written: {error.strerror}") from None
