"""The facts that the checks decide on: the state of the database and of Temporal at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from connector.store.engine.outages import Outage

NO_PROVIDER = " (no provider)"
"""The end of a poller's identity by which a worker says that it has no provider for the channel of that task queue."""


@dataclass(frozen=True)
class DatabaseFacts:
    """The facts about the database, as one short transaction found them.

    Args:
        outage: why no transaction is possible, or why writes are refused; None: the database is usable.
        advice: what to do about the outage.
        detail: host, port, database and the reason as the server or the driver gave them; never a password.
        lacking: the tables on which the user of the database lacks a privilege.
        revisions: the rows of `alembic_version`; None: there is no such table.
        oldest_program: what `read_oldest_program` returns.
        retried: the (channel, fault) pairs of messages that are due and tried again (W6).
        unknown_results: how many follow-ups failed because it is unknown whether their message was sent.
        channels: the live campaigns by each channel that they use; None: not known.
        cleanup_fault: why what is past its use is not deleted, and the way out, in one sentence; None: it is.
    """

    outage: Outage | None = None
    advice: str | None = None
    detail: str | None = None
    revisions: Sequence[str] | None = ()
    oldest_program: str | None = None
    lacking: Sequence[str] = ()
    retried: Sequence[tuple[str, str]] = ()
    unknown_results: int = 0
    channels: Mapping[str, Sequence[str]] | None = None
    cleanup_fault: str | None = None


@dataclass(frozen=True)
class Poller:
    """A client that polls a task queue.

    Args:
        seconds_ago: the age of its last poll, by this machine's clock.
        build_id: the build, if the worker is versioned.
    """

    identity: str
    seconds_ago: float
    build_id: str | None = None


@dataclass(frozen=True)
class TaskQueueFacts:
    """One task queue of the workspace and who polls it.

    Args:
        channel: whose sends it carries; None: the queue of follow-ups or of the registry.
    """

    name: str
    kind: Literal["workflow", "activity"]
    pollers: Sequence[Poller]
    channel: str | None = None


@dataclass(frozen=True)
class ReportedProblems:
    """Workflows whose tasks fail (TemporalReportedProblems): how many, and the id of one of them."""

    count: int
    workflow_id: str | None


@dataclass(frozen=True)
class TemporalFacts:
    """The facts about Temporal.

    Args:
        problem: why it cannot be used, and the way out; None: it answers.
        detail: the address, and the error as it was given.
        has_namespace: whether the namespace exists; None: not known.
        search_attributes: the registered types by name, such as `Keyword`; None: not known.
        queues: None: not known.
        reported: None: not known.
        builds: the builds whose workers get tasks; None among them: workers without a build id.
        deployment: the name of the workspace's Worker Deployment.
    """

    problem: str | None = None
    detail: str | None = None
    namespace: str = "default"
    has_namespace: bool | None = None
    search_attributes: Mapping[str, str] | None = None
    queues: Sequence[TaskQueueFacts] | None = None
    reported: ReportedProblems | None = None
    builds: frozenset[str | None] = frozenset({None})
    deployment: str = ""


@dataclass(frozen=True)
class OutboxFacts:
    """`refusal` is what Temporal answers to every start of a follow-up, so that the outbox rests; None: it works."""

    refusal: str | None


@dataclass(frozen=True)
class InstallationFacts:
    """Everything that the checks decide on.

    Args:
        outbox: what this process's outbox knows; None: there is none.
        expected: the names and types of the search attributes that this program needs.
        newest_revision: of the tables that this program needs.
    """

    database: DatabaseFacts
    temporal: TemporalFacts
    expected: Mapping[str, str] = field(default_factory=dict)
    newest_revision: str = ""
    outbox: OutboxFacts | None = None
