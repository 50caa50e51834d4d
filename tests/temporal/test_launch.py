"""Launches on the real server with virtual time and a whole worker: the story of publish order, stops, and time."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.rules.model.errors import OrderRefused
from connector.store.engine.database import Database
from connector.store.tables import follow_ups
from tests.support.builders import listener, now, original
from tests.support.polling import until
from tests.support.workspace import LaunchWorkspace, settings_for, working

EMAIL = {"email": {"subject": "Hello", "text": "there"}}


@pytest.fixture
def workspace(sqlite_database: Database, environment: WorkflowEnvironment) -> LaunchWorkspace:
    return LaunchWorkspace(sqlite_database, environment)


async def test_publish_order_story(
    workspace: LaunchWorkspace, sqlite_url: str, environment: WorkflowEnvironment, tmp_path: Path
) -> None:
    """Case 2, P3, W3: each control user gets one follow-on, each receiver the other, nobody both, nobody none."""
    everybody = await workspace.crowd(60)
    control, received = (
        listener("control", "enroll_in_control_group", messages=EMAIL),
        listener("received", "receive_email", messages=EMAIL),
    )
    await workspace.drafts(original(messages=EMAIL, control_group=20), control, received)
    async with working(environment, settings_for(workspace.name, sqlite_url, tmp_path)):
        with pytest.raises(OrderRefused, match="control"):
            await workspace.order("publish", "o")
        await workspace.order("publish", "control", "received")
        await workspace.order("publish", "o")
        handle = await workspace.handle()
        counts = await handle.result()
        enrolled, sent = await workspace.users("o", "control"), await workspace.users("o", "sent")
        assert counts == {"control": len(enrolled), "sent": len(sent)}
        assert (enrolled | sent, enrolled & sent) == (everybody, set())
        assert enrolled
        assert await workspace.until("control", "sent", len(enrolled)) == enrolled
        assert await workspace.until("received", "sent", len(sent)) == sent


async def test_stop_pauses_and_resume_goes_on(
    workspace: LaunchWorkspace, sqlite_url: str, environment: WorkflowEnvironment, tmp_path: Path
) -> None:
    """P9: the workflow hears of the stop while it waits for its next minute, and of the resume while it is paused."""
    everybody = await workspace.crowd(6)
    await workspace.drafts(original(messages=EMAIL, per_minute=2))
    async with working(environment, settings_for(workspace.name, sqlite_url, tmp_path)):
        with environment.with_time_skipping_disabled():
            await workspace.order("publish", "o")
            handle = await workspace.handle()
            await workspace.until("o", "sent", 2)
            await workspace.order("stop", "o")
            await _details(handle, "Paused")
            assert (await handle.query(names.PROGRESS))["users"] == {"sent": 2, "waiting": 4}
            await workspace.order("resume", "o")
            await _details(handle, "Sends")
        await environment.fast_forward(handle, timedelta(minutes=5))
        assert await handle.result() == {"sent": 6}
        assert await workspace.users("o", "sent") == everybody


async def test_waits_for_its_time(
    workspace: LaunchWorkspace, sqlite_url: str, environment: WorkflowEnvironment, tmp_path: Path
) -> None:
    """A launch at the company's time waits for it, and is nobody's before; its history stays short."""
    await workspace.crowd(3)
    at = now() + timedelta(days=30)
    await workspace.drafts(original({"at": f"{at:%Y-%m-%d %H:%M}", "zone": "company"}, messages=EMAIL))
    async with working(environment, settings_for(workspace.name, sqlite_url, tmp_path)):
        await workspace.order("publish", "o")
        handle = await workspace.handle()
        assert await handle.result() == {"sent": 3}
    async with workspace.database.read("default") as tx:
        rows = (await tx.execute(select(follow_ups))).all()
    assert Counter(row.dispatched_at >= at.replace(second=0, microsecond=0) for row in rows) == {True: 3}
    assert (await handle.describe()).history_length < 30


async def test_cancel_request_ends_it(
    workspace: LaunchWorkspace, sqlite_url: str, environment: WorkflowEnvironment, tmp_path: Path
) -> None:
    """A cancel request in Temporal's UI: what is left ends as an operator's doing, without anybody's doing more."""
    await workspace.crowd(6)
    await workspace.drafts(original(messages=EMAIL, per_minute=2))
    async with working(environment, settings_for(workspace.name, sqlite_url, tmp_path)):
        with environment.with_time_skipping_disabled():
            await workspace.order("publish", "o")
            handle = await workspace.handle()
            await workspace.until("o", "sent", 2)
            await handle.cancel()
            await workspace.until("o", "dropped", 4)
    assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED


async def _details(handle: WorkflowHandle[Any, Any], word: str) -> None:
    """Poll until the UI's words on it begin so."""

    async def begin_so() -> bool:
        return (await handle.query("__temporal_workflow_metadata")).current_details.startswith(word)

    await until(begin_so, f"details that begin with {word}")
