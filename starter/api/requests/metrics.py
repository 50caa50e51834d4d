"""Metrics of the HTTP API. Labels are routes and outcomes, never ids."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

requests_answered = Histogram(
    "connector_http_request_seconds", "Time to answer a request.", ["method", "route", "status"]
)
interactions_ingested = Counter("connector_interactions", "Interactions and events reported over HTTP.", ["status"])
segment_messages = Counter(
    "connector_segment_messages",
    "Messages of Segment's protocol, by type and outcome.",
    ["type", "outcome"],
)
store_unavailable = Counter(
    "connector_store_unavailable", "Requests refused because the database could not be used, by the outage.", ["outage"]
)

requests_in_flight = Gauge("connector_http_requests_in_flight", "Requests in flight, by pool.", ["pool"])
body_bytes_held = Gauge("connector_http_body_bytes", "Bytes of request bodies in memory, by pool.", ["pool"])
requests_refused = Counter(
    "connector_http_refused", "Requests refused because of overload, by pool and exceeded bound.", ["pool", "why"]
)
provider_events = Counter("connector_provider_events", "Events of providers, by outcome.", ["provider", "fate"])
unmatched_events = Counter(
    "connector_unmatched_reports", "Events of providers that matched nothing, by reason.", ["provider", "reason"]
)
visits_counted = Counter("connector_tracked_visits", "Opens and clicks of tracked links, by outcome.", ["fate"])
