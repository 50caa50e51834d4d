"""The address of the collector that receives traces."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator


def _check_endpoint(value: str) -> str:
    """Return the URL if it is one of a collector; a key of the collector belongs into a header, not into the URL."""
    problem = "write http://HOST:4318; a key of the collector goes into OTEL_EXPORTER_OTLP_HEADERS"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError(problem) from None
    is_plain = not (parts.query or parts.fragment or parts.username or parts.password) and value.isprintable()
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not is_plain or " " in value:
        raise ValueError(problem)
    return value


OtlpEndpoint = Annotated[str, AfterValidator(_check_endpoint)]
"""The URL of a collector that speaks OTLP over HTTP, without user, password and query."""
