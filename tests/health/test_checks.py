"""The checks of an installation, as decisions on facts: each problem is one sentence with the way out."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from connector.health.check_log import CheckLog
from connector.health.checks import CheckName, CheckStatus, run_checks
from connector.health.facts import (
    NO_PROVIDER,
    DatabaseFacts,
    InstallationFacts,
    OutboxFacts,
    Poller,
    ReportedProblems,
    TaskQueueFacts,
    TemporalFacts,
)
from connector.health.readiness import Readiness
from connector.store.cleanup.runs import CleanupState, find_cleanup_fault
from connector.store.engine.outages import ADVICE, Outage
from tests.support.api import Clock
from tests.support.repository import ROOT

NEWEST = "0016"
_NOW = datetime(2026, 3, 10, tzinfo=UTC)
OLD_DATA = find_cleanup_fault(CleanupState(None, None, None, _NOW - timedelta(days=3), "locks", {}, _NOW))
EXPECTED = {"CampaignId": "Keyword", "DueAt": "Datetime"}


def queue(*seconds_ago: float, name: str = "q", channel: str | None = None, identity: str = "1@host") -> TaskQueueFacts:
    """Return a task queue with pollers of these ages."""
    return TaskQueueFacts(name, "activity", [Poller(identity, age) for age in seconds_ago], channel)


GOOD = InstallationFacts(
    DatabaseFacts(revisions=(NEWEST,), channels={"email": ["welcome"]}),
    TemporalFacts(
        has_namespace=True,
        search_attributes=EXPECTED,
        queues=[queue(3), queue(59, name="q-send-email", channel="email")],
        reported=ReportedProblems(0, None),
    ),
    EXPECTED,
    NEWEST,
    OutboxFacts(None),
)


def with_database(**changes: Any) -> InstallationFacts:
    """Return good facts but for the database's."""
    return replace(GOOD, database=replace(GOOD.database, **changes))


def with_temporal(**changes: Any) -> InstallationFacts:
    """Return good facts but for Temporal's."""
    return replace(GOOD, temporal=replace(GOOD.temporal, **changes))


def with_builds(*with_tasks: str | None, polling: str | None) -> InstallationFacts:
    """Return good facts but for the builds: those that get tasks, and the one that polls."""
    queues = [TaskQueueFacts("q", "activity", [Poller("1@host", 3, polling)])]
    return with_temporal(queues=queues, builds=frozenset(with_tasks), deployment="d")


def down(outage: Outage) -> InstallationFacts:
    """Return the facts during an outage."""
    return replace(GOOD, database=DatabaseFacts(outage, ADVICE[outage], revisions=(NEWEST,)))


NO_TEMPORAL = replace(GOOD, temporal=TemporalFacts("Temporal cannot be reached: start its server"))


def test_everything_is_ok() -> None:
    """A good installation has no problem, and its body has the contract's keys."""
    found = Readiness.of(GOOD)
    assert [*(check.name for check in found.checks), CheckName.AGREEMENT] == list(CheckName)
    assert {check.status for check in found.checks} == {CheckStatus.OK}
    body = found.body("api")
    assert [body[key] for key in ("status", "database", "temporal", "worker")] == ["ready", "ok", "ok", "polling"]
    assert "note" not in body
    assert "retried" not in body


@pytest.mark.parametrize(
    ("facts", "because_of"),
    [(down(Outage.UNREACHABLE), "database"), (replace(GOOD, database=DatabaseFacts(revisions=())), "tables")],
)
def test_what_only_the_rows_tell_is_unknown_without_them(facts: InstallationFacts, because_of: str) -> None:
    """No check is ok that could not be made, and it names the check that keeps it."""
    found = {check.name: check for check in Readiness.of(facts).checks}
    hidden = [found[name] for name in (CheckName.PROVIDERS, CheckName.SENDS, CheckName.RESULTS, CheckName.CLEANUP)]
    assert {check.status for check in hidden} == {CheckStatus.UNKNOWN}
    assert {check.problem for check in hidden} == {f"it cannot be checked because of `{because_of}`"}


@pytest.mark.parametrize(
    ("found", "because_of"),
    [(NO_TEMPORAL.temporal, "temporal"), (TemporalFacts(has_namespace=False), "namespace")],
)
def test_what_only_the_namespace_tells_is_unknown_without_it(found: TemporalFacts, because_of: str) -> None:
    """A missing namespace is named, not the server, which answers."""
    checks = {check.name: check for check in Readiness.of(replace(GOOD, temporal=found)).checks}
    names = (CheckName.SEARCH_ATTRIBUTES, CheckName.WORKER, CheckName.WORKFLOW_TASKS, CheckName.PROVIDERS)
    assert {checks[name].problem for name in names} == {f"it cannot be checked because of `{because_of}`"}


@pytest.mark.parametrize(
    ("facts", "name", "part", "api", "worker"),
    [
        (down(Outage.UNREACHABLE), "database", "CONNECTOR_DATABASE_URL", "not_ready", "not_ready"),
        (down(Outage.SILENT), "database", "proxies and firewalls", "not_ready", "not_ready"),
        (down(Outage.READ_ONLY), "database_writable", "promote", "not_ready", "not_ready"),
        (down(Outage.DISK_FULL), "database_writable", "disk space", "not_ready", "not_ready"),
        (with_database(revisions=None), "tables", "run `connector setup`", "not_ready", "not_ready"),
        (with_database(revisions=("0009",)), "tables", "0009, older than this program", "not_ready", "not_ready"),
        (with_database(revisions=("9000",)), "tables", "9000, newer than this program", "not_ready", "not_ready"),
        (with_database(revisions=("9000",), oldest_program="8000"), "tables", "9000, newer", "not_ready", "not_ready"),
        (with_database(revisions=("0015", "0016")), "tables", "0015, 0016", "not_ready", "not_ready"),
        (with_database(revisions=("ae10",)), "tables", "another program", "not_ready", "not_ready"),
        (with_database(revisions=()), "tables", "run `connector setup`", "not_ready", "not_ready"),
        (NO_TEMPORAL, "temporal", "start its server", "degraded", "not_ready"),
        (with_temporal(has_namespace=False), "namespace", "namespace create", "degraded", "not_ready"),
        (
            with_temporal(search_attributes={}),
            "search_attributes",
            "CampaignId (Keyword), DueAt (Datetime): run `connector setup`",
            "degraded",
            "not_ready",
        ),
        (
            with_temporal(search_attributes=EXPECTED | {"DueAt": "Keyword"}),
            "search_attributes",
            "DueAt is Keyword and must be Datetime",
            "degraded",
            "not_ready",
        ),
        (replace(GOOD, outbox=OutboxFacts("refused")), "outbox", "outbox_rests", "degraded", "not_ready"),
        (with_temporal(queues=[queue(61, 200), queue()]), "worker", "61 s ago", "degraded", "not_ready"),
        (with_builds("2", polling="1"), "worker", "--deployment-name d --build-id 1`", "degraded", "not_ready"),
        (with_builds("2", polling=None), "worker", "--deployment-name d --unversioned`", "degraded", "not_ready"),
        (with_builds(None, polling="1"), "worker", "only to workers without a build id", "degraded", "not_ready"),
        (with_temporal(queues=[queue(3), queue(75, name="q2")]), "worker", "75 s ago", "degraded", "not_ready"),
        (with_temporal(queues=[queue()]), "worker", "start `connector worker`", "degraded", "not_ready"),
        (with_temporal(queues=[queue(3), queue(name="q2")]), "worker", "polls q2 (activity)", "degraded", "not_ready"),
        (
            with_temporal(reported=ReportedProblems(2, "follow-up/x")),
            "workflow_tasks",
            "of 2 workflows fail",
            "degraded",
            "degraded",
        ),
        (
            with_temporal(queues=[queue(3, channel="email", identity=f"1@host{NO_PROVIDER}")]),
            "providers",
            "no provider for email",
            "ready",
            "ready",
        ),
        (with_database(retried=[("email", "no_provider")]), "providers", "no provider for email", "ready", "ready"),
        (with_database(retried=[("sms", "http_503")]), "sends", "sms (http_503)", "ready", "ready"),
        (with_database(unknown_results=2), "results", "of 2 follow-ups were sent", "ready", "ready"),
        (with_database(cleanup_fault=OLD_DATA), "cleanup", "run `connector cleanup`", "ready", "ready"),
    ],
)
def test_each_problem_is_named_once(facts: InstallationFacts, name: str, part: str, api: str, worker: str) -> None:
    """The check fails with one sentence that has the way out; whoever sends traffic gets the right status."""
    found = Readiness.of(facts)
    check = next(check for check in found.failed if check.name == name)
    assert check.problem is not None
    assert part in check.problem
    assert "\n" not in check.problem
    assert (found.status("api"), found.status("worker")) == (api, worker)
    assert (found.http_status("api"), found.http_status("worker")) == (
        503 if api == "not_ready" else 200,
        503 if worker == "not_ready" else 200,
    )
    assert found.note is not None


@pytest.mark.parametrize(
    ("facts", "unknown"),
    [
        (down(Outage.UNREACHABLE), {"database_writable", "tables", "providers", "sends", "results", "cleanup"}),
        (NO_TEMPORAL, {"outbox", "namespace", "search_attributes", "worker", "workflow_tasks", "providers"}),
        (with_temporal(search_attributes=None), {"search_attributes"}),
        (with_temporal(reported=None), {"workflow_tasks"}),
        (replace(GOOD, outbox=None), {"outbox"}),
    ],
)
def test_what_cannot_be_checked_is_unknown(facts: InstallationFacts, unknown: set[str]) -> None:
    """A check is never ok only because another one failed."""
    if facts.database.outage:
        facts = replace(facts, database=replace(facts.database, channels=None))
    found = run_checks(facts)
    assert {check.name.value for check in found if check.status is CheckStatus.UNKNOWN} == unknown


@pytest.mark.parametrize(
    ("hours", "fault", "is_wrong"),
    [(None, None, False), (None, "locks", True), (47, "locks", False), (49, "locks", True), (49, None, True)],
)
def test_a_cleanup_that_does_not_succeed_for_two_days_is_a_fault(
    hours: int | None, fault: str | None, is_wrong: bool
) -> None:
    """A failed run alone is repeated, and a first one that goes on is no fault."""
    succeeded_at = None if hours is None else _NOW - timedelta(hours=hours)
    state = CleanupState("w", None, _NOW, succeeded_at, fault, {}, _NOW)
    assert (find_cleanup_fault(state) is not None) == is_wrong
    assert find_cleanup_fault(None) is None


def test_a_poller_without_a_provider_that_has_stopped_does_not_count() -> None:
    """Temporal lists a poller for minutes after its worker was replaced by one with a provider."""
    old, new = queue(90, channel="email", identity=f"1@host{NO_PROVIDER}"), queue(1, channel="email")
    facts = with_temporal(queues=[replace(new, pollers=[*old.pollers, *new.pollers])])
    assert Readiness.of(facts).failed == []


def test_failures_are_logged_once_with_their_end() -> None:
    """A worker that has just started is not a failure; a check that is unknown meanwhile changes nothing."""
    clock, good, bad = Clock(), run_checks(GOOD), run_checks(with_temporal(search_attributes={}))
    log = CheckLog(clock)
    with capture_logs() as logged:
        for checks in (bad, bad, good, bad, run_checks(NO_TEMPORAL), bad, bad, good, good):
            log.record(checks)
            clock.now += 3
    assert [(line["event"], line["check"]) for line in logged] == [
        ("check_failed", "search_attributes"),
        ("check_passed", "search_attributes"),
    ]
    assert "run `connector setup`" in logged[0]["note"]


def test_the_checks_are_documented() -> None:
    """The table of the documentation has every check, in their order."""
    section = (ROOT / "docs" / "operations.md").read_text().split("\n## Checks\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(CheckName)
