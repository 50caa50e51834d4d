"""A worker: workflows, activities, outbox and reconciliation of one workspace, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import get_args

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from activities.record import ExceptionSignalReporter
from activities.launch.launch import Launcher
from activities.operate import Operator
from activities.publish import Publisher
from activities.record import Recorder
from activities.send import Sender
from connector import names
from connector.app.configuration import open_database, read_settings
from connector.app.logs import configure_logs
from connector.app.preflight import check_data_folder, check_tables
from connector.app.shutdown import run_unless_stopped, stop_on_signals
from connector.channels.protocol import Channel
from connector.channels.registry import open_channels
from connector.ingest.intake import Intake
from connector.rules.model.errors import ConnectorError
from connector.rules.model.values import ChannelName
from connector.settings.application import Settings
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database, StoreUnavailable
from connector.temporal.client import connect
from connector.temporal.outbox import Outbox
from connector.temporal.reconciliation import Reconciliation
from workflows.follow_up import FollowUpWorkflow
from workflows.launch import LaunchWorkflow
from workflows.registry import RegistryWorkflow

_log = structlog.get_logger("worker")
_GRACE = timedelta(seconds=30)
"""As long as a send may take: what has begun ends, and is not left as `send_unknown`."""


async def run_worker(settings: Settings, stopped: asyncio.Event, *, client: Client | None = None) -> None:
    """Run until `stopped`, then let what has begun end.

    Args:
        client: Temporal's; None: connect as TEMPORAL_* say, and wait for a server that is not there yet.

    Raises:
        NotSetUp: the tables are missing.
        ExceptionGroup: a part of it could not go on; the others have been stopped.
    """
    check_data_folder(settings)
    async with _opened_database(settings) as database, _opened_channels(settings, database) as channels:
        await _check_tables(database)
        client = client or await run_unless_stopped(connect(attempts=None), stopped)
        if client is None:
            return
        outbox = Outbox(database, settings.workspace, client, sweep_seconds=settings.sweep_seconds)
        async with asyncio.TaskGroup() as group:
            for worker in _workers(settings, client, database, channels, outbox):
                group.create_task(_run_until(stopped, worker))
            group.create_task(outbox.run(stopped))
            group.create_task(_reconciliation(settings, client, database).run(stopped))
            _log.info("worker_runs", workspace=settings.workspace, channels=sorted(channels))
    _log.info("worker_stopped")


def _workers(
    settings: Settings, client: Client, database: Database, channels: Mapping[str, Channel], outbox: Outbox
) -> list[Worker]:
    """One for the workflows and what they do in the store, and one for each channel's sends."""
    workspace = settings.workspace
    cache = CatalogueCache(workspace)
    intake = Intake(database, cache, workspace, retention=timedelta(days=settings.retention_days))
    sender = Sender(database, cache, intake, channels, workspace, changed=outbox.nudge)
    publisher = Publisher(database, cache, workspace, changed=outbox.nudge)
    reporter = ExceptionSignalReporter(database, intake, workspace, changed=outbox.nudge)
    main = Worker(
        client,
        task_queue=names.main_queue(workspace),
        workflows=[FollowUpWorkflow, LaunchWorkflow, RegistryWorkflow],
        activities=[
            publisher.carry_out_order,
            publisher.end_waits,
            reporter.report_exception,
            Recorder(intake, changed=outbox.nudge).record_interactions,
            Operator(database, workspace).operate,
            Launcher(database, cache, intake, sender, workspace, changed=outbox.nudge).launch_page,
        ],
        graceful_shutdown_timeout=_GRACE,
    )
    return [main, *(_channel_worker(settings, client, name, sender) for name in get_args(ChannelName))]


def _reconciliation(settings: Settings, client: Client, database: Database) -> Reconciliation:
    return Reconciliation(database, settings.workspace, client, every_seconds=settings.reconcile_seconds)


def _channel_worker(settings: Settings, client: Client, channel: ChannelName, sender: Sender) -> Worker:
    return Worker(
        client,
        task_queue=names.channel_queue(settings.workspace, channel),
        activities=[sender.send],
        max_concurrent_activities=settings.channel_concurrency,
        max_task_queue_activities_per_second=settings.channel_rates.get(channel),
        graceful_shutdown_timeout=_GRACE,
    )


async def _check_tables(database: Database) -> None:
    """A database that is away comes back; one without tables needs somebody."""
    try:
        await check_tables(database)
    except StoreUnavailable:
        _log.warning("database_unreachable", note="what waits is sent when it is back")


async def _run_until(stopped: asyncio.Event, worker: Worker) -> None:
    async with worker:
        await stopped.wait()


@asynccontextmanager
async def _opened_database(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def _opened_channels(settings: Settings, database: Database) -> AsyncIterator[dict[str, Channel]]:
    channels = open_channels(settings, default_console=settings.dev, database=database)
    try:
        yield channels
    finally:
        for channel in set(channels.values()):
            await channel.close()


async def _run_until_told() -> None:
    settings = read_settings()
    configure_logs(settings.log_format)
    await run_worker(settings, stop_on_signals())


def main() -> None:
    """Run a worker as the environment says until SIGTERM, and end the process."""
    code = 0
    try:
        asyncio.run(_run_until_told())
    except ConnectorError as error:
        print(error, file=sys.stderr)
        code = 1
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the SDK sometimes aborts in the interpreter's own end on CPython 3.11


if __name__ == "__main__":
    main()
