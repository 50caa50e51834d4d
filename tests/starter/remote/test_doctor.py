"""`connector doctor` from outside: what the API says of itself, whether the key works, and what is not seen."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connector.settings.remote import RemoteSettings
from starter.remote.client import ApiClient
from starter.remote.doctor import examine_remotely

READY = {"status": "ready", "checks": [{"name": "database", "status": "ok"}]}
DOWN = {
    "status": "not_ready",
    "checks": [{"name": "database", "status": "failed", "problem": "nothing listens at this address"}],
}
FOUND = {"follow_ups": [], "has_more": False, "next": None}


def refusal(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


@pytest.mark.parametrize(
    ("ready", "keyed", "key", "words", "failed"),
    [
        ((200, READY), (200, FOUND), "ok", None, []),
        (
            (200, READY),
            (403, refusal("forbidden", "it has ingest")),
            "ok",
            "it has ingest",
            [],
        ),
        ((200, READY), (401, refusal("unauthorized", "the key is not valid")), "failed", "CONNECTOR_API_KEY", ["key"]),
        ((503, DOWN), (503, refusal("payload_unreadable", "away")), "unknown", "away", ["database"]),
    ],
    ids=["works", "lacks read", "wrong", "down"],
)
async def test_the_key_and_the_checks(
    ready: tuple[int, Any], keyed: tuple[int, Any], key: str, words: str | None, failed: list[str]
) -> None:
    """A key without `read` works, too; a `/readyz` of 503 has the checks all the same."""
    found = await _examine({"/readyz": ready, "/v1/follow-ups": keyed})
    checks = {check["name"]: check for check in found["checks"]}
    assert list(checks) == ["api", "key", "database", "agreement"]
    assert (checks["api"]["status"], checks["key"]["status"], found["status"]) == ("ok", key, ready[1]["status"])
    assert words is None or words in f"{checks['key']['problem']} {checks['key']['detail']}"
    assert [name for name, check in checks.items() if check["status"] == "failed"] == failed
    assert checks["agreement"]["status"] == "unknown"
    assert {frozenset(check) for check in checks.values()} == {frozenset({"name", "status", "problem", "detail"})}


@pytest.mark.parametrize("answer", [(200, {"hello": "world"}), (404, refusal("not_found", "Not Found"))])
async def test_something_else_listens_there(answer: tuple[int, Any]) -> None:
    """What does not answer as the connector does fails the first check; the rest is unknown."""
    found = await _examine({"/readyz": answer, "/v1/follow-ups": answer})
    assert [(check["name"], check["status"]) for check in found["checks"]][:2] == [
        ("api", "failed"),
        ("key", "unknown"),
    ]
    assert found["status"] == "not_ready"


async def _examine(answers: dict[str, tuple[int, Any]]) -> dict[str, Any]:
    def respond(request: httpx.Request) -> httpx.Response:
        status, body = answers[request.url.path]
        return httpx.Response(status, json=body)

    settings = RemoteSettings(url="http://127.0.0.1:1", key=SecretStr("k" * 40))
    async with ApiClient(settings, transport=httpx.MockTransport(respond)) as client:
        return await examine_remotely(client)
