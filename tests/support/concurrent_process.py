"""A second process on the same database, which ingests or publishes at the same time as others.

Run as `python -m tests.support.concurrent_process ingest|publish|cross|die URL NAME COUNT`.
"""

import asyncio
import os
import signal
import sys

from connector.store.engine.database import Database
from tests.support.builders import buy, push
from tests.support.installation import Installation
from tests.support.statements import at_statement, batch_of

FAR = 60 * 24 * 365 * 5
"""So far in the future that t is the time of arrival (M7)."""


async def ingest(installation: Installation, name: str, count: int) -> None:
    """Ingest batches of new users' pushes."""
    for batch in range(count):
        await installation.ingest(*(push(f"{name}-{batch}-{n}", FAR, user=f"{name}-{batch}-{n}") for n in range(3)))


async def publish(installation: Installation, name: str, count: int) -> None:
    """Stop and resume the follow-on; if another process was faster, the order is refused or changes nothing."""
    for turn in range(count):
        await installation.order_until_done("stop" if turn % 2 == 0 else "resume", "f")


async def cross(installation: Installation, name: str, count: int) -> None:
    """Ingest pushes and purchases of the same few users from every process at once."""
    for turn in range(count):
        users = [f"u{number}" for number in range(5)]
        make = push if (turn + len(name)) % 2 == 0 else buy
        await installation.ingest(*(make(f"{name}-{turn}-{user}", FAR, user=user) for user in users))


async def die(installation: Installation, name: str, count: int) -> None:
    """Kill this process in the middle of a batch, before the statement of that number."""
    with at_statement(count, lambda _: os.kill(os.getpid(), signal.SIGKILL)):
        await installation.ingest(*batch_of(name))


ACTS = {"ingest": ingest, "publish": publish, "cross": cross, "die": die}


async def _main(act: str, url: str, name: str, count: str) -> None:
    database = Database.open(url)
    await ACTS[act](Installation(database), name, int(count))
    await database.close()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
