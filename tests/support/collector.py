"""A collector of traces: a real HTTP server that reads what OTLP sends in protobuf."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from connector.app import opentelemetry_tracer as tracer
from connector.app import span_export


@dataclass
class Collector:
    """What has arrived. `status` is what the next request is answered with."""

    url: str = ""
    status: int = 200
    requests: int = 0
    bodies: list[bytes] = field(default_factory=list)
    services: set[str] = field(default_factory=set)
    spans: list[Span] = field(default_factory=list)

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of one trace."""
        return [span for span in self.spans if span.trace_id.hex() == trace_id]

    def ancestors(self, span: Span) -> list[str]:
        """Return the names from a span up to the first one of its trace that is here."""
        by_id = {one.span_id: one for one in self.spans}
        names = []
        current: Span | None = span
        while current is not None:
            names.append(current.name)
            current = by_id.get(current.parent_span_id)
        return names

    def receive(self, body: bytes) -> None:
        """Keep the spans of one request."""
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.value.string_value for one in resource.resource.attributes if one.key == "service.name"}
            self.services |= names
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a free port until the block ends."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.requests += 1
            if collector.status == 200:
                assert self.path == "/v1/traces"
                collector.receive(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(collector.status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Write nothing to the output of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_port}"
    is_patient = patch.object(span_export, "_TIMEOUT_SECONDS", 60.0), patch.object(tracer, "_CLOSE_SECONDS", 60.0)
    try:
        with is_patient[0], is_patient[1]:  # a busy machine loses no span that a test waits for
            yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
