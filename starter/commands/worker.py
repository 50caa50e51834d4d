"""`connector worker`: runs workflows, sends and the outbox."""

from __future__ import annotations

from connector.app.event_loop import run_service
from connector.app.shutdown import stop_on_signals
from starter.commands.options import DataOption
from starter.commands.session import start_command


def worker(data: DataOption = None) -> None:
    """Run a worker until SIGTERM: workflows, sends and the outbox. Any number of workers can run.

    It waits for Temporal if that is not running yet, and completes the sends that it has begun before it stops.

    Example:

      TEMPORAL_ADDRESS=temporal:7233 connector worker
    """
    settings = start_command(data)
    from worker import run_worker  # it needs activities and workflows, so wrong settings are reported before

    async def work() -> None:
        await run_worker(settings, stop_on_signals())

    run_service(work())
