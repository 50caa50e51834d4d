"""`connector workspace`: prints the settings of the workspace."""

from __future__ import annotations

from connector.definitions.yaml_writing import write_document
from starter.commands.calls import run_operation
from starter.commands.options import DataOption, JsonOption
from starter.operations.workspace import read_workspace
from starter.terminal import print_json, print_lines


def workspace(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Print the settings that hold for all campaigns: zone, frequency caps, quiet hours.

    `apply` of a file changes them. With --json, `definition` has what was written, and `settings` everything with its
    default.

    Examples:

      connector workspace > workspace.yaml

      connector workspace --json
    """
    shown = run_operation(data, read_workspace)
    if as_json:
        return print_json(shown)
    return print_lines(write_document(shown["settings"]).rstrip("\n"))
