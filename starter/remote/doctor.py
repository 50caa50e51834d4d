"""Look at an installation from outside: what its API says of itself, and whether the key works."""

from __future__ import annotations

from typing import Any

from connector.health.checks import CheckName, CheckStatus
from connector.rules.model.errors import ConnectorError
from starter.remote.client import ApiClient
from starter.remote.errors import ApiRefused, ApiUnreachable
from starter.remote.registration import Request, View, get

_SECONDS = 20.0
_UNSEEN = "it is compared only where a worker runs: `connector doctor` without CONNECTOR_API_URL"


async def examine_remotely(client: ApiClient) -> View:
    """Return the checks as JSON values: whether the API answers and the key works, then what `/readyz` says.

    `status` is that of the API, `not_ready` if it does not answer.
    """
    try:
        ready = await client.send(Request("GET", "/readyz", seconds=_SECONDS, read=_read_readiness))
        if "checks" not in ready:
            raise ApiUnreachable("CONNECTOR_API_URL names a service that is not the connector's API")
    except ConnectorError as error:
        failed = _view("api", CheckStatus.FAILED, str(error))
        return {"status": "not_ready", "checks": [failed, _view("key", CheckStatus.UNKNOWN, _because_of("api"))]}
    checks = [_view(one["name"], one["status"], one.get("problem")) for one in ready["checks"]]
    agreement = _view(CheckName.AGREEMENT, CheckStatus.UNKNOWN, _UNSEEN)
    return {
        "status": ready["status"],
        "checks": [_view("api", CheckStatus.OK), await _check_key(client), *checks, agreement],
    }


async def _check_key(client: ApiClient) -> View:
    """Return whether the API knows the key; one without `read` is known, too, and the detail says what it has."""
    try:
        await client.send(get("/v1/follow-ups", seconds=_SECONDS, limit=1))
    except ApiRefused as error:
        if error.status == 403:
            return _view("key", CheckStatus.OK, None, str(error))
        if error.status == 401:
            return _view("key", CheckStatus.FAILED, str(error))
        return _view("key", CheckStatus.UNKNOWN, str(error))
    except ConnectorError as error:
        return _view("key", CheckStatus.UNKNOWN, str(error))
    return _view("key", CheckStatus.OK)


def _read_readiness(_status: int, value: Any) -> View | None:
    """Return the body of `/readyz`, which has the checks whatever the status is."""
    return value if isinstance(value, dict) and isinstance(value.get("checks"), list) else None


def _view(name: str, status: str, problem: str | None = None, detail: str | None = None) -> View:
    return {"name": name, "status": status, "problem": problem, "detail": detail}


def _because_of(name: str) -> str:
    return f"it cannot be checked because of `{name}`"
