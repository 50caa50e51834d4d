"""The composition root: what a process gets from `build_context`."""

from pathlib import Path

import pytest

from connector.app.context import open_context
from connector.settings.application import Settings
from connector.store.engine.migrate import migrate
from connector.temporal.client import TemporalUnavailable
from tests.support.builders import buy


async def test_every_process_limits_signals_while_it_ingests(tmp_path: Path) -> None:
    """The outbox of a worker has the idle signal of its intake, as that of the API has."""
    async with open_context(Settings(database_url=f"sqlite+aiosqlite:///{tmp_path / 'c.db'}")) as context:
        assert context.outbox._idle is context.intake.idle


async def test_nothing_is_connected_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interactions are ingested without Temporal; whoever needs it learns which address was tried."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    async with open_context(Settings(database_url=f"sqlite+aiosqlite:///{tmp_path / 'c.db'}")) as context:
        await migrate(context.database)
        [result] = await context.intake.ingest([buy("b", 0)])
        assert result.status == "accepted"
        with pytest.raises(TemporalUnavailable, match=r"127\.0\.0\.1:1"):
            await context.temporal.client()
