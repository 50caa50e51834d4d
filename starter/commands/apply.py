"""`connector apply`: saves definitions from YAML as drafts. Also reads the definition files for `connector plan`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connector.app.configuration import read_settings
from connector.definitions import Definitions, read_definitions
from starter.commands.calls import run_act
from starter.commands.options import DataOption, DefinitionPaths, JsonOption, ReasonOption, check_reason
from starter.commands.places import is_remote
from starter.operations.drafts import apply_definitions
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
    definitions = read_definition_files(paths)
    with spinner(f"Saving {len(definitions.all)} definitions"):
        result = run_act(data, apply_definitions, definitions, reason=reason)
    print_warnings(result["warnings"])
    if as_json:
        print_json(result)
    else:
        _print_changes(result["saved"])


def read_definition_files(paths: Sequence[Path]) -> Definitions:
    """Return everything that the files and folders define, in their order.

    Whether user data may lead a link is decided by the settings of whoever applies them: over HTTP, of the API.

    Raises:
        DefinitionError: names every fault of every file.
    """
    with spinner("Reading definitions"):
        return read_definitions(*paths, with_links=not is_remote() and not read_settings().link_hosts)


def _print_changes(saved: Sequence[dict[str, Any]]) -> None:
    rows = [(change["change"], change["id"], change["revision"]) for change in saved if change["change"] != "unchanged"]
    if rows:
        print_lines(format_table(("change", "id", "revision"), rows))
    counts = Counter(change["change"] for change in saved)
    print_result(f"{counts['new']} new, {counts['edited']} edited, {counts['unchanged']} unchanged")
    if rows:
        print_note("live campaigns have not changed; `connector publish` makes drafts live")
