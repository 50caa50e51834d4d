"""The API's errors as the errors of local runs, with the API's words.

ConnectorError
├── ApiUnreachable  no answer of the API, or none that it would give
├── ApiRefused      the API refused the request, and says why
└── ApiFailed       a fault of the API, with the id under which its log has it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.rules.model.errors import ConnectorError, DefinitionError, Fault, OrderRefused

_TEXTS = ("key", "problem", "file", "id")


class ApiUnreachable(ConnectorError):
    """No answer came, not in time, or not from the connector's API."""


class ApiRefused(ConnectorError):
    """The API refused a request. `status` and `code` are those of docs/api.md."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class ApiFailed(ConnectorError):
    """A request failed by a fault of the API."""


def as_error(status: int, error: Mapping[str, Any], request_id: str | None) -> ConnectorError:
    """Return the error of a response.

    Args:
        error: `error` of the body.
        request_id: the response's X-Request-Id.
    """
    code, message = str(error.get("code")), str(error.get("message"))
    details = error.get("details")
    found: Mapping[str, Any] = details if isinstance(details, Mapping) else {}
    if problems := _list_of(found, "problems"):
        return OrderRefused([str(problem) for problem in problems])
    if faults := [_read_fault(fault) for fault in _list_of(found, "faults") if isinstance(fault, Mapping)]:
        return DefinitionError(faults)
    if status == 401:
        return ApiRefused(status, code, f"{message}; CONNECTOR_API_KEY or CONNECTOR_API_KEY_FILE has the key")
    if status >= 500 and code == "internal":
        named = "" if request_id is None or request_id in message else f" (request {request_id})"
        return ApiFailed(f"{message}{named}")
    return ApiRefused(status, code, message)


def _list_of(details: Mapping[str, Any], name: str) -> list[Any]:
    found = details.get(name)
    return found if isinstance(found, list) else []


def _read_fault(fault: Mapping[str, Any]) -> Fault:
    texts = {name: str(fault[name]) for name in _TEXTS if fault.get(name) is not None}
    line = fault.get("line")
    return Fault(**{"key": "", "problem": "", **texts}, line=line if isinstance(line, int) else None)
