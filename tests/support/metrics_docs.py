"""The tables of docs/metrics.md, made of the definitions: `python -m tests.support.metrics_docs` regenerates them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType

from prometheus_client.metrics import MetricWrapperBase

from connector import metrics
from connector.app.installation_gauges import GAUGES
from starter.api.requests import metrics as api_metrics
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "metrics.md"

_TABLE = re.compile(
    r"(<!-- written by: python -m tests\.support\.metrics_docs (\w+) -->\n)(.*?)(<!-- end -->\n)", re.DOTALL
)

SDK_METRICS = {
    "temporal_worker_task_slots_available": (
        "gauge",
        ("worker_type",),
        "Free slots: 0 for long means too few workers.",
    ),
    "temporal_worker_task_slots_used": ("gauge", ("worker_type",), "Slots in use."),
    "temporal_num_pollers": (
        "gauge",
        ("poller_type",),
        "Pollers: 0 means that this worker gets no tasks of the queue.",
    ),
    "temporal_workflow_task_queue_poll_succeed_total": ("counter", (), "Polls that got a workflow task."),
    "temporal_workflow_task_schedule_to_start_latency_seconds": ("histogram", (), "How long workflow tasks waited."),
    "temporal_activity_schedule_to_start_latency_seconds": ("histogram", (), "How long activities waited for a slot."),
    "temporal_workflow_task_execution_latency_seconds": (
        "histogram",
        ("workflow_type",),
        "Time to run a workflow task.",
    ),
    "temporal_activity_execution_latency_seconds": ("histogram", ("activity_type",), "Time to run an activity."),
    "temporal_workflow_task_execution_failed_total": (
        "counter",
        ("workflow_type",),
        "Workflow tasks that failed: a defect.",
    ),
    "temporal_activity_execution_failed_total": ("counter", ("activity_type",), "Attempts at activities that failed."),
    "temporal_request_total": ("counter", ("operation",), "Requests to Temporal's server."),
    "temporal_request_failure_total": (
        "counter",
        ("operation", "status_code"),
        "Requests that failed, by gRPC status.",
    ),
    "temporal_request_latency_seconds": ("histogram", ("operation",), "Time of requests to Temporal's server."),
    "temporal_sticky_cache_size": ("gauge", (), "Follow-ups in the worker's memory."),
}


@dataclass(frozen=True)
class Described:
    """A metric as it is scraped."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def described() -> list[Described]:
    """Return every metric of the connector, in the order of the page."""
    return [*_facts(), *_defined_in(metrics), *_defined_in(api_metrics)]


def render_page() -> str:
    """Return the page with its tables regenerated."""
    tables = {
        "installation": _table(_facts()),
        "process": _table(_defined_in(metrics)),
        "api": _table(_defined_in(api_metrics)),
        "sdk": _table(Described(name, *columns) for name, columns in SDK_METRICS.items()),
    }
    return _TABLE.sub(lambda found: found[1] + tables[found[2]] + found[4], PAGE.read_text())


def _facts() -> Iterator[Described]:
    for name, (text, labels) in GAUGES.items():
        yield Described(name, "gauge", ("workspace", *labels), text)


def _defined_in(module: ModuleType) -> Iterator[Described]:
    for value in vars(module).values():
        if isinstance(value, MetricWrapperBase):
            (family,) = value.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield Described(name, family.type, tuple(value._labelnames), family.documentation)


def _table(rows: Iterable[Described]) -> str:
    head = "| metric | type | labels | content |\n|---|---|---|---|\n"
    return head + "".join(f"| `{row.name}` | {row.kind} | {', '.join(row.labels)} | {row.help} |\n" for row in rows)


if __name__ == "__main__":
    PAGE.write_text(render_page())
