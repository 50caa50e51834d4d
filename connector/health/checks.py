"""The checks of an installation: each decides on the facts and names what is wrong and the way out, in one sentence.

The start of worker and API, `/readyz` and `connector doctor` use this list. A sentence names no host, user or id,
because `/readyz` needs no key; these are in `detail`, which logs and `connector doctor` show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from connector.health.facts import InstallationFacts
from connector.health.polling import describe_unpolled, lacks_provider
from connector.store.engine.outages import WRITE_REFUSALS
from connector.store.engine.revision import find_revision_fault
from connector.temporal.search_attributes import describe_missing, describe_wrong_types


class CheckName(StrEnum):
    """The names of the checks, in the order in which they are shown."""

    DATABASE = "database"
    WRITABLE = "database_writable"
    TABLES = "tables"
    TEMPORAL = "temporal"
    NAMESPACE = "namespace"
    SEARCH_ATTRIBUTES = "search_attributes"
    OUTBOX = "outbox"
    WORKER = "worker"
    WORKFLOW_TASKS = "workflow_tasks"
    PROVIDERS = "providers"
    SENDS = "sends"
    RESULTS = "results"
    CLEANUP = "cleanup"
    AGREEMENT = "agreement"
    """Made by `connector doctor` alone: it reads more than a probe may."""


class CheckStatus(StrEnum):
    """`unknown`: it cannot be checked, because of another check that failed or because nothing answered in time."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Impact(StrEnum):
    """What does not work while a check fails."""

    INGEST = "ingest"
    """No interaction is accepted, and nothing is sent."""
    SENDS = "sends"
    """Interactions are accepted and stored; their follow-ups start later."""
    DELAY = "delay"
    """Some follow-ups do not continue."""
    NOTICE = "notice"
    """Some messages wait; everything else works."""


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Args:
        problem: one sentence: what is wrong and the way out, or why it is unknown; None: it is ok.
        detail: names and texts that are not for everyone who can reach `/readyz`.
        impact: None unless the check failed.
    """

    name: CheckName
    status: CheckStatus = CheckStatus.OK
    problem: str | None = None
    detail: str | None = None
    impact: Impact | None = None


def run_checks(facts: InstallationFacts) -> list[Check]:
    """Return the result of every check, in the order of `CheckName`."""
    return [check(facts) for check in CHECKS]


def check_database(facts: InstallationFacts) -> Check:
    """Check that a transaction is possible."""
    found = facts.database
    if found.outage is None or found.outage in WRITE_REFUSALS:
        return Check(CheckName.DATABASE)
    return _failed(
        CheckName.DATABASE, Impact.INGEST, f"the database cannot be used ({found.outage}): {found.advice}", found.detail
    )


def check_writable(facts: InstallationFacts) -> Check:
    """Check that the database does not refuse writes."""
    found = facts.database
    if found.lacking:
        named = ", ".join(found.lacking[:5]) + (" …" if len(found.lacking) > 5 else "")
        return _failed(
            CheckName.WRITABLE,
            Impact.INGEST,
            "the user of CONNECTOR_DATABASE_URL may not read and write every table: GRANT it SELECT, INSERT, UPDATE "
            "and DELETE ON ALL TABLES IN SCHEMA, and ALTER DEFAULT PRIVILEGES for the partitions to come",
            f"it lacks a privilege on {named}",
        )
    if found.outage is None:
        return Check(CheckName.WRITABLE)
    if found.outage not in WRITE_REFUSALS:
        return _unknown(CheckName.WRITABLE, CheckName.DATABASE)
    problem = f"the database refuses writes ({found.outage}): {found.advice}"
    return _failed(CheckName.WRITABLE, Impact.INGEST, problem, found.detail)


def check_tables(facts: InstallationFacts) -> Check:
    """Check that this program can work with the tables. Too new ones do not stop a process that runs already."""
    if check_database(facts).status is not CheckStatus.OK:
        return _unknown(CheckName.TABLES, CheckName.DATABASE)
    fault = find_revision_fault(facts.database.revisions, facts.database.oldest_program, facts.newest_revision)
    if fault is None:
        return Check(CheckName.TABLES)
    return _failed(CheckName.TABLES, Impact.INGEST, fault.sentence)


def check_temporal(facts: InstallationFacts) -> Check:
    """Check that Temporal answers."""
    found = facts.temporal
    if found.problem is None:
        return Check(CheckName.TEMPORAL)
    return _failed(CheckName.TEMPORAL, Impact.SENDS, found.problem, found.detail)


def check_namespace(facts: InstallationFacts) -> Check:
    """Check that the namespace exists."""
    found = facts.temporal
    if found.has_namespace is None:
        return _unknown(CheckName.NAMESPACE, CheckName.TEMPORAL)
    if found.has_namespace:
        return Check(CheckName.NAMESPACE)
    return _failed(
        CheckName.NAMESPACE,
        Impact.SENDS,
        f"Temporal has no namespace {found.namespace}: create it with `temporal operator namespace create -n "
        f"{found.namespace}` (Temporal Cloud: in its UI or with `tcld namespace create`), or correct "
        "TEMPORAL_NAMESPACE; then run `connector setup`",
    )


def check_search_attributes(facts: InstallationFacts) -> Check:
    """Check that every search attribute is registered, with its type."""
    name, registered = CheckName.SEARCH_ATTRIBUTES, facts.temporal.search_attributes
    if registered is None:
        return _unknown(name, _what_hides_workflows(facts))
    missing = {one: kind for one, kind in facts.expected.items() if one not in registered}
    if wrong := describe_wrong_types(registered, facts.expected):
        return _failed(name, Impact.SENDS, wrong)
    return _failed(name, Impact.SENDS, describe_missing(missing, facts.temporal.namespace)) if missing else Check(name)


def check_outbox(facts: InstallationFacts) -> Check:
    """Check that Temporal does not refuse every start of a follow-up. Only a worker or an API knows that."""
    if facts.outbox is None:
        unknown = "it is known to running workers and APIs only: see their `/readyz`"
        return Check(CheckName.OUTBOX, CheckStatus.UNKNOWN, unknown)
    if facts.temporal.problem is not None:
        return _unknown(CheckName.OUTBOX, CheckName.TEMPORAL)
    if facts.outbox.refusal is None:
        return Check(CheckName.OUTBOX)
    return _failed(
        CheckName.OUTBOX,
        Impact.SENDS,
        "Temporal refuses every start of a follow-up, so that they wait: correct what the other checks or the log "
        "(outbox_rests) name; they start by themselves within half a minute",
        facts.outbox.refusal,
    )


def check_worker(facts: InstallationFacts) -> Check:
    """Check that a worker polls each task queue, and that Temporal gives tasks to its build."""
    if facts.temporal.queues is None:
        return _unknown(CheckName.WORKER, _what_hides_workflows(facts))
    problem = describe_unpolled(facts.temporal, facts.temporal.queues)
    return Check(CheckName.WORKER) if problem is None else _failed(CheckName.WORKER, Impact.SENDS, problem)


def check_workflow_tasks(facts: InstallationFacts) -> Check:
    """Check that no workflow's tasks fail again and again."""
    reported = facts.temporal.reported
    if reported is None:
        return _unknown(CheckName.WORKFLOW_TASKS, _what_hides_workflows(facts))
    if reported.count == 0:
        return Check(CheckName.WORKFLOW_TASKS)
    return _failed(
        CheckName.WORKFLOW_TASKS,
        Impact.DELAY,
        f"the workflow tasks of {reported.count} workflow{'s' * (reported.count > 1)} fail, and they wait: find "
        "`Failed handling activation` in the workers' logs and deploy a fixed worker; "
        "`temporal workflow list -q 'TemporalReportedProblems IS NOT NULL'` lists them",
        reported.workflow_id and f"one of them: {reported.workflow_id}",
    )


def check_providers(facts: InstallationFacts) -> Check:
    """Check that the workers have a provider for every channel that a live campaign uses."""
    name, channels, queues = CheckName.PROVIDERS, facts.database.channels, facts.temporal.queues
    if channels is None:
        return _unknown(name, _what_hides_rows(facts))
    lacking = {channel for channel, fault in facts.database.retried if fault == "no_provider"}
    lacking |= {queue.channel for queue in queues or () if queue.channel and lacks_provider(queue)}
    lacking &= set(channels)
    if lacking:
        named = ", ".join(sorted(lacking))
        campaigns = sorted({campaign for channel in lacking for campaign in channels[channel]})
        return _failed(
            name,
            Impact.NOTICE,
            f"a worker has no provider for {named}, which live campaigns use, so that their messages wait and become "
            "stale: set one up for all workers (docs/channels.md), or remove the messages",
            f"campaigns: {', '.join(campaigns[:10])}{' …' if len(campaigns) > 10 else ''}",
        )
    return _unknown(name, _what_hides_workflows(facts)) if queues is None and channels else Check(name)


def check_sends(facts: InstallationFacts) -> Check:
    """Check that no message that is due is tried again (W6)."""
    faults = ", ".join(f"{channel} ({fault})" for channel, fault in facts.database.retried)
    problem = (
        f"messages are due and tried again until they are stale: {faults}: restore the provider, or correct its "
        "settings"
    )
    return _check_rows(facts, CheckName.SENDS, problem if faults else None)


def check_results(facts: InstallationFacts) -> Check:
    """Check that the result of every message is known (guarantee 4)."""
    count = facts.database.unknown_results
    problem = (
        f"it is unknown whether the messages of {count} follow-up{'s' * (count > 1)} were sent: `connector follow-ups "
        "--state failed --reason send_unknown` lists them; ask the provider, then `connector resolve`"
    )
    return _check_rows(facts, CheckName.RESULTS, problem if count else None)


def check_cleanup(facts: InstallationFacts) -> Check:
    """Check that a cleanup has succeeded within two days."""
    return _check_rows(facts, CheckName.CLEANUP, facts.database.cleanup_fault)


CHECKS: Sequence[Callable[[InstallationFacts], Check]] = (
    check_database,
    check_writable,
    check_tables,
    check_temporal,
    check_namespace,
    check_search_attributes,
    check_outbox,
    check_worker,
    check_workflow_tasks,
    check_providers,
    check_sends,
    check_results,
    check_cleanup,
)


def _check_rows(facts: InstallationFacts, name: CheckName, problem: str | None) -> Check:
    """Return the check of what the rows say: `problem` if they can be read; None: they have none."""
    if check_tables(facts).status is not CheckStatus.OK:
        return _unknown(name, _what_hides_rows(facts))
    return Check(name) if problem is None else _failed(name, Impact.NOTICE, problem)


def _what_hides_rows(facts: InstallationFacts) -> CheckName:
    return CheckName.TABLES if check_database(facts).status is CheckStatus.OK else CheckName.DATABASE


def _what_hides_workflows(facts: InstallationFacts) -> CheckName:
    return CheckName.NAMESPACE if facts.temporal.has_namespace is False else CheckName.TEMPORAL


def _failed(name: CheckName, impact: Impact, problem: str, detail: str | None = None) -> Check:
    return Check(name, CheckStatus.FAILED, problem, detail, impact)


def _unknown(name: CheckName, cause: CheckName) -> Check:
    return Check(name, CheckStatus.UNKNOWN, f"it cannot be checked because of `{cause}`")
