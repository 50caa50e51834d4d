"""`connector worker`: workflows, sends and the outbox."""

from __future__ import annotations

from connector.app.shutdown import stop_on_signals
from starter.commands.options import DataOption
from starter.commands.session import begin, run
from worker import run_worker


def worker(data: DataOption = None) -> None:
    """Run a worker until SIGTERM: workflows, sends, and the outbox. Run as many as you like.

    It waits for Temporal where that is not there yet, and lets sends that have begun end before it stops.

    Example:

      TEMPORAL_ADDRESS=temporal:7233 connector worker
    """
    settings = begin(data)

    async def work() -> None:
        await run_worker(settings, stop_on_signals())

    run(work())
