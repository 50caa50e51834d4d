"""The tracer of OpenTelemetry: spans, their export in batches, and the interceptor of Temporal's SDK."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from opentelemetry import context as contexts
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Span as RecordedSpan
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio.contrib.opentelemetry import TracingInterceptor, TracingWorkflowInboundInterceptor
from temporalio.worker import WorkflowInboundInterceptor, WorkflowInterceptorClassInput

from connector.app.span_export import SpanExport
from connector.tracing import Context, Fact, Kind

_KINDS = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
_QUEUE_SIZE, _BATCH_SIZE, _DELAY_SECONDS = 4096, 512, 1.0
"""Spans that wait for the collector, in a batch, and the time after which a batch is sent; any more are lost."""
_CLOSE_SECONDS = 3.0


class _TraceParent(TraceContextTextMapPropagator):
    """Carries only the header `traceparent`: what callers put into `tracestate` and baggage could be anything."""

    def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
        """Write `traceparent` into a carrier."""
        headers: dict[str, str] = {}
        super().inject(headers, context)
        if "traceparent" in headers:
            carrier["traceparent"] = headers["traceparent"]


class _WorkflowInterceptor(TracingWorkflowInboundInterceptor):
    def __init__(self, next: WorkflowInboundInterceptor) -> None:
        super().__init__(next)
        self.text_map_propagator = _TraceParent()


class _Interceptor(TracingInterceptor):
    def __init__(self, tracer: Any) -> None:
        super().__init__(tracer)
        self.text_map_propagator = _TraceParent()

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[TracingWorkflowInboundInterceptor]:
        super().workflow_interceptor_class(input)
        return _WorkflowInterceptor


class _Span:
    def __init__(self, span: RecordedSpan) -> None:
        self._span = span
        self.has_failed = False

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def add(self, facts: Mapping[str, Fact]) -> None:
        self._span.set_attributes(dict(facts))

    def fail(self, code: str) -> None:
        self.has_failed = True
        self._span.set_attribute("error.type", code)
        self._span.set_status(Status(StatusCode.ERROR))


class OpenTelemetryTracer:
    """Records spans and sends them to a collector; `close` ends that.

    Args:
        endpoint: the base URL of a collector that speaks OTLP over HTTP; its path is `/v1/traces`.
        service: the name of the service, unless OTEL_SERVICE_NAME gives another.
    """

    def __init__(self, endpoint: str, service: str, workspace: str) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # SpanExport logs what an operator must know
        name = os.environ.get("OTEL_SERVICE_NAME", service)
        resource = Resource.create({"service.name": name, "connector.workspace": workspace})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._export = SpanExport(endpoint)
        self._processor = BatchSpanProcessor(
            self._export,
            max_queue_size=_QUEUE_SIZE,
            schedule_delay_millis=1000 * _DELAY_SECONDS,
            max_export_batch_size=_BATCH_SIZE,
        )
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("connector")
        self.interceptor = _Interceptor(self._tracer)

    @contextmanager
    def span(
        self, name: str, kind: Kind, facts: Mapping[str, Fact], parent: Context | None, links: Iterable[Context]
    ) -> Iterator[_Span]:
        """Record a span while the block runs."""
        with self._tracer.start_as_current_span(
            name,
            None if parent is None else cast(contexts.Context, parent),
            kind=_KINDS[kind],
            attributes=dict(facts),
            links=[Link(_span_context(link)) for link in links],
            record_exception=False,
            set_status_on_exception=False,
        ) as recorded:
            current = _Span(recorded)
            try:
                yield current
            except Exception as error:
                if not current.has_failed:
                    current.fail(type(error).__name__)
                raise

    @contextmanager
    def attach(self, context: Context) -> Iterator[None]:
        """Make a context the current one while the block runs."""
        token = contexts.attach(cast(contexts.Context, context))
        try:
            yield
        finally:
            contexts.detach(token)

    def add(self, facts: Mapping[str, Fact]) -> None:
        """Add facts to the current span."""
        get_current_span().set_attributes(dict(facts))

    def current(self) -> Context | None:
        """Return the context of the current span; None: there is none."""
        span = get_current_span()
        return Context(set_span_in_context(span, contexts.Context())) if span.get_span_context().is_valid else None

    def trace_id(self) -> str | None:
        """Return the id of the current trace; None: there is none."""
        current = get_current_span().get_span_context()
        return f"{current.trace_id:032x}" if current.is_valid else None

    def read(self, traceparent: str) -> Context | None:
        """Return the context of a caller's `traceparent`; None: it is not valid."""
        read = _TraceParent().extract({"traceparent": traceparent}, contexts.Context())
        return Context(read) if get_current_span(read).get_span_context().is_valid else None

    def close(self) -> None:
        """Send the spans that wait, for three seconds at most; a collector that hangs holds up no end of a process."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)


def _span_context(context: Context) -> SpanContext:
    return get_current_span(cast(contexts.Context, context)).get_span_context()
