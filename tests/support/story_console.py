"""A console on a database in which a story was played."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from playwright.async_api import expect

from connector.app.context import AppContext, build_context
from connector.settings.application import Settings
from tests.support.api import NOWHERE
from tests.support.console import ConsoleProcess, running_console
from tests.support.console_story import ConsoleStory
from tests.support.databases import open_migrated_database

expect.set_options(timeout=60_000)  # the machine may be five times slower than the one that a test was written on


@dataclass(frozen=True)
class StoryConsole:
    """The process, the story, and a context on the same database, in which a test looks things up."""

    process: ConsoleProcess
    story: ConsoleStory
    context: AppContext
    follow_up: str = ""

    def with_follow_up(self, id: str) -> StoryConsole:
        """Return the same with the id of a follow-up to look at."""
        return replace(self, follow_up=id)


@asynccontextmanager
async def story_console(
    folder: Path, migrated: Path, spice: str = "", template_spice: str | None = None, **settings: str
) -> AsyncIterator[StoryConsole]:
    """Play a story on SQLite, and run the console without Temporal, and without sign-in as `connector dev` does.

    Args:
        migrated: an empty database, of which a copy is used.
        spice, template_spice: as for `ConsoleStory`.
    """
    url = f"sqlite+aiosqlite:///{shutil.copy(migrated, folder / 'connector.db')}"
    async with open_migrated_database(url) as database:
        context = build_context(Settings(), database)
        story = ConsoleStory(context, spice, template_spice)
        await story.play()
        settings = {"CONNECTOR_DEV": "1", "TEMPORAL_ADDRESS": NOWHERE, **settings}
        async with running_console(url, folder, **settings) as process:
            yield StoryConsole(process, story, context)
