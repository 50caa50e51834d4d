"""The metrics of every process, for Prometheus; docs/metrics.md is generated from these definitions.

Names follow OpenMetrics: a base unit at the end, `_total` for counters. No label has a value from outside: a label
whose values are many (campaigns, faults) keeps the most frequent ones (`TopValues`). The facts of the database are in
`connector.app.installation_gauges`, and the metrics of the HTTP API in `starter.api.requests.metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

disable_created_metrics()  # type: ignore[no-untyped-call]

OTHER = "other"
"""The label of all values that have no series of their own."""
MAX_CAMPAIGNS = 50
_MAX_FAULTS = 30
_MAX_COUNTS_PER_VALUE = 100
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
_DELAYS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0)


class TopValues:
    """Bounds the values of a label: the most frequent have series of their own, the others share `other`.

    A value becomes frequent when it has come twice as often as the rarest of those with a series, which ends then. Both
    count on from there, in their new place: no series decreases, so rates and sums over the label stay right.

    Args:
        label: the label's name in all of the metrics.
        limit: how many values have series.
    """

    def __init__(self, label: str, limit: int, metrics: Sequence[MetricWrapperBase]) -> None:
        self._label, self._limit, self._metrics = label, limit, metrics
        self._counts: dict[str, int] = {}
        self._shown: set[str] = set()

    def show(self, value: str, count: int = 1) -> str:
        """Return the label's value for something that has come `count` times more."""
        seen = self._counts[value] = self._counts.get(value, 0) + count
        if value in self._shown:
            return value
        if len(self._shown) >= self._limit and not self._displace(seen):
            return OTHER
        self._shown.add(value)
        return value

    def _displace(self, seen: int) -> bool:
        """End the rarest value's series if another has come twice as often; forget rare values if there are many."""
        if len(self._counts) > self._limit * _MAX_COUNTS_PER_VALUE:
            self._counts = {value: self._counts[value] for value in self._shown}
        rarest = min(self._shown, key=self._counts.__getitem__)
        if seen < 2 * self._counts[rarest]:
            return False
        self._shown.remove(rarest)
        for metric in self._metrics:
            metric.remove_by_labels({self._label: rarest})
        return True


FOLLOW_UPS_BEGUN = Counter("connector_follow_ups_begun", "Follow-ups that began, by campaign.", ["campaign"])
FOLLOW_UPS_ENDED = Counter(
    "connector_follow_ups_ended",
    "Follow-ups that ended, by campaign, state and reason (`none` if sent).",
    ["campaign", "state", "reason"],
)
TRIGGERS_REFUSED = Counter(
    "connector_triggers_refused", "Triggers that began no follow-up, and late exceptions, by reason.", ["reason"]
)
CAMPAIGNS = TopValues("campaign", MAX_CAMPAIGNS, [FOLLOW_UPS_BEGUN, FOLLOW_UPS_ENDED])

SENDS = Counter(
    "connector_sends",
    "Messages with a recorded outcome after their claim: sent, failed, unknown or dropped (by their template).",
    ["channel", "outcome"],
)
SEND_ATTEMPTS = Counter("connector_send_attempts", "Claimed messages that were handed to a provider.", ["channel"])
SENDS_TRIED_AGAIN = Counter(
    "connector_sends_tried_again", "Messages that a provider did not accept for now, by fault.", ["channel", "fault"]
)
FAULTS = TopValues("fault", _MAX_FAULTS, [SENDS_TRIED_AGAIN])
SEND_DELAY = Histogram(
    "connector_send_delay_seconds",
    "From when a follow-up's message was due (or its hold ended) until a provider had accepted it; without launches.",
    ["channel"],
    buckets=_DELAYS,
)
PROVIDER_CALLS = Histogram(
    "connector_provider_call_seconds",
    "Time to render a message and hand it to its provider, whatever the outcome.",
    ["channel"],
)

CLAIMS_IN_PROGRESS = Gauge(
    "connector_claims_in_progress",
    "Messages that this process is claiming or sending and whose result is not recorded.",
)
RESULTS_WAITING = Gauge(
    "connector_results_waiting", "Messages whose result is known here and waits for the database to be recorded."
)
RESULTS_LOST = Counter(
    "connector_results_lost", "Messages whose result this process could not record before it stopped (send_unknown)."
)

INGESTS = Histogram(
    "connector_ingest_seconds", "Time to ingest a batch, from its arrival to the commit.", buckets=_SECONDS
)
ITEMS_INGESTED = Counter("connector_ingested_items", "Ingested interactions and events, by result.", ["status"])

LOCK_WAITS = Histogram(
    "connector_lock_wait_seconds",
    "Time to get a lock: `writer` (SQLite's turn to write), `catalogue` (shared with orders) or `users` (their rows).",
    ["lock"],
    buckets=_SECONDS,
)
CLEANUP_ROWS = Counter(
    "connector_cleanup_rows",
    "Rows that this process's cleanup deleted, by table; those of dropped partitions are estimates.",
    ["table"],
)
OUTAGES = Counter(
    "connector_database_outages", "Transactions that failed because the database could not be used.", ["outage"]
)

OUTBOX_CALLS = Counter(
    "connector_outbox_calls",
    "Calls of the outbox to Temporal: start, signal, move or launch; by gRPC status (OK if it succeeded).",
    ["call", "status"],
)
LAUNCH_STEPS = Counter("connector_launch_steps", "Steps of launches that this process took, by phase.", ["phase"])
