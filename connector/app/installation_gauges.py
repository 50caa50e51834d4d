"""The gauges of the whole installation: its checks, and what waits in the database.

However many scrapes come, database and Temporal are queried once in ten seconds. A database that does not answer fails
no scrape: `connector_database_up` is 0 then, and what waits in it is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.exc import SQLAlchemyError

from connector.health.checks import Check, CheckStatus
from connector.health.probe import Probe
from connector.store.engine.database import Database, StoreUnavailable
from connector.store.reporting.backlogs import Backlog, Backlogs, LaunchWork, load_backlogs

_log = structlog.get_logger("metrics")
_EVERY_SECONDS = 10.0
_TIMEOUT_SECONDS = 2.0
_PHASES = ("gathering", "sending", "waiting", "paused")


class InstallationGauges:
    """The gauges of one workspace.

    Args:
        clock: monotonic seconds.
    """

    def __init__(
        self, database: Database, workspace: str, probe: Probe, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._workspace, self._probe, self._clock = database, workspace, probe, clock
        self._turn = asyncio.Lock()
        self._registry, self._until = CollectorRegistry(), float("-inf")

    async def read(self) -> CollectorRegistry:
        """Return the gauges, at most ten seconds old, within some three seconds."""
        async with self._turn:
            if self._clock() >= self._until:
                found, readiness = await asyncio.gather(self._load(), self._probe.read())
                self._registry = create_gauges(self._workspace, found, readiness.checks)
                self._until = self._clock() + _EVERY_SECONDS
            return self._registry

    async def _load(self) -> Backlogs | None:
        try:
            async with (
                asyncio.timeout(_TIMEOUT_SECONDS + 1),
                self._database.read(self._workspace, seconds=_TIMEOUT_SECONDS) as tx,
            ):
                return await load_backlogs(tx)
        except (StoreUnavailable, TimeoutError):
            return None
        except SQLAlchemyError as error:  # such as tables of another version, during an upgrade
            _log.warning("metrics_not_read", error=type(error).__name__)
            return None


def create_gauges(workspace: str, found: Backlogs | None, checks: Sequence[Check]) -> CollectorRegistry:
    """Return a registry with the gauges.

    Args:
        found: what waits in the database; None: it did not answer.
    """
    gauges = _Gauges(workspace)
    for check in checks:
        if check.status is not CheckStatus.UNKNOWN:
            gauges.set("connector_check_ok", float(check.status is CheckStatus.OK), check=check.name)
    gauges.set("connector_database_up", float(found is not None))
    if found is not None:
        _set_backlogs(gauges, found)
        _set_launches(gauges, found)
    return gauges.registry


GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "connector_check_ok": (
        "The checks of `/readyz` and `connector doctor`: 1, or 0 if it fails; left out while it cannot be checked.",
        ("check",),
    ),
    "connector_database_up": ("Whether this process could read the database when it was asked last: 1 or 0.", ()),
    "connector_follow_ups_overdue": (
        "Open follow-ups that have been due for more than a minute, by state, without launches; of the 100,000 open "
        "messages, launches included, that have been due longest.",
        ("state",),
    ),
    "connector_follow_ups_overdue_age_seconds": ("How long the oldest of them has been due.", ("state",)),
    "connector_outbox_backlog": (
        "Rows that the outbox has to start, signal, move or launch; at most 100,000.",
        ("call",),
    ),
    "connector_outbox_backlog_age_seconds": ("How long the oldest of them has waited.", ("call",)),
    "connector_launches": (
        "Launches that have begun and not ended: gathering their audience, sending, waiting for a time, or paused.",
        ("phase",),
    ),
    "connector_launch_open_messages": (
        "Messages of a launch that are still to be sent, at most 10,000; of the 50 oldest launches.",
        ("campaign",),
    ),
    "connector_launch_idle_seconds": (
        "How long a launch with due messages has not been at work; 0 if none is due, or it is paused.",
        ("campaign",),
    ),
}
"""Their descriptions and labels. All have the label `workspace` besides."""


class _Gauges:
    """Gauges of one workspace, created when they are first set."""

    def __init__(self, workspace: str) -> None:
        self.registry, self._workspace = CollectorRegistry(), workspace
        self._gauges: dict[str, Gauge] = {}

    def set(self, name: str, value: float, **labels: str) -> None:
        if name not in self._gauges:
            description, names = GAUGES[name]
            self._gauges[name] = Gauge(name, description, ["workspace", *names], registry=self.registry)
        self._gauges[name].labels(workspace=self._workspace, **labels).set(value)


def _set_backlogs(gauges: _Gauges, found: Backlogs) -> None:
    for state, backlog in found.overdue.items():
        gauges.set("connector_follow_ups_overdue", backlog.count, state=state)
        gauges.set("connector_follow_ups_overdue_age_seconds", _age(backlog, found.now), state=state)
    for call, backlog in found.outbox.items():
        gauges.set("connector_outbox_backlog", backlog.count, call=call)
        gauges.set("connector_outbox_backlog_age_seconds", _age(backlog, found.now), call=call)


def _set_launches(gauges: _Gauges, found: Backlogs) -> None:
    phases = Counter(_phase(launch) for launch in found.launches)
    for phase in _PHASES:
        gauges.set("connector_launches", phases[phase], phase=phase)
    for launch in found.launches:
        gauges.set("connector_launch_open_messages", launch.waiting, campaign=launch.campaign)
        idle = (found.now - launch.kept_up_at).total_seconds() if _phase(launch) == "sending" else 0.0
        gauges.set("connector_launch_idle_seconds", max(0.0, idle), campaign=launch.campaign)


def _phase(launch: LaunchWork) -> str:
    if launch.is_paused:
        return "paused"
    if launch.is_gathering:
        return "gathering"
    return "sending" if launch.due else "waiting"


def _age(backlog: Backlog, now: datetime) -> float:
    return 0.0 if backlog.since is None else max(0.0, (now - backlog.since).total_seconds())
