"""`connector dev` as a process, driven over HTTP; its worker and its Temporal are killed in the middle of waits."""

import signal
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.dev_process import DevProcess

CAMPAIGNS = """\
campaign: original
delivery: {type: external}
---
campaign: reminder
delivery:
  type: action_based
  trigger: [{interaction: receive_push, campaign: original}]
  delay: {after: 12 seconds}
  exceptions: [{event: make_purchase}]
messages: {push: {title: "Hi {{ user.first_name }}", body: b}}
---
campaign: thanks
delivery:
  type: action_based
  trigger: [{interaction: receive_push, campaign: reminder}]
messages: {push: {title: Thanks, body: b}}
"""
USERS = 12


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[DevProcess]:
    """Ready, with the campaigns applied and published."""
    (tmp_path / "campaigns.yaml").write_text(CAMPAIGNS)
    installation = DevProcess(tmp_path)
    await installation.start()
    try:
        code, said = await installation.run("apply", str(tmp_path / "campaigns.yaml"))
        assert code == 0, said
        code, said = await installation.run("publish", "reminder", "thanks", "original")
        assert code == 0, said
        yield installation
    finally:
        await installation.stop()


def _now() -> str:
    return datetime.now(UTC).isoformat()  # noqa: TID251 - what a service would report


def _push(number: int) -> dict[str, Any]:
    return {
        "id": f"push-{number}",
        "user": f"u-{number}",
        "type": "receive_push",
        "campaign": "original",
        "occurred_at": _now(),
    }


@pytest.mark.timeout(180)
async def test_killed_in_the_middle_of_waits_every_follow_up_ends_once_and_right(dev: DevProcess) -> None:
    """Cases 21 to 23: the worker, then the server, then everything at once is killed; nothing is lost or doubled."""
    for number in range(USERS):
        answer = await dev.http.put(f"/v1/users/u-{number}", json={"push_tokens": ["t"], "first_name": "Ada"})
        assert answer.status_code == 200, answer.text
    assert await dev.report(*map(_push, range(USERS))) == ["accepted"] * USERS
    dev.kill("worker")
    purchases = [{"id": f"buy-{n}", "user": f"u-{n}", "type": "make_purchase", "occurred_at": _now()} for n in range(4)]
    assert await dev.report(*purchases) == ["accepted"] * 4
    dev.kill("temporal")
    assert await dev.report(*map(_push, range(USERS))) == ["duplicate"] * USERS
    dev.process.kill()
    await dev.process.wait()
    await dev.drain
    await dev.http.aclose()
    await dev.start()
    assert await dev.report(_push(0)) == ["duplicate"]

    async def ended() -> bool:
        rows = [*await dev.follow_ups("reminder"), *await dev.follow_ups("thanks")]
        return len(rows) == 2 * USERS - 4 and not {row["state"] for row in rows} & {"waiting", "held", "sending"}

    await dev.until(ended, 90)
    fates = Counter((row["state"], row["reason"]) for row in await dev.follow_ups("reminder"))
    assert fates == {("sent", None): USERS - 4, ("excepted", "exception"): 4}
    assert Counter(row["state"] for row in await dev.follow_ups("thanks")) == {"sent": USERS - 4}
    shown = (dev.folder / "dev.log").read_text() + (await _said(dev))
    assert shown.count("Hi Ada") == USERS - 4


async def _said(dev: DevProcess) -> str:
    """What the restarted installation has shown so far; stops it to read its output to the end."""
    dev.process.send_signal(signal.SIGTERM)
    said: bytes = await dev.drain
    return said.decode()
