"""Failed sign-ins are throttled per client, and other clients are not throttled (issue 13, 8)."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import httpx
import pytest

from starter.api.access import failed_sign_ins
from starter.api.access.callers import unauthorized
from starter.api.access.failed_sign_ins import MAX_FAILURES, SECONDS_PER_FAILURE, FailedSignIns
from tests.security.conftest import Load
from tests.support.api import KEY, Clock
from tests.support.api_process import api_process

SECRET = "A" * 43


def scope_of(host: str) -> dict[str, object]:
    return {"type": "http", "client": (host, 1)}


@pytest.mark.paired
async def test_trying_keys(sqlite_url: str, tmp_path: Path, load: Load) -> None:
    """After 20 wrong keys 429; the right key works from the same address, another address is not concerned."""
    log = tmp_path / "api.log"
    async with api_process(sqlite_url, log) as api:
        statuses: Counter[int] = Counter()
        for number in range(load(60, 2000)):
            headers = {"Authorization": f"Bearer ck_{number:012x}_{SECRET}"}
            answer = await api.client.get("/v1/follow-ups", headers=headers)
            statuses[answer.status_code] += 1
            assert answer.status_code == 401 or int(answer.headers["Retry-After"]) > 0
        assert set(statuses) == {401, 429}
        assert (await api.client.get("/v1/follow-ups")).status_code == 200
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.9")
        async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{api.port}") as other:
            headers = {"Authorization": f"Bearer ck_{0:012x}_{SECRET}"}
            assert (await other.get("/v1/follow-ups", headers=headers)).status_code == 401
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    assert [line["client"] for line in lines if line["event"] == "sign_ins_throttled"][:1] == ["127.0.0.1"]
    assert SECRET not in log.read_text()
    assert KEY not in log.read_text()


def test_a_bucket_of_failures_empties(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 at once, then one every 3 seconds; the memory for clients is bounded."""
    clock = Clock()
    failures, error = FailedSignIns(clock), unauthorized("the key is not valid")
    statuses = [failures.refuse(scope_of("192.0.2.1"), error).status for _ in range(MAX_FAILURES + 1)]
    assert statuses == [401] * MAX_FAILURES + [429]
    assert failures.is_throttled(scope_of("192.0.2.1"))
    assert not failures.is_throttled(scope_of("192.0.2.2"))
    clock.now += SECONDS_PER_FAILURE
    assert failures.refuse(scope_of("192.0.2.1"), error).status == 401
    monkeypatch.setattr(failed_sign_ins, "_MAX_CLIENTS", 10)
    for number in range(50):
        failures.refuse(scope_of(f"198.51.100.{number}"), error)
    assert len(failures) <= 11


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_a_client_is_an_address_or_a_network(one: str, other: str, is_same: bool) -> None:
    """An IPv6 client may choose the last 64 bits of its address, so its network counts."""
    failures, error = FailedSignIns(Clock()), unauthorized("the key is not valid")
    for _ in range(MAX_FAILURES):
        failures.refuse(scope_of(one), error)
    assert failures.is_throttled(scope_of(other)) is is_same
