"""The probe: one load however many callers, within its deadline, and Temporal's answers used again for a while."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from connector.health import probe as probe_module
from connector.health.checks import CheckName, CheckStatus
from connector.health.database_facts import channels_in_use
from connector.health.facts import NO_PROVIDER, TemporalFacts
from connector.health.polling import is_polled
from connector.health.probe import Probe
from connector.health.readiness import Readiness
from connector.health.temporal_facts import load_temporal_facts
from connector.settings.environment import SettingsWrong
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database
from connector.temporal.client import TemporalLink, TemporalUnavailable
from tests.support.api import Clock
from tests.support.builders import ORIGINAL, PUSHED, follow_on
from tests.support.installation import Installation
from tests.support.polling import until
from tests.support.workspace import Workspace, settings_for, working

EMAIL = {"email": {"subject": "Hello", "text": "Come back"}}


class AwayLink(TemporalLink):
    """A link to a Temporal that is away, or silent, and counts how often it is asked."""

    def __init__(self, error: Exception | None = None, *, is_silent: bool = False) -> None:
        super().__init__()
        self.calls, self._is_silent = 0, is_silent
        self._error = error or TemporalUnavailable("it is away")

    async def client(self) -> Client:
        self.calls += 1
        await asyncio.sleep(3600 if self._is_silent else 0)
        raise self._error


def status_of(found: Readiness, name: CheckName) -> CheckStatus:
    return next(check.status for check in found.checks if check.name is name)


async def test_probes_share_a_load(sqlite_database: Database) -> None:
    """A hundred probes at once cost what one costs; Temporal is asked again after a second, because it was away."""
    clock, link = Clock(), AwayLink()
    probe = Probe(sqlite_database, CatalogueCache(), "default", link, clock=clock)
    with sqlite_database.count_statements() as alone:
        await probe.read()
    with sqlite_database.count_statements() as together:
        found = await asyncio.gather(*(probe.read() for _ in range(100)))
    assert len(together.statements) == len(alone.statements)
    assert {id(one) for one in found} == {id(found[0])}
    assert link.calls == 1
    clock.now += 1
    await probe.read()
    assert link.calls == 2


async def test_a_caller_that_goes_leaves_the_others_their_result(sqlite_database: Database) -> None:
    """A probe whose client has hung up does not end the load that others wait for."""
    probe = Probe(sqlite_database, CatalogueCache(), "default", AwayLink())
    hasty, patient = asyncio.create_task(probe.read()), asyncio.create_task(probe.read())
    await asyncio.sleep(0)
    hasty.cancel()
    assert status_of(await patient, CheckName.DATABASE) is CheckStatus.OK


async def test_a_silent_temporal_takes_no_longer_than_the_deadline(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database's checks are there, Temporal's fails, and what depends on it is unknown."""
    monkeypatch.setattr(probe_module, "PROBE_SECONDS", 0.1)
    started_at = time.monotonic()
    found = await Probe(sqlite_database, CatalogueCache(), "default", AwayLink(is_silent=True)).read()
    assert time.monotonic() - started_at < 30
    assert status_of(found, CheckName.TABLES) is CheckStatus.OK
    assert status_of(found, CheckName.TEMPORAL) is CheckStatus.FAILED
    assert status_of(found, CheckName.WORKER) is CheckStatus.UNKNOWN


@pytest.mark.parametrize(
    "error",
    [
        SettingsWrong("TEMPORAL_*: cannot read /etc/db-7.internal.pem"),
        TemporalUnavailable("Temporal cannot be reached at db-7.internal:7233: a new error"),
        RPCError("db-7.internal is overloaded", RPCStatusCode.UNAVAILABLE, b""),
    ],
)
async def test_hosts_and_files_are_in_the_detail_only(sqlite_database: Database, error: Exception) -> None:
    """A sentence of `/readyz`, which needs no key, quotes no text of the SDK or the server; the detail does."""
    found = await Probe(sqlite_database, CatalogueCache(), "default", AwayLink(error)).read()
    failed = next(check for check in found.failed if check.name is CheckName.TEMPORAL)
    assert "db-7.internal" not in str(found.body("worker"))
    assert "db-7.internal" in str(failed.detail)


async def test_tables_that_cannot_be_read(sqlite_database: Database) -> None:
    """A table that is missing although the revision is right is a failed check, not a defect."""
    async with sqlite_database.write("default", lock="exclusive") as tx:
        await tx.execute(text("DROP TABLE catalogue"))
    found = await Probe(sqlite_database, CatalogueCache(), "default", AwayLink()).read()
    assert "restore the tables" in str(found.failed[0].problem)


async def test_a_worker_without_a_provider_says_so(
    environment: WorkflowEnvironment, sqlite_database: Database, sqlite_url: str, tmp_path: Path
) -> None:
    """The worker polls the channel's queue under an identity that says so to every process; the other checks are ok."""
    workspace = Workspace(sqlite_database, environment)
    settings = settings_for(workspace.name, sqlite_url, tmp_path).model_copy(update={"dev": False})
    link = TemporalLink(environment.client)

    async def polled() -> TemporalFacts | None:
        found = await load_temporal_facts(link, workspace.name, 30)
        return found if found.queues and all(is_polled(queue) for queue in found.queues) else None

    async with working(environment, settings):
        found: TemporalFacts = await until(polled, seconds=120)
    assert found.queues is not None
    lacking = {
        queue.channel
        for queue in found.queues
        if any(poller.identity.endswith(NO_PROVIDER) for poller in queue.pollers)
    }
    assert lacking == {"email", "sms", "push"}


async def test_channels_of_live_campaigns(sqlite_database: Database) -> None:
    """A stopped or an external campaign uses no channel; a live one each channel of its messages."""
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, follow_on("nudge", PUSHED, messages=EMAIL), follow_on("gone", PUSHED))
    await installation.order("stop", "gone")
    found = channels_in_use(await installation.cache.at_least(sqlite_database))
    assert dict(found) == {"email": ["nudge"]}
