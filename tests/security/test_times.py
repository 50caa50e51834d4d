"""Times that no calendar in UTC has are refused like any other wrong time, at every entry point, on a real socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.api_process import api_process

BEYOND = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59")


@pytest.mark.parametrize("time", BEYOND)
async def test_a_time_beyond_the_calendar_is_a_fault(sqlite_url: str, tmp_path: Path, time: str) -> None:
    """It names the field; nothing is a server error."""
    consents = [
        {"email": "subscribed", "effective_at": time},
        {"email": {"state": "subscribed", "effective_at": time}},
    ]
    async with api_process(sqlite_url, tmp_path / "api.log") as api:
        answers = [await api.client.get("/v1/audit", params={"since": time})]
        answers += [await api.client.put("/v1/users/u", json={"consent": consent}) for consent in consents]
    assert [answer.status_code for answer in answers] == [422] * 3
    for answer, field in zip(answers, ("since", "effective_at", "effective_at"), strict=True):
        assert field in answer.json()["error"]["message"]
