"""The runtime of Temporal's SDK, one per process; its core's messages become records of Python's logging.

The core is written in Rust and writes coloured text to standard error by itself, between the lines of the logs.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import Any

from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

_FILTER = TelemetryFilter(core_level="WARN", other_level="ERROR")
_MAX_FIELD_CHARACTERS = 300
_RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "event", "level", "logger", "timestamp"}
_ERROR_TYPE = re.compile(r'r#type: "([^"]{1,100})"')


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
    runtime = Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=_FILTER, forwarding=forwarding)))
    Runtime.set_default(runtime, error_if_already_set=False)
    return runtime


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
