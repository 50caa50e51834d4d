"""`connector apply`: definitions from YAML become drafts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from connector.rules.publishing.drafting import Definition, Saved, told_of_drafts
from connector.store.catalogue.loading import save_drafts
from connector.store.engine.database import database_now
from starter.commands.options import DataOption, JsonOption
from starter.commands.reading import Paths, keep_to_workspace, read_paths, working
from starter.commands.session import run, session
from starter.terminal import say, say_json, table, tell, warn


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
    warn(notes)
    if as_json:
        say_json({"saved": [vars(one) for one in saved], "warnings": notes})
    else:
        _show(saved)


async def _save(data: Path | None, definitions: Sequence[Definition]) -> tuple[list[Saved], list[str]]:
    async with session(data) as parts:
        keep_to_workspace(parts.workspace, definitions)
        with working(f"Saving {len(definitions)} definitions"):
            async with parts.database.write(parts.workspace) as connection:
                now = await database_now(connection)
                saved = await save_drafts(connection, parts.workspace, definitions, now)
            catalogue = await parts.cache.at_least(parts.database)
        return saved, told_of_drafts(definitions, catalogue, now)


def _show(saved: Sequence[Saved]) -> None:
    changed = [(one.change, one.id, one.revision) for one in saved if one.change != "unchanged"]
    if changed:
        say(table(("change", "id", "revision"), changed))
    counts = Counter(one.change for one in saved)
    say(f"{counts['new']} new, {counts['edited']} edited, {counts['unchanged']} unchanged")
    if changed:
        tell("what is live has not changed; `connector publish` makes drafts live")
