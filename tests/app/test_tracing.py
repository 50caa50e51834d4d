"""The export of spans: what leaves, what a collector that is away costs, and which settings are refused."""

import time
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode
from pydantic import ValidationError
from structlog.testing import capture_logs

from connector import tracing
from connector.app import opentelemetry_tracer
from connector.app.opentelemetry_tracer import OpenTelemetryTracer
from connector.app.span_export import SpanExport
from connector.app.tracing import tracing as tracing_of
from connector.settings.application import Settings
from connector.settings.environment import SettingsWrong
from starter.api.requests.middleware import NO_TELEMETRY
from tests.support.collector import Collector, collecting

MARKED = "anna-marked"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture
def tracer(collector: Collector) -> Iterator[OpenTelemetryTracer]:
    running = OpenTelemetryTracer(collector.url, "connector-test", "w")
    tracing.install_tracer(running)
    yield running
    tracing.install_tracer(None)
    running.close()


def test_only_listed_facts_leave(collector: Collector, tracer: OpenTelemetryTracer) -> None:
    """Attributes that are not listed, texts of errors, events and states of other libraries stay here."""
    with (
        pytest.raises(ValueError, match=MARKED),
        tracing.span("work", facts={"connector.channel": "push", "db.statement": MARKED}),
    ):
        raise ValueError(MARKED)
    with tracer._tracer.start_as_current_span("library") as span:
        span.set_attribute("url.full", f"https://shop.example/?user={MARKED}")
        span.add_event("retry", {"address": MARKED})
        span.record_exception(KeyError(MARKED))
        span.set_status(Status(StatusCode.ERROR, f"KeyError: {MARKED}"))
    tracer.close()
    work, library = collector.spans
    assert {one.key: one.value.string_value for one in work.attributes} == {
        "connector.channel": "push",
        "error.type": "ValueError",
    }
    assert not library.attributes
    assert [(event.name, [one.key for one in event.attributes]) for event in library.events] == [
        ("retry", []),
        ("exception", ["exception.type"]),
    ]
    assert collector.services == {"connector-test"}
    assert not any(MARKED.encode() in body for body in collector.bodies)


def test_groups_are_kept_apart(collector: Collector, tracer: OpenTelemetryTracer) -> None:
    """Requests that share a transaction: each follow-up continues the trace of its own request, once."""
    spans = {}
    for user in ("a", "b"):
        with tracing.span(f"request of {user}"):
            spans[user] = tracing.current_context()
    with tracing.span("transaction", parent=spans["a"], links=[spans["b"]]), tracing.on_behalf_of(spans):
        tracing.remember_begun({"1": "a", "2": "b"})
    for id in ("1", "2", "2", "3"):
        with tracing.continuing(id), tracing.span(f"start {id}"):
            pass
    tracer.close()
    chains = [collector.ancestors(span) for span in collector.spans if span.name.startswith("start")]
    assert chains == [["start 1", "request of a"], ["start 2", "request of b"], ["start 2"], ["start 3"]]
    [transaction] = [span for span in collector.spans if span.name == "transaction"]
    assert len(transaction.links) == 1


def test_failed_start_keeps_its_trace(collector: Collector, tracer: OpenTelemetryTracer) -> None:
    """While Temporal is away, the sweep that succeeds at last still continues the request's trace."""
    with tracing.span("request"):
        tracing.remember_begun({"1": "a"})
    with pytest.raises(ConnectionError), tracing.continuing("1"):
        raise ConnectionError
    with tracing.continuing("1"), tracing.span("start"):
        pass
    tracer.close()
    assert collector.ancestors(collector.spans[-1]) == ["start", "request"]


@pytest.mark.parametrize("traceparent", ["", "00-0-0-01", f"00-{'0' * 32}-b7ad6b7169203331-01", MARKED])
def test_traceparent_that_is_none(tracer: OpenTelemetryTracer, traceparent: str) -> None:
    """A header that is not valid by W3C's Trace Context begins a new trace (sections 3.2 and 4.3 there)."""
    assert tracing.read_traceparent(traceparent) is None


class Failing(SpanExporter):
    """An exporter whose collector is away until it is said to be back."""

    def __init__(self) -> None:
        self.calls, self.result = 0, SpanExportResult.FAILURE

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.calls += 1
        return self.result

    def shutdown(self) -> None:
        """Nothing is open."""


def test_collector_that_is_away() -> None:
    """A collector that is away is logged once and tried every half minute; lost spans are counted."""
    now, failing = [0.0], Failing()
    export = SpanExport("http://127.0.0.1:1", failing, clock=lambda: now[0])
    span = ReadableSpan("work")
    with capture_logs() as logged:
        for seconds in range(65):
            now[0] = float(seconds)
            export.export([span])
        assert failing.calls == 3
        failing.result = SpanExportResult.SUCCESS
        now[0] = 100.0
        export.export([span])
    assert [(line["event"], line["log_level"], line["collector"]) for line in logged] == [
        ("collector_unreachable", "warning", "127.0.0.1:1"),
        ("collector_reached", "info", "127.0.0.1:1"),
    ]
    assert logged[1]["lost_spans"] == 65


def test_dead_collector_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of spans for a port where nobody listens are dropped, and the end of the process is not held up."""
    monkeypatch.setattr(opentelemetry_tracer, "_CLOSE_SECONDS", 0.1)
    began = time.monotonic()
    tracer = OpenTelemetryTracer("http://127.0.0.1:1", "connector-test", "w")
    tracing.install_tracer(tracer)
    try:
        for _ in range(10_000):
            with tracing.span("work"):
                pass
    finally:
        tracing.install_tracer(None)
    tracer.close()
    assert time.monotonic() - began < 60


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable and what to install."""
    monkeypatch.setattr("connector.app.tracing.find_spec", lambda name: None)
    with (
        pytest.raises(SettingsWrong, match=r"CONNECTOR_OTLP_ENDPOINT .*pip install 'campaign-connector\[tracing\]'"),
        tracing_of(Settings(otlp_endpoint="http://127.0.0.1:4318"), "api"),
    ):
        pass


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:4318", "https://collector.example/otlp", "http://[::1]:4318/v1/traces"]
)
def test_endpoint(url: str) -> None:
    """A base URL as in OTEL_EXPORTER_OTLP_ENDPOINT, or the whole one of the traces."""
    assert Settings(otlp_endpoint=url).otlp_endpoint == url


@pytest.mark.parametrize(
    "url",
    [
        "collector:4318",
        "grpc://collector:4317",
        "http://",
        "http://u:p@collector:4318",
        "http://c:4318?key=k",
        "http://c:x",
    ],
)
def test_endpoint_that_is_none(url: str) -> None:
    """Another protocol, no scheme, no host, and a secret where everybody reads it."""
    with pytest.raises(ValidationError, match="OTEL_EXPORTER_OTLP_HEADERS"):
        Settings(otlp_endpoint=url)


def test_fastapi_records_nothing_of_its_own() -> None:
    """FastAPI's own spans, which have whole URLs, are off, whatever provider somebody installs."""
    assert NO_TELEMETRY == {"tracing": False, "metrics": False, "logs": False}
