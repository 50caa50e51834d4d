"""`connector init`: writes commented example files to begin with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from connector.json_schema import SCHEMA_FILE, schema_text
from starter.commands.files import NotWritten, write_file
from starter.commands.options import JsonOption
from starter.terminal import print_json, print_note, print_result

_TIMELINE = "timeline-example.jsonl"
_ORIGINAL = "abandoned-cart"


def init(
    folder: Annotated[
        Path, typer.Argument(file_okay=False, help="The folder to write to; created if it is missing.")
    ] = Path("campaigns"),
    force: Annotated[bool, typer.Option("--force", help="Replace files of these names that exist.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write commented example files: campaigns, the workspace, a timeline, and the JSON Schema for editors.

    The campaigns are an original and its follow-on, with a delay, exceptions, an audience, a control group and a
    conversion. Nothing is overwritten without `--force`.

    Examples:

      connector init

      connector init shop/campaigns
    """
    contents = dict(_read_examples())
    present = [] if force else [name for name in contents if (folder / name).exists()]
    if present:
        raise NotWritten(f"{folder} has {', '.join(present)} already; name another folder, or replace them by --force")
    _write(folder, contents)
    if as_json:
        return print_json({"folder": str(folder), "files": sorted(contents)})
    for name in sorted(contents):
        print_result(str(folder / name))
    return _print_next_steps(folder)


def _read_examples() -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the files; the schema is generated, so that it fits this version."""
    for example in files("starter").joinpath("example").iterdir():
        if example.is_file():
            yield example.name, example.read_text(encoding="utf-8")
    yield SCHEMA_FILE, schema_text()


def _write(folder: Path, contents: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotWritten(f"{folder}: cannot be written: {error.strerror}") from None
    for name, text in contents.items():
        write_file(folder / name, text)


def _print_next_steps(folder: Path) -> None:
    place = quote(str(folder))
    print_note("next:")
    for command in (
        f"validate {place}",
        f"simulate --campaigns {place} --timeline {quote(str(folder / _TIMELINE))}",
        "dev",
        f"apply {place}",
        f"publish --with-follow-ons {_ORIGINAL}",
    ):
        print_note(f"  connector {command}")
