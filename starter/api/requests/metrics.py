"""Metrics of the HTTP API. Labels are routes and outcomes, never ids."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

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
