"""The runtime of Temporal's SDK, one per process; its core's messages become records of Python's logging.

The core is written in Rust and writes coloured text to standard error by itself, between the lines of the logs.
"""

from __future__ import annotations

import logging
import re
import socket
from contextlib import suppress
from functools import cache
from typing import Any

from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

_FILTER = TelemetryFilter(core_level="WARN", other_level="ERROR")
_MAX_FIELD_CHARACTERS = 300
_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "event", "level", "logger", "timestamp"}
_ERROR_TYPE = re.compile(r'r#type: "([^"]{1,100})"')


_METRICS_ATTEMPTS = 5
_page_address: str | None = None
"""Where the runtime serves its metrics; None: it does not."""


def serve_sdk_metrics() -> str | None:
    """Create the runtime of this process so that it serves its metrics on a port of loopback; return the page's URL.

    Returns None if the process has its runtime already, which cannot be changed.
    """
    global _page_address
    for _ in range(_METRICS_ATTEMPTS):  # another process can take the port before the runtime does
        if process_runtime.cache_info().currsize:
            break
        with socket.create_server(("127.0.0.1", 0)) as probe:
            _page_address = f"127.0.0.1:{probe.getsockname()[1]}"
        with suppress(ValueError):
            process_runtime()
    if not process_runtime.cache_info().currsize:
        _page_address = None
    return None if _page_address is None else f"http://{_page_address}/metrics"


@cache
def process_runtime() -> Runtime:
    """Return the runtime of this process, which every client uses. It has threads of its own, so one is enough."""
    logger = logging.getLogger("temporalio.core")
    logger.addFilter(_describe_core_record)
    forwarding = LogForwardingConfig(
        logger=logger,
        append_target_to_name=False,
        prepend_target_on_message=False,
        append_log_fields_to_message=False,
    )
    telemetry = TelemetryConfig(
        logging=LoggingConfig(filter=_FILTER, forwarding=forwarding),
        metrics=None if _page_address is None else _metrics_at(_page_address),
        attach_service_name=False,
    )
    runtime = Runtime(telemetry=telemetry)
    Runtime.set_default(runtime, error_if_already_set=False)
    return runtime


def _metrics_at(address: str) -> PrometheusConfig:
    """Return the configuration by the conventions of OpenMetrics: `_total`, and seconds."""
    return PrometheusConfig(
        bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
    )


def _describe_core_record(record: logging.LogRecord) -> bool:
    """Give a record the fields of the core's message. Return True: the record is kept."""
    message = vars(record).pop("temporal_log", None)
    if message is not None:
        vars(record).update(_fields(message.target, message.fields))
    return True


def _fields(target: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what is logged of a message's fields; of a workflow's failure its type, because its text quotes values."""
    logged: dict[str, Any] = {"target": target}
    for name, value in fields.items():
        if name == "failure":
            logged["error"] = ", ".join(dict.fromkeys(_ERROR_TYPE.findall(str(value)))) or "unknown"
        elif name not in _RESERVED:
            logged[name] = value if isinstance(value, int | float) else str(value)[:_MAX_FIELD_CHARACTERS]
    return logged
