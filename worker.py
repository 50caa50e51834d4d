"""The worker: workflows, activities, outbox and reconciliation of one workspace."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, get_args

import structlog
from temporalio.client import Client
from temporalio.worker import Worker, WorkerDeploymentConfig

from activities.launch.launch import Launcher
from activities.operate import Operator
from activities.publish import Publisher
from activities.record import ExceptionSignalReporter, Recorder
from activities.send import Sender
from connector import names
from connector.app.cleanup import DailyCleanup
from connector.app.configuration import read_settings
from connector.app.context import AppContext, open_context
from connector.app.count_folding import fold_until
from connector.app.event_loop import run_service
from connector.app.logs import configure_logs
from connector.app.preflight import check_data_folder, check_tables
from connector.app.shutdown import run_unless_stopped, stop_on_signals
from connector.app.temporal_variables import warn_of_slips
from connector.app.tracing import tracing
from connector.app.version import program_version
from connector.app.worker_port import open_worker_port
from connector.channels.keeping import open_keeper
from connector.channels.protocol import Channel
from connector.channels.registry import open_channels
from connector.health.check_log import watch_checks
from connector.health.facts import NO_PROVIDER
from connector.rules.model.errors import ConnectorError
from connector.rules.model.values import ChannelName
from connector.settings.application import Settings
from connector.store.engine.database import Database, StoreUnavailable
from connector.temporal.client import TemporalLink
from connector.temporal.versions import deployment_config
from workflows.follow_up import FollowUpWorkflow
from workflows.launch import LaunchWorkflow
from workflows.registry import RegistryWorkflow

_log = structlog.get_logger("worker")
_SHUTDOWN_TIMEOUT = timedelta(seconds=30)
"""As long as a send may take, so that every send that has begun ends and none becomes `send_unknown`."""

_MAX_CACHED_WORKFLOWS = 400
"""Follow-ups that are kept in memory between their tasks: those that are being sent, and short waits.

Each takes 0.1 MiB. Measured per follow-up: 26 requests to Temporal's server from the cache, 34 if it is too small for
those that are being sent, and 26 without a cache, but then 5 to 8 ms more of the worker's CPU time (docs/load.md).
"""
_MAX_CONCURRENT_WORKFLOW_TASKS = 16
"""As many threads: Python runs one at a time, and a task that waits for its turn with 99 others looks deadlocked."""


async def run_worker(settings: Settings, stopped: asyncio.Event, *, client: Client | None = None) -> None:
    """Run until `stopped`, then complete what has begun.

    Args:
        client: Temporal's client; None: connect by TEMPORAL_*, and wait until the server answers.

    Raises:
        NotSetUp: the data folder is missing. WrongTables: the tables do not fit this program.
        StoreUnavailable: the database refuses these settings.
        PortTaken: another process listens on the worker's port.
        ExceptionGroup: a part of the worker failed; the other parts have been stopped.
    """
    check_data_folder(settings)
    with tracing(settings, "worker"):
        await _run_parts(settings, stopped, client)
    _log.info("worker_stopped")


async def _run_parts(settings: Settings, stopped: asyncio.Event, client: Client | None) -> None:
    async with (
        open_context(settings, TemporalLink(client)) as context,
        open_worker_port(context, stopped),
        _open_channels(context) as channels,
        _open_sender(context, channels) as sender,
    ):
        await _check_tables(context.database)
        client = await run_unless_stopped(context.temporal.wait_for_client(), stopped)
        if client is None:
            return
        async with asyncio.TaskGroup() as group:
            for worker in _create_workers(context, client, sender, channels):
                group.create_task(_run_until(stopped, worker))
            group.create_task(context.outbox.run(stopped))
            group.create_task(context.reconciliation.run(stopped))
            group.create_task(DailyCleanup(context.database, context.cache, context.settings).run(stopped))
            group.create_task(fold_until(context.database, context.workspace, stopped))
            group.create_task(watch_checks(context.probe.read, stopped))
            _log.info(
                "worker_started",
                workspace=context.workspace,
                channels=sorted(channels),
                version=program_version(),
                build_id=settings.build_id,
            )


def _create_workers(context: AppContext, client: Client, sender: Sender, channels: Collection[str]) -> list[Worker]:
    """Create a worker for follow-ups and launches, one for the registry, and one for the sends of each channel.

    The registry's has slots and pollers of its own, so that orders do not wait for the follow-ups that are due.
    """
    database, cache, intake, workspace = context.database, context.cache, context.intake, context.workspace
    nudge = context.outbox.nudge
    publisher = Publisher(database, cache, workspace, changed=nudge, providers=context.settings.provided_channels)
    launcher = Launcher(
        database,
        cache,
        intake,
        sender,
        workspace,
        rates=_rates(context.settings),
        changed=nudge,
        messages=context.settings.channel_concurrency,
    )
    orders: list[Callable[..., Any]] = [publisher.carry_out_order, publisher.end_waits]
    registry = Worker(
        client,
        task_queue=names.registry_queue(workspace),
        workflows=[RegistryWorkflow],
        activities=orders,
        graceful_shutdown_timeout=_SHUTDOWN_TIMEOUT,
        deployment_config=_deployment(context.settings),
    )
    main = Worker(
        client,
        task_queue=names.main_queue(workspace),
        workflows=[FollowUpWorkflow, LaunchWorkflow, RegistryWorkflow],
        activities=[
            *orders,  # with the registry above, for a run of an earlier version: it moves when it continues as new
            ExceptionSignalReporter(database, intake, workspace, changed=nudge).report_exception,
            Recorder(intake, changed=nudge).record_interactions,
            Operator(database, workspace).operate,
            launcher.launch_page,
        ],
        max_cached_workflows=_MAX_CACHED_WORKFLOWS,
        max_concurrent_workflow_tasks=_MAX_CONCURRENT_WORKFLOW_TASKS,
        graceful_shutdown_timeout=_SHUTDOWN_TIMEOUT,
        deployment_config=_deployment(context.settings),
    )
    return [
        main,
        registry,
        *(_create_channel_worker(context.settings, client, name, sender, channels) for name in get_args(ChannelName)),
    ]


def _deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    return deployment_config(settings.workspace, settings.build_id)


def _rates(settings: Settings) -> dict[str, float]:
    return {str(channel): rate for channel, rate in settings.channel_rates.items()}


def _create_channel_worker(
    settings: Settings, client: Client, channel: ChannelName, sender: Sender, channels: Collection[str]
) -> Worker:
    """Create the worker of a channel's sends; its identity says if this process has no provider for the channel."""
    return Worker(
        client,
        task_queue=names.channel_queue(settings.workspace, channel),
        identity=client.identity if channel in channels else client.identity + NO_PROVIDER,
        activities=[sender.send],
        max_concurrent_activities=settings.channel_concurrency,
        max_task_queue_activities_per_second=settings.channel_rates.get(channel),
        graceful_shutdown_timeout=_SHUTDOWN_TIMEOUT,
        deployment_config=_deployment(settings),
    )


async def _check_tables(database: Database) -> None:
    """Check the tables, unless the database is down: it may come back, but wrong settings and tables do not."""
    try:
        await check_tables(database)
    except StoreUnavailable as error:
        if error.is_permanent:
            raise
        _log.warning("worker_without_database", note="waiting follow-ups are sent when it is back")


async def _run_until(stopped: asyncio.Event, worker: Worker) -> None:
    async with worker:
        await stopped.wait()


@asynccontextmanager
async def _open_channels(context: AppContext) -> AsyncIterator[dict[str, Channel]]:
    settings = context.settings
    channels = open_channels(settings, default_console=settings.dev, database=context.database)
    try:
        yield channels
    finally:
        for channel in set(channels.values()):
            await channel.close()


@asynccontextmanager
async def _open_sender(context: AppContext, channels: Mapping[str, Channel]) -> AsyncIterator[Sender]:
    sender = Sender(
        context.database,
        context.cache,
        context.intake,
        channels,
        context.workspace,
        rates=_rates(context.settings),
        link_hosts=context.settings.link_hosts,
        keeper=open_keeper(context.settings),
        changed=context.outbox.nudge,
    )
    try:
        yield sender
    finally:
        await sender.ledger.close(timeout_seconds=_SHUTDOWN_TIMEOUT.total_seconds())


async def _run() -> None:
    settings = read_settings()
    configure_logs(settings.log_format)
    warn_of_slips()
    await run_worker(settings, stop_on_signals())


def main() -> None:
    """Run a worker with the settings of the environment until SIGTERM, and end the process."""
    code = 0
    configure_logs()  # until the settings are read
    try:
        run_service(_run())
    except ConnectorError as error:
        _log.error("worker_refused", text=str(error), error=type(error).__name__)
        code = 1
    except Exception:
        _log.critical("worker_crashed", exc_info=True)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the SDK sometimes aborts at interpreter exit on CPython 3.11


if __name__ == "__main__":
    main()
