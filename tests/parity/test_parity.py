"""`connector simulate` and production decide the same: the same stories through both, on both databases.

The metrics count each follow-up that begins and ends once, however late, superseded, stopped, held or launched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from connector.store.engine.database import Database
from tests.parity.counted import count_rows, find_wrong_counts, keeping_series, read_counters
from tests.parity.drawing import THEMES, draw_story
from tests.parity.production import Production
from tests.parity.simulated import simulate
from tests.parity.story import Story, read_story

CASES = Path(__file__).parents[2] / "examples" / "behaviour"
STORIES = 20
"""Of each theme; `--parity-stories N` plays more. PostgreSQL plays every second one: the rules are the same code."""

FOLDERS = sorted(folder for folder in CASES.iterdir() if folder.is_dir())


class Stage:
    """A database of which each story has a workspace of its own."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._database = Database.open(url)
        self._workspaces = (f"story-{number}" for number in count(1))

    def differences(self, story: Story) -> list[str]:
        """Play a story through both and return what only one of the two has, or what the metrics miscounted."""
        return self._loop.run_until_complete(self._compare(story, next(self._workspaces)))

    async def _compare(self, story: Story, workspace: str) -> list[str]:
        with keeping_series():
            before = read_counters()
            produced = await Production(self._database, workspace).play(story)
            counted = tuple(now - was for now, was in zip(read_counters(), before, strict=True))
        rows = await count_rows(self._database, workspace)
        miscounted = [] if counted == rows else [f"begun and ended: {rows} rows, counted as {counted}"]
        miscounted += await find_wrong_counts(self._database, workspace)
        return simulate(story).differences(produced) + miscounted

    def close(self) -> None:
        self._loop.run_until_complete(self._database.close())
        self._loop.close()


@pytest.fixture
def stage(database_url: str) -> Iterator[Stage]:
    """An empty database, of each kind in turn."""
    stage = Stage(database_url)
    yield stage
    stage.close()


def test_worked_cases(stage: Stage) -> None:
    """Every case of `examples/behaviour` comes to the same in production as in a simulation."""
    different = {folder.name: found for folder in FOLDERS if (found := stage.differences(read_story(folder)))}
    assert different == {}


@pytest.mark.parametrize("theme", THEMES)
def test_drawn_stories(stage: Stage, theme: str, database_url: str, request: pytest.FixtureRequest) -> None:
    """So do stories that are drawn: late, repeated, held, capped, on several channels, stopped and resumed."""
    stories = request.config.getoption("parity_stories") or STORIES
    for number in range(0, stories, 2 if database_url.startswith("postgresql") else 1):
        story = draw_story(theme, number)
        found = stage.differences(story)
        assert not found, "\n".join([f"story {number} of {theme}:", *found, "", str(story)])
