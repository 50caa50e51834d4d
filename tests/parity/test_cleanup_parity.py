"""The cleanup changes no decision: stories over many months end the same with it, without it, and in a simulation.

The retention is that of production: 90 days.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random  # noqa: TID251 - the seed is the story's name; no rule draws anything
from typing import Any

import pytest

from connector.rules.model.values import format_instant
from connector.simulation import RETENTION
from connector.store.cleanup import cleaning
from connector.store.cleanup.cleaning import Cleaning
from connector.store.cleanup.horizons import Kept
from connector.store.engine.database import Database
from tests.parity.drawing import THEMES, draw_story
from tests.parity.production import Production
from tests.parity.simulated import simulate
from tests.parity.stored import load_rows
from tests.parity.story import Story

STORIES = 1
"""Of each theme; `--parity-stories N` plays more."""

_SHORTLY = Kept(RETENTION, links=timedelta(days=1))
_RETURNS = (45, 91, 136, 182)
"""After how many days a user does everything once more; from the second return on with the ids of two returns before,
which are beyond the retention."""


_PAUSE = timedelta(days=8)


class CleanedProduction(Production):
    """Production with a cleanup every few days; what is deleted is compared as it was."""

    def __init__(self, database: Database, workspace: str) -> None:
        super().__init__(database, workspace)
        self._cleaning = Cleaning(database, self._cache, workspace, _SHORTLY)
        self._cleaned_on: datetime | None = None
        self.rows_deleted = 0

    async def _run_to(self, until: datetime | None) -> None:
        await super()._run_to(until)
        day = self._clock.now.replace(hour=0, minute=0, second=0, microsecond=0)
        if self._cleaned_on is not None and day < self._cleaned_on + _PAUSE:
            return
        self._cleaned_on = day
        for table, rows in (await load_rows(self._database, self._workspace)).items():
            self._deleted.setdefault(table, {}).update(rows)
        self.rows_deleted += (await self._cleaning.clean()).rows.total()


def prolong(story: Story, random: Random) -> Story:
    """Return a story whose users return several times, and report some things only months later."""
    lines = list(story.lines)
    reports = [line for line in story.lines if "interaction" in line]
    for number, days in enumerate(_RETURNS, start=1):
        lines += [_moved(line, timedelta(days=days), f"{number % 2}-") for line in reports]
    lines += [
        {**_moved(line, timedelta(), f"late{number}-"), "at": _later(line["at"], timedelta(days=random.randint(1, 91)))}
        for number, line in enumerate(random.sample(reports, k=min(4, len(reports))))
    ]
    return Story(story.definitions, sorted(lines, key=lambda line: line["at"]))


def _moved(line: Mapping[str, Any], by: timedelta, prefix: str) -> dict[str, Any]:
    item = line["interaction"]
    moved = {**item, "id": f"{prefix}{item['id']}", "occurred_at": _later(item["occurred_at"], by)}
    return {"at": _later(line["at"], by), "interaction": moved}


def _later(instant: str, by: timedelta) -> str:
    return format_instant(datetime.fromisoformat(instant) + by)


@pytest.mark.parametrize("theme", THEMES)
def test_stories_of_months(sqlite_url: str, theme: str, request: pytest.FixtureRequest) -> None:
    """Repeated cleanups, no cleanup and a simulation lead to the same outcomes."""
    number_of_stories = request.config.getoption("parity_stories") or STORIES
    differences, rows_deleted = play_all(sqlite_url, theme, number_of_stories)
    assert not differences, "\n".join(differences)
    assert rows_deleted > 0, "the stories reach beyond the retention"


def test_stories_of_months_with_partitions(postgresql_url: str) -> None:
    """The outcomes are also the same if whole days are dropped."""
    differences, rows_deleted = play_all(postgresql_url, "everything", 1)
    assert not differences, "\n".join(differences)
    assert rows_deleted > 0, "the stories reach beyond the retention"


def play_all(url: str, theme: str, number_of_stories: int) -> tuple[list[str], int]:
    """Play stories of a theme in all three ways until one differs.

    Returns:
        how the first story that differs does, and the number of rows that the cleanups deleted.
    """

    async def play() -> tuple[list[str], int]:
        database, deleted = Database.open(url), 0
        for number in range(number_of_stories):
            story = prolong(draw_story(theme, number), Random(f"{theme} {number}"))
            expected = await Production(database, f"kept-{number}").play(story)
            production = CleanedProduction(database, f"cleaned-{number}")
            found = expected.differences(await production.play(story))
            deleted += production.rows_deleted
            if found:
                return [f"cleaned story {number} of {theme}:", *found, "", str(story)], deleted
            if found := simulate(story).differences(expected):
                return [f"simulated story {number} of {theme}:", *found, "", str(story)], deleted
        await database.close()
        return [], deleted

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cleaning, "_TARGET_SECONDS", 1.0)
        return asyncio.run(play())
