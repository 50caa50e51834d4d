"""The record of one user on both databases: every decision, in a constant number of statements."""

from datetime import datetime

import pytest

from connector.rules.model.reasons import Reason
from connector.store.engine.database import Database
from connector.store.reporting.history import UserRecord, load_user_record
from connector.store.users.users import find_user
from tests.support.builders import ABANDONED, ORIGINAL, PUSHED, at, buy, follow_on, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.send_harness import SendHarness

W = "default"


async def _record(database: Database, user: str, campaign: str | None = None, most: int = 1000) -> UserRecord:
    async with database.read(W) as tx:
        stored = await find_user(tx, user)
        assert stored is not None
        return await load_user_record(tx, stored.user_key, campaign=campaign, limit=most)


@pytest.fixture
async def decided(installation: Installation) -> Installation:
    """The user `u` has a cancelled follow-up, a waiting one and a refusal; `v` has a waiting one."""
    await installation.publish(ORIGINAL, ABANDONED, follow_on("g", {"event": "never"}))
    await installation.ingest(
        push("p1", 1), buy("b1", 2, product="shoe"), push("p2", 3), push("p3", 4), push("p-v", 5, "v")
    )
    return installation


async def test_everything_of_one_user_and_nothing_of_another(decided: Installation) -> None:
    """Guarantee 7: follow-ups and refusals with what they are about, oldest first."""
    record = await _record(decided.database, "u")
    assert [(p.trigger.id, p.state, p.exception_id) for p in record.follow_ups] == [
        ("p1", "excepted", "b1"),
        ("p2", "waiting", None),
    ]
    (refused,) = record.decided
    assert (refused.interaction_id, refused.reason, refused.state) == ("p3", Reason.ALREADY_WAITING, "refused")
    assert refused.t == datetime.fromisoformat(at(4))
    assert list(record.items) == ["p1", "b1", "p2", "p3"]
    assert record.items["b1"].item.properties == {"product": "shoe"}
    assert record.items["b1"].received_at > record.items["b1"].t
    assert (record.is_cut, record.campaigns) == (False, {"f"})


async def test_of_one_campaign(decided: Installation) -> None:
    """Decisions about other campaigns are left out, but the campaigns are listed."""
    record = await _record(decided.database, "u", "g")
    assert (record.follow_ups, record.decided, record.campaigns) == ([], [], {"f"})


@pytest.mark.parametrize(
    ("most", "expected"), [(1, ["p3"]), (2, ["p2", "p3"]), (3, ["p1", "p2", "p3"]), (4, ["p1", "p2", "p3"])]
)
async def test_the_newest_decisions(decided: Installation, most: int, expected: list[str]) -> None:
    """A record has a limit for follow-ups and refusals together, and says whether it was cut."""
    record = await _record(decided.database, "u", most=most)
    assert [*(p.trigger.id for p in record.follow_ups), *(d.interaction_id for d in record.decided)] == expected
    assert record.is_cut == (most < 3)
    assert record.campaigns == {"f"}


async def test_messages_receipts_and_sends(installation: Installation) -> None:
    """T1, W2: the outcome of each channel, the receipt, and the sends that filled the cap."""
    harness = SendHarness(installation, FakeChannel())
    await harness.save_user()
    caps = {"workspace": W, "frequency_caps": [{"channel": "push", "at_most": 1, "per": "week"}]}
    await installation.publish(caps, ORIGINAL, follow_on("f", PUSHED, eligible_again="always"))
    await installation.ingest(push("p1", 0))
    await harness.send(minutes=1)
    await installation.ingest(push("p2", 2))
    await harness.send(minutes=3)
    record = await _record(installation.database, "u")
    (sent,), (capped,) = (record.messages[follow_up.id] for follow_up in record.follow_ups)
    assert (sent.channel, sent.state, sent.reason, sent.claimed_at) == ("push", "sent", None, _time(1))
    assert (capped.state, capped.reason, capped.decided_at) == ("dropped", Reason.FREQUENCY_CAPPED, _time(3))
    assert record.receipts == {("f", ""): _time(1)}
    assert [(send.channel, send.at) for send in record.sends] == [("push", _time(1))]


def _time(minutes: float) -> datetime:
    return datetime.fromisoformat(at(minutes))


async def test_statements_do_not_grow(decided: Installation) -> None:
    """A user with many decisions costs as many statements as one with none."""
    counts = []
    for minutes in range(10, 60, 10):
        with decided.database.count_statements() as count:
            await _record(decided.database, "u")
        counts.append(len(count.statements))
        await decided.ingest(*[push(f"more-{minutes}-{n}", minutes + n / 10) for n in range(20)])
        await decided.ingest(buy(f"end-{minutes}", minutes + 9))
    assert len(set(counts)) == 1
