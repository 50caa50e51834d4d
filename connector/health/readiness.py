"""Readiness of the API and of a worker: what the checks mean for whoever sends traffic to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from connector.health.checks import Check, CheckName, CheckStatus, Impact, run_checks
from connector.health.facts import InstallationFacts
from connector.store.engine.outages import Outage

Role = Literal["api", "worker"]
_STOPPING: dict[Role, tuple[Impact, ...]] = {"api": (Impact.INGEST,), "worker": (Impact.INGEST, Impact.SENDS)}
"""An API is not ready if it cannot accept interactions, a worker if it cannot send."""


@dataclass(frozen=True)
class Readiness:
    """The results of all checks at one moment.

    Args:
        outage: why the database cannot be used; None: it can.
        retried: the (channel, fault) pairs of messages that are due and tried again (W6).
    """

    checks: Sequence[Check]
    outage: Outage | None = None
    retried: Sequence[tuple[str, str]] = ()

    @classmethod
    def of(cls, facts: InstallationFacts) -> Readiness:
        """Decide on the facts."""
        return cls(run_checks(facts), facts.database.outage, facts.database.retried)

    @property
    def failed(self) -> Sequence[Check]:
        """The checks that failed, in their order."""
        return [check for check in self.checks if check.status is CheckStatus.FAILED]

    def is_ok(self, name: CheckName) -> bool:
        """Return whether this check is ok."""
        return any(check.name is name and check.status is CheckStatus.OK for check in self.checks)

    def status(self, role: Role) -> Literal["ready", "degraded", "not_ready"]:
        """Return the status. `degraded`: this process works, and follow-ups wait for another part."""
        impacts = {check.impact for check in self.failed}
        if impacts.intersection(_STOPPING[role]):
            return "not_ready"
        return "degraded" if impacts & {Impact.SENDS, Impact.DELAY} else "ready"

    def http_status(self, role: Role) -> Literal[200, 503]:
        """Return the status code of `/readyz`."""
        return 503 if self.status(role) == "not_ready" else 200

    def body(self, role: Role) -> dict[str, Any]:
        """Return the body of `/readyz`; the keys before `checks` are older than the checks."""
        body: dict[str, Any] = {
            "status": self.status(role),
            "database": self.outage or "ok",
            "temporal": "ok" if self.is_ok(CheckName.TEMPORAL) else "unreachable",
            "worker": "polling" if self.is_ok(CheckName.WORKER) else "none",
        }
        if self.retried:
            body["retried"] = [{"channel": channel, "fault": fault} for channel, fault in self.retried]
        if note := self.note:
            body["note"] = note
        body["checks"] = [
            {"name": check.name, "status": check.status, **({"problem": check.problem} if check.problem else {})}
            for check in self.checks
        ]
        return body

    @property
    def note(self) -> str | None:
        """What the worst failed check means, and its sentence; None: all checks are ok."""
        for impact, meaning in _MEANINGS.items():
            if first := next((check for check in self.failed if check.impact is impact), None):
                return f"{meaning}{first.problem}"
        return None


_MEANINGS = {
    Impact.INGEST: "no interaction is accepted: ",
    Impact.SENDS: "interactions are accepted and stored; their follow-ups start when the rest is back: ",
    Impact.DELAY: "",
    Impact.NOTICE: "",
}
"""By impact, the worst first."""
