"""The export of spans to a collector: only listed attributes leave, and a collector that is away is logged once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status

_log = structlog.get_logger("tracing")
_TIMEOUT_SECONDS = 5.0
"""The deadline of one export with its retries."""
_PAUSE_SECONDS = 30.0
"""After a failure, spans are dropped for this time, so that an unreachable collector costs no more than that."""

ATTRIBUTES = frozenset(
    {
        "connector.accepted",
        "connector.attempt",
        "connector.campaign",
        "connector.channel",
        "connector.duplicate",
        "connector.follow_up",
        "connector.follow_ups",
        "connector.invalid",
        "connector.items",
        "connector.outcome",
        "connector.requests",
        "error.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "temporalActivityID",
        "temporalActivityType",
        "temporalRunID",
        "temporalWorkflowID",
    }
)
"""The attributes of exported spans; whatever else a library adds is removed, because it may quote a user's data."""


class SpanExport(SpanExporter):
    """Sends spans to `/v1/traces` below the endpoint.

    Args:
        endpoint: the base URL of the collector, or the whole one.
        exporter: sends them; None: over HTTP in protobuf.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        endpoint: str,
        exporter: SpanExporter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        base = endpoint.rstrip("/")
        url = base if base.endswith("/v1/traces") else f"{base}/v1/traces"
        self._exporter = exporter or OTLPSpanExporter(endpoint=url, timeout=_TIMEOUT_SECONDS)
        self._collector, self._clock = urlsplit(url).netloc, clock
        self._failed_at: float | None = None
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, unless the collector was away a moment ago."""
        if self._failed_at is not None and self._clock() - self._failed_at < _PAUSE_SECONDS:
            self._lost += len(spans)
            return SpanExportResult.FAILURE
        result = self._exporter.export([without_values(span) for span in spans])
        if result is SpanExportResult.SUCCESS:
            self._record_success()
        else:
            self._record_failure(len(spans))
        return result

    def shutdown(self) -> None:
        """Send nothing more."""
        self._exporter.shutdown()

    def _record_failure(self, lost: int) -> None:
        if self._failed_at is None:
            _log.warning("collector_unreachable", collector=self._collector, note="spans are lost until it answers")
        self._failed_at = self._clock()
        self._lost += lost

    def _record_success(self) -> None:
        if self._failed_at is not None:
            _log.info("collector_reached", collector=self._collector, lost_spans=self._lost)
        self._failed_at, self._lost = None, 0


def without_values(span: ReadableSpan) -> ReadableSpan:
    """Return the span with listed attributes only, without texts of errors."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_listed(span.attributes),
        events=[Event(event.name, _error_type(event.attributes), event.timestamp) for event in span.events],
        links=[Link(link.context) for link in span.links],
        kind=span.kind,
        instrumentation_scope=span.instrumentation_scope,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
    )


def _listed(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (attributes or {}).items() if name in ATTRIBUTES}


def _error_type(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (attributes or {}).items() if name == "exception.type"}
