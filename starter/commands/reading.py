"""What `apply` and `plan` are given: YAML files and folders of them, read and judged together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from connector.definitions import read_definitions
from connector.rules.model.campaigns import Workspace
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.publishing.drafting import Definition

Paths = Annotated[list[Path], typer.Argument(exists=True, help="YAML files, or folders of them.")]


def read_paths(paths: Sequence[Path]) -> list[Definition]:
    """All that these define, in their order.

    Raises:
        DefinitionError: with every fault of every file.
    """
    faults: list[Fault] = []
    found: list[Definition] = []
    with working("Reading definitions"):
        for path in paths:
            try:
                found += read_definitions(path).all
            except DefinitionError as error:
                faults += error.faults
    if faults:
        raise DefinitionError(faults)
    return found


def keep_to_workspace(workspace: str, definitions: Sequence[Definition]) -> None:
    """Raises DefinitionError where the settings of another workspace are among them."""
    for definition in definitions:
        if isinstance(definition, Workspace) and definition.workspace != workspace:
            problem = f"is {definition.workspace}, but this is {workspace}; set CONNECTOR_WORKSPACE to change it"
            raise DefinitionError([Fault("workspace", problem)])


def working(on: str) -> AbstractContextManager[Any]:
    """Something that moves on a terminal while this goes on."""
    console = Console(stderr=True)
    return console.status(f"{on} …") if console.is_terminal else nullcontext()
