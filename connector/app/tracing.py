"""Traces by OpenTelemetry, sent to the collector of CONNECTOR_OTLP_ENDPOINT; without it, nothing is imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Literal

from connector.settings.application import Settings
from connector.settings.environment import SettingsWrong
from connector.tracing import install_tracer

Service = Literal["api", "worker"]


@contextmanager
def tracing(settings: Settings, service: Service) -> Iterator[None]:
    """Record spans while the block runs, if the settings name a collector; at its end send those that are left.

    Raises:
        SettingsWrong: the extra `tracing` is not installed.
    """
    if settings.otlp_endpoint is None:
        yield
        return
    if any(find_spec(name) is None for name in ("opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter")):
        raise SettingsWrong(
            "CONNECTOR_OTLP_ENDPOINT needs OpenTelemetry: install it with `pip install 'campaign-connector[tracing]'`, "
            "or unset the variable"
        )
    from connector.app.opentelemetry_tracer import OpenTelemetryTracer

    tracer = OpenTelemetryTracer(settings.otlp_endpoint, f"connector-{service}", settings.workspace)
    install_tracer(tracer)
    try:
        yield
    finally:
        install_tracer(None)
        tracer.close()
