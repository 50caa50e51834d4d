"""`connector apply`: saves definitions from YAML as drafts. Also reads the definition files for `connector plan`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from connector.app.configuration import read_settings
from connector.definitions import read_definitions
from connector.rules.model.campaigns import AnyDefinition, Workspace
from connector.rules.model.errors import DefinitionError, Fault, Source
from connector.rules.publishing.drafting import DraftChange
from starter.commands.actor import command_line_actor
from starter.commands.options import DataOption, DefinitionPaths, JsonOption, ReasonOption, check_reason
from starter.commands.store_session import open_store, run
from starter.operations.drafts import save_definitions
from starter.terminal import format_table, print_json, print_lines, print_note, print_result, print_warnings, spinner


def apply(
    paths: DefinitionPaths,
    reason: ReasonOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save campaigns, cards and the workspace from YAML as drafts.

    Live campaigns do not change: an edited campaign becomes live with `publish`. Warnings name what `publish` would
    refuse; `plan` shows them before anything is saved. If a file has an error, nothing is saved, and every error of
    every file is printed with its file, line and key.

    Examples:

      connector apply campaigns/

      connector apply welcome.yaml nudge.yaml --json
    """
    check_reason(reason)
    definitions, sources = read_definition_files(paths)
    saved, warnings = run(_save(data, definitions, sources, reason))
    print_warnings(warnings)
    if as_json:
        print_json({"saved": [vars(change) for change in saved], "warnings": warnings})
    else:
        _print_changes(saved)


def read_definition_files(paths: Sequence[Path]) -> tuple[list[AnyDefinition], dict[str, Source]]:
    """Return everything that the files and folders define, in their order, and where, by id; the workspace by ''.

    Raises:
        DefinitionError: names every fault of every file.
    """
    faults: list[Fault] = []
    definitions: list[AnyDefinition] = []
    sources: dict[str, Source] = {}
    with_links = not read_settings().link_hosts
    with spinner("Reading definitions"):
        for path in paths:
            try:
                read = read_definitions(path, with_links=with_links)
                definitions += read.all
                sources |= read.sources
            except DefinitionError as error:
                faults += error.faults
    if faults:
        raise DefinitionError(faults)
    return definitions, sources


def check_workspace(workspace: str, definitions: Sequence[AnyDefinition]) -> None:
    """Check that the definitions are of this workspace. Raises DefinitionError."""
    for definition in definitions:
        if isinstance(definition, Workspace) and definition.workspace != workspace:
            problem = f"is {definition.workspace}, but this is {workspace}; set CONNECTOR_WORKSPACE to change it"
            raise DefinitionError([Fault("workspace", problem)])


async def _save(
    data: Path | None, definitions: Sequence[AnyDefinition], sources: Mapping[str, Source], reason: str | None
) -> tuple[list[DraftChange], list[str]]:
    async with open_store(data) as context:
        check_workspace(context.workspace, definitions)
        with spinner(f"Saving {len(definitions)} definitions"):
            return await save_definitions(context, command_line_actor(), definitions, reason=reason, sources=sources)


def _print_changes(saved: Sequence[DraftChange]) -> None:
    changed = [(change.change, change.id, change.revision) for change in saved if change.change != "unchanged"]
    if changed:
        print_lines(format_table(("change", "id", "revision"), changed))
    counts = Counter(change.change for change in saved)
    print_result(f"{counts['new']} new, {counts['edited']} edited, {counts['unchanged']} unchanged")
    if changed:
        print_note("live campaigns have not changed; `connector publish` makes drafts live")
