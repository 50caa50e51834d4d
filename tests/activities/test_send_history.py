"""What a message loads of its user's log: the items that its rules name, whatever else the log has."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from connector.channels.protocol import Accepted, TryLater
from tests.support.builders import ORIGINAL, PUSHED, at, follow_on, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.loaded_entries import loaded_entries
from tests.support.send_harness import SendHarness

SEEN = {"event": "seen", "within": "1 day"}
BUSY = [f"noise-{number}" for number in range(100)]


def event(name: str, id: str, minutes: float) -> dict[str, Any]:
    return {"id": id, "user": "u", "type": "event", "name": name, "occurred_at": at(minutes)}


@pytest.fixture
async def harness(installation: Installation) -> SendHarness:
    """A user whose log has a hundred events that no rule names, beside the trigger."""
    ready = SendHarness(installation, FakeChannel())
    await ready.save_user()
    return ready


async def begin(harness: SendHarness, **delivery: Any) -> None:
    """Start a follow-up, and report events after its trigger."""
    await harness.installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "30 minutes"}, **delivery))
    await harness.installation.ingest(event("seen", "look", -10))
    await harness.installation.ingest(push("e1", 0))
    await harness.installation.ingest(*(event("noise", id, 1) for id in BUSY))


@pytest.mark.parametrize(("audience", "outcome"), [({"did": SEEN}, "sent"), ({"not": {"did": SEEN}}, "dropped")])
async def test_a_recheck_loads_what_the_audience_names(
    harness: SendHarness, monkeypatch: pytest.MonkeyPatch, audience: dict[str, Any], outcome: str
) -> None:
    """`recheck_audience` evaluates the right items, and costs as much for a long log as for a short one."""
    await begin(harness, audience="everyone", recheck_audience=True)
    await harness.installation.publish(
        follow_on("f", PUSHED, delay={"after": "30 minutes"}, audience=audience, recheck_audience=True)
    )
    with loaded_entries(monkeypatch) as loaded:
        assert (await harness.send(minutes=30)).outcome == outcome
    assert set(loaded) <= {"look", "e1"}


async def test_a_released_claim_loads_the_exceptions(harness: SendHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """X1: an exception that came while the claim was held ends the follow-up, without the rest of the log."""

    async def report(_: Any) -> None:
        await harness.installation.ingest(event("bought", "order", 29))

    await begin(harness, exceptions=[{"event": "bought"}])
    harness.channel.meanwhile, harness.channel.answers = report, [TryLater("busy"), Accepted()]
    with loaded_entries(monkeypatch) as loaded, pytest.raises(ApplicationError, match="busy"):
        await harness.send(minutes=30)
    assert [(row.state, row.exception_id) for row in await harness.installation.rows()] == [("excepted", "order")]
    assert set(loaded) <= {"order", "e1"}
