"""A worker: runs the workflows, the activities and the outbox of one workspace until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import get_args

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from activities.publish import Publisher
from activities.report import Reporter
from activities.send import Sender
from connector import names
from connector.channels.select import open_channels
from connector.intake import Intake
from connector.outbox import Outbox
from connector.rules.values import ChannelName
from connector.settings import Settings
from connector.store.catalogue_cache import CatalogueCache
from connector.store.database import Database
from connector.temporal import connect
from workflows.follow_up import FollowUp
from workflows.registry import Registry

_log = structlog.get_logger("worker")
_GRACE = timedelta(seconds=30)
"""As long as a send may take: what has begun ends, and is not left as `send_unknown`."""


async def run_worker(settings: Settings, stopped: asyncio.Event, *, client: Client | None = None) -> None:
    """Run until `stopped`, then let what has begun end."""
    client = client or await connect(attempts=None)
    async with AsyncExitStack() as stack:
        database = Database.open(settings.database)
        stack.push_async_callback(database.close)
        channels = open_channels(settings, default_console=settings.dev)
        for channel in set(channels.values()):
            stack.push_async_callback(channel.close)
        workspace = settings.workspace
        cache = CatalogueCache(workspace)
        intake = Intake(database, cache, workspace, retention=timedelta(days=settings.retention_days))
        outbox = Outbox(database, workspace, client, sweep_seconds=settings.sweep_seconds)
        sender = Sender(database, cache, intake, channels, workspace, changed=outbox.nudge)
        publisher = Publisher(database, cache, workspace)
        reporter = Reporter(database, intake, workspace, changed=outbox.nudge)
        for channel_name in get_args(ChannelName):
            await stack.enter_async_context(_channel_worker(client, settings, channel_name, sender))
        await stack.enter_async_context(
            Worker(
                client,
                task_queue=names.main_queue(workspace),
                workflows=[FollowUp, Registry],
                activities=[publisher.carry_out_order, publisher.end_waits, reporter.report_exception],
                graceful_shutdown_timeout=_GRACE,
            )
        )
        sweep = asyncio.create_task(outbox.run(stopped))
        _log.info("worker_runs", workspace=workspace, channels=sorted(channels))
        await stopped.wait()
        await sweep
    _log.info("worker_stopped")


def _channel_worker(client: Client, settings: Settings, channel: str, sender: Sender) -> Worker:
    return Worker(
        client,
        task_queue=names.channel_queue(settings.workspace, channel),
        activities=[sender.send],
        max_concurrent_activities=settings.channel_concurrency,
        max_task_queue_activities_per_second=settings.channel_rates.get(channel),
        graceful_shutdown_timeout=_GRACE,
    )


async def _until_told(settings: Settings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    await run_worker(settings, stopped)


def main() -> None:
    """Run a worker as the environment says; ends the process."""
    asyncio.run(_until_told(Settings()))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # the SDK sometimes aborts in the interpreter's own end on CPython 3.11


if __name__ == "__main__":
    main()
