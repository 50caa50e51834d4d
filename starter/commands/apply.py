"""`connector apply`: definitions from YAML become drafts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from connector.definitions import read_definitions
from connector.rules.campaigns import Campaign, Card, Workspace
from connector.rules.errors import DefinitionError, Fault
from connector.rules.lints import warnings
from connector.store.catalogue import Saved, save_drafts
from connector.store.database import database_now
from starter.commands.session import DataOption, JsonOption, run, session
from starter.compose import Parts
from starter.terminal import say, say_json, table, tell, warn

Definition = Campaign | Card | Workspace


def apply(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="YAML files, or folders of them.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save campaigns, cards and the workspace from YAML as drafts.

    What is live does not change: an edited campaign becomes live with `publish`. Every fault of every file is told at
    once, with its file, line and key, and then nothing is saved.

    Examples:

      connector apply campaigns/

      connector apply welcome.yaml nudge.yaml --json
    """
    definitions = _read(paths)
    saved, notes = run(_save(data, definitions))
    warn(notes)
    if as_json:
        say_json({"saved": [vars(one) for one in saved], "warnings": notes})
    else:
        _show(saved)


def _read(paths: Sequence[Path]) -> list[Definition]:
    faults: list[Fault] = []
    found: list[Definition] = []
    with _working("Reading definitions"):
        for path in paths:
            try:
                found += read_definitions(path).all
            except DefinitionError as error:
                faults += error.faults
    if faults:
        raise DefinitionError(faults)
    return found


async def _save(data: Path | None, definitions: Sequence[Definition]) -> tuple[list[Saved], list[str]]:
    async with session(data) as parts:
        _check_workspace(parts, definitions)
        with _working(f"Saving {len(definitions)} definitions"):
            async with parts.database.write(parts.workspace) as connection:
                now = await database_now(connection)
                saved = await save_drafts(connection, parts.workspace, definitions, now)
            catalogue = await parts.cache.at_least(parts.database)
        named = (definition for definition in definitions if not isinstance(definition, Workspace))
        return saved, [note for definition in named for note in warnings(definition, catalogue, now)]


def _check_workspace(parts: Parts, definitions: Sequence[Definition]) -> None:
    for definition in definitions:
        if isinstance(definition, Workspace) and definition.workspace != parts.workspace:
            problem = f"is {definition.workspace}, but this is {parts.workspace}; set CONNECTOR_WORKSPACE to change it"
            raise DefinitionError([Fault("workspace", problem)])


def _show(saved: Sequence[Saved]) -> None:
    changed = [(one.change, one.id, one.revision) for one in saved if one.change != "unchanged"]
    if changed:
        say(table(("change", "id", "revision"), changed))
    counts = Counter(one.change for one in saved)
    say(f"{counts['new']} new, {counts['edited']} edited, {counts['unchanged']} unchanged")
    if changed:
        tell("what is live has not changed; `connector publish` makes drafts live")


def _working(on: str) -> AbstractContextManager[Any]:
    console = Console(stderr=True)
    return console.status(f"{on} …") if console.is_terminal else nullcontext()
