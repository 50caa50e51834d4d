"""`connector apply`: definitions from YAML become drafts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from connector.rules.publishing.drafting import Definition, DraftChange, draft_warnings
from connector.store.catalogue.loading import save_drafts
from connector.store.engine.database import database_now
from starter.commands.options import DataOption, JsonOption
from starter.commands.reading import Paths, keep_to_workspace, read_paths, working
from starter.commands.session import run, session
from starter.terminal import print_json, print_note, print_result, print_warning, table


def apply(
    paths: Paths,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save campaigns, cards and the workspace from YAML as drafts.

    What is live does not change: an edited campaign becomes live with `publish`. What `publish` will refuse is told as
    a warning; `plan` tells it before. Every fault of every file is told at once, with its file, line and key, and then
    nothing is saved.

    Examples:

      connector apply campaigns/

      connector apply welcome.yaml nudge.yaml --json
    """
    definitions = read_paths(paths)
    saved, notes = run(_save(data, definitions))
    print_warning(notes)
    if as_json:
        print_json({"saved": [vars(one) for one in saved], "warnings": notes})
    else:
        _show(saved)


async def _save(data: Path | None, definitions: Sequence[Definition]) -> tuple[list[DraftChange], list[str]]:
    async with session(data) as context:
        keep_to_workspace(context.workspace, definitions)
        with working(f"Saving {len(definitions)} definitions"):
            async with context.database.write(context.workspace) as tx:
                now = await database_now(tx)
                saved = await save_drafts(tx, definitions, now)
            catalogue = await context.cache.at_least(context.database)
        return saved, draft_warnings(definitions, catalogue, now)


def _show(saved: Sequence[DraftChange]) -> None:
    changed = [(one.change, one.id, one.revision) for one in saved if one.change != "unchanged"]
    if changed:
        print_result(table(("change", "id", "revision"), changed))
    counts = Counter(one.change for one in saved)
    print_result(f"{counts['new']} new, {counts['edited']} edited, {counts['unchanged']} unchanged")
    if changed:
        print_note("what is live has not changed; `connector publish` makes drafts live")
