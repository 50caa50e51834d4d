"""A connection to PostgreSQL that never waits for a silent server beyond a deadline, whoever waits.

psycopg alone waits for ever, and when a waiting task is cancelled for up to ten seconds more: it asks the server to
cancel the statement, and waits for both answers.
"""

from __future__ import annotations

import asyncio
import select
import time
from typing import Any, Literal, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.waiting import wait_async

from connector.store.engine.outages import Outage

_T = TypeVar("_T")
_INTERVAL_SECONDS = 0.1
_PING_AFTER_SECONDS = 5.0
"""A connection that was idle for longer is asked whether it still answers before it is used."""
_FAREWELL_SECONDS = 1.0
"""A connection that the server will close so soon is not used any more."""


class SilentServer(psycopg.OperationalError):
    """The server did not answer before the deadline. The connection is closed."""

    outage = Outage.SILENT


class TransactionTooLong(psycopg.OperationalError):
    """This process did not end its transaction before the deadline. The connection is closed."""

    outage = Outage.BUSY


class BoundedConnection(psycopg.AsyncConnection[Any]):
    """A connection whose every wait ends at `deadline` (time of the event loop; None: no bound).

    A wait that ends without an answer, by the deadline or by cancellation, closes the connection without a word to the
    server: what would come over it later belongs to nobody.
    """

    deadline: float | None = None
    heard_at: float = 0.0
    _is_new = True
    idle_seconds = 60.0
    """The server closes a connection that is idle for longer: a process that needs many only at times leaves their
    slots to others."""

    async def wait(self, gen: PQGen[_T], interval: float = _INTERVAL_SECONDS, timeout: float | None = None) -> _T:  # noqa: ASYNC109 (psycopg's)
        """Wait for the server's answer. Raises SilentServer at the deadline, TransactionTooLong after it."""
        if self.deadline is not None and asyncio.get_running_loop().time() >= self.deadline:
            self.pgconn.finish()
            raise TransactionTooLong("the transaction's deadline passed between two statements")
        try:
            async with asyncio.timeout_at(self.deadline):
                answer = await wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except TimeoutError:
            self.pgconn.finish()
            raise SilentServer("the server did not answer before the deadline") from None
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            self.pgconn.finish()
            raise
        self.heard_at = time.monotonic()
        return answer

    async def set_read_only(self, value: bool | None) -> None:
        """Begin transactions READ ONLY, or as the server's default says.

        An explicit READ WRITE would override `default_transaction_read_only`, and a standby refuses it even for reads.
        """
        await super().set_read_only(value or None)

    async def configure(self) -> None:
        """Apply the settings of the session that the server knows (from PostgreSQL 14) and nobody has set."""
        settings = {
            "client_connection_check_interval": 1000,  # whose client is gone releases its locks within a second
            "idle_session_timeout": round(self.idle_seconds * 1000),
        }
        cases = (
            f"CASE WHEN current_setting('{name}', true) = '0' THEN set_config('{name}', '{milliseconds}', false) END"
            for name, milliseconds in settings.items()
        )
        await self._execute_alone(f"SELECT {', '.join(cases)}")

    async def check(self, suspect_since: float, seconds: float) -> Literal["usable", "closed", "silent"]:
        """Return what the pool may do with this idle connection.

        Nothing is sent if the server answered within the last seconds, unless another connection fell silent since.

        Args:
            suspect_since: the monotonic time at which one last did.
            seconds: how long to wait for the answer.
        """
        self.deadline = None
        if self._is_new:
            self._is_new = False
            return "usable"
        try:
            idle_seconds = time.monotonic() - self.heard_at
            if idle_seconds > self.idle_seconds - _FAREWELL_SECONDS or _is_readable(self.pgconn.socket):
                return "closed"  # an idle server says nothing but farewell
            if idle_seconds < _PING_AFTER_SECONDS and self.heard_at > suspect_since:
                return "usable"
            async with asyncio.timeout(seconds):
                await self._execute_alone(";")
        except TimeoutError:
            return "silent"
        except psycopg.Error:
            return "closed"
        return "usable"

    async def _execute_alone(self, statement: str) -> None:
        await self.set_autocommit(True)
        await self.execute(statement)
        await self.set_autocommit(False)


def _is_readable(socket: int) -> bool:
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
