"""Launches on both databases, step by step: audience, control group, turns, pauses, kills."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from activities.launch.launch import Launcher
from activities.send import Sender
from connector.channels.protocol import Accepted, OutcomeUnknown, OutgoingMessage, TryLater
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.users import User
from connector.rules.timing.delays import local_instant, resolve_zone
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import database_now
from connector.store.erasure import erase_user
from connector.store.follow_ups.follow_ups import save_receipt
from connector.store.follow_ups.launches import claim_to_signal_launches
from connector.store.follow_ups.stopping import end_page
from connector.store.tables import deliveries, entries, follow_ups, interactions, launches, user_aliases, users
from connector.store.users.users import save_user
from connector.wire import LaunchPage, LaunchStep
from tests.support.installation import Installation

NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)  # noqa: TID251 - after all that is published
MINUTE = timedelta(minutes=1)


class Killed(BaseException):
    """The process is gone: nothing after this line runs."""


class Provider:
    """A channel that remembers to whom it sent, and answers as told."""

    def __init__(self) -> None:
        self.to: list[str] = []
        self.meanwhile: Any = None

    async def send(self, message: OutgoingMessage) -> Accepted:
        self.to.append(message.address.user_id)
        if self.meanwhile is not None:
            await self.meanwhile(message)
        return Accepted()

    async def close(self) -> None:
        """Nothing is held."""


class Pad:
    """Launches the one campaign of an installation, as its workflow would, at times that the test chooses."""

    def __init__(self, installation: Installation) -> None:
        self.installation, self.provider = installation, Provider()
        channels = {"push": self.provider, "email": self.provider}
        sender = Sender(installation.database, installation.cache, installation.intake, channels, "default")
        self.launcher = Launcher(
            installation.database, installation.cache, installation.intake, sender, "default", audience=7, messages=5
        )
        self.page: LaunchPage | None = None

    async def people(self, *people: User) -> None:
        async with self.installation.database.write("default") as tx:
            for person in people:
                await save_user(tx, person, await database_now(tx))

    async def crowd(self, count: int) -> set[str]:
        """So many users who can be reached, each by push."""
        names = [f"u{n}" for n in range(count)]
        async with self.installation.database.write("default") as tx:
            now = await database_now(tx)
            bare = {"workspace": "default", "attributes": {}, "consent": {}, "created_at": now, "push_tokens": ["t"]}
            await tx.execute(insert(users), [{**bare, "user_key": f"k-{name}"} for name in names])
            alias = [{"workspace": "default", "external_id": name, "user_key": f"k-{name}"} for name in names]
            await tx.execute(insert(user_aliases), alias)
        return set(names)

    async def publish(self, **parts: Any) -> None:
        """Apply the newest words of the original, and publish it."""
        async with self.installation.database.write("default", lock="exclusive") as tx:
            await save_drafts(tx, [parse_definition(original(**parts))], await database_now(tx))
        await self.installation.order("publish", "o")

    async def step(self, at: datetime, *, again: bool = False) -> LaunchStep:
        """One step; with `again` the page of the one before is tried once more."""
        page = self.page or LaunchPage(workspace="default", launch_id=(await self.row()).launch_id, campaign="o")
        step = await self.launcher.step(page, now=at, attempt=1)
        if not again:
            self.page = step.next_page
        return step

    async def work(self, at: datetime) -> LaunchStep:
        """Go on until it waits for something, is paused, or has ended."""
        for _ in range(200):
            step = await self.step(at)
            if step.until is not None or step.phase in ("paused", "ended"):
                return step
        raise AssertionError("it does not come to rest")

    async def row(self) -> Any:
        async with self.installation.database.read("default") as tx:
            return (await tx.execute(select(launches))).one()

    async def rows(self, campaign: str = "o") -> Sequence[Any]:
        statement = (
            select(follow_ups, user_aliases.c.external_id.label("user"))
            .join(user_aliases, user_aliases.c.user_key == follow_ups.c.user_key)
            .where(follow_ups.c.campaign == campaign)
        )
        async with self.installation.database.read("default") as tx:
            return (await tx.execute(statement)).all()

    async def states(self, campaign: str = "o") -> Counter[tuple[str, str | None]]:
        return Counter((row.state, row.reason) for row in await self.rows(campaign))

    async def in_state(self, state: str, campaign: str = "o") -> set[str]:
        return {row.user for row in await self.rows(campaign) if row.state == state}


def original(send: Any = "at_publish", per_minute: int | None = None, **top: Any) -> dict[str, Any]:
    return {
        "campaign": "o",
        "delivery": {"type": "scheduled", "send": send, "per_minute": per_minute},
        "messages": {"push": {"title": "Hi", "body": "there"}},
        **top,
    }


def listener(name: str, interaction: str) -> dict[str, Any]:
    return {
        "campaign": name,
        "delivery": {"type": "action_based", "trigger": [{"interaction": interaction, "campaign": "o"}]},
        "messages": {"push": {"title": "Hi", "body": "again"}},
    }


@pytest.fixture
def pad(installation: Installation) -> Pad:
    return Pad(installation)


async def test_everybody_is_sent_to_or_enrolled(pad: Pad) -> None:
    """T4, W3: each user of the audience is in one group, and each group's follow-on hears of all of it."""
    everybody = await pad.crowd(60)
    drafts = [
        parse_definition(d)
        for d in (original(), listener("f", "receive_push"), listener("c", "enroll_in_control_group"))
    ]
    async with pad.installation.database.write("default", lock="exclusive") as tx:
        await save_drafts(tx, drafts, await database_now(tx))
    await pad.installation.order("publish", "f", "c")
    await pad.publish(control_group=20)
    assert (await pad.work(NOW)).phase == "ended"
    control, sent = await pad.in_state("control"), await pad.in_state("sent")
    assert (control | sent, control & sent) == (everybody, set())
    assert 3 <= len(control) <= 24
    assert Counter(pad.provider.to) == Counter(sent)
    assert (await pad.in_state("waiting", "f"), await pad.in_state("waiting", "c")) == (sent, control)


async def test_rows_need_no_workflow_of_their_own(pad: Pad) -> None:
    """100,000 users are one workflow: the outbox of follow-ups finds nothing to start."""
    await pad.crowd(3)
    await pad.publish()
    await pad.step(NOW)
    assert [(row.state, row.started_at is not None) for row in await pad.rows()] == [("waiting", True)] * 3


async def test_audience_is_judged_as_it_stands(pad: Pad) -> None:
    """Attributes, receipts, erasures and who is new: only those count who are in the audience at the launch."""
    tiers = {"gold": {"tier": "gold"}, "paper": {"tier": "paper"}, "had": {"tier": "gold"}, "gone": {"tier": "gold"}}
    await pad.people(*(User(id=name, push_tokens=("t",), attributes=told) for name, told in tiers.items()))
    await pad.publish(audience={"attribute": "tier", "is": "gold"})
    async with pad.installation.database.write("default") as tx:
        at = await database_now(tx)
        had = select(user_aliases.c.user_key).where(user_aliases.c.external_id == "had")
        await save_receipt(tx, "o", (await tx.execute(had)).scalar_one(), "", at)
        await erase_user(tx, "gone", at)
    assert (await pad.work(NOW)).phase == "ended"
    assert pad.provider.to == ["gold"]


async def test_audience_that_asks_for_the_past(pad: Pad) -> None:
    """The log is looked at for an audience of what users did."""
    await pad.crowd(3)
    await pad.installation.ingest(
        {"id": "b", "user": "u1", "type": "make_purchase", "occurred_at": (NOW - MINUTE).isoformat()}
    )
    await pad.publish(audience={"did": {"event": "make_purchase"}})
    await pad.work(NOW + MINUTE)
    assert pad.provider.to == ["u1"]


async def test_nobody_in_the_audience(pad: Pad) -> None:
    """An audience of nobody is launched and over."""
    await pad.publish()
    assert (await pad.work(NOW)).phase == "ended"
    assert (await pad.row()).ended_at == NOW


async def test_users_made_since_are_none_of_it(pad: Pad) -> None:
    """The audience is that of the launch's beginning, also where gathering it takes a while."""
    await pad.crowd(8)
    await pad.publish()
    await pad.step(NOW)
    async with pad.installation.database.write("default") as tx:
        await tx.execute(update(launches).values(begun_at=NOW - timedelta(days=1)))
    await pad.work(NOW)
    assert len(pad.provider.to) == 7


async def test_control_users_who_cannot_be_reached_are_not_enrolled(pad: Pad) -> None:
    """W3: both groups are treated alike; whom no message could have reached is in neither."""
    mute = User(id="mute", consent={"push": "unsubscribed"}, push_tokens=("t",))
    await pad.people(User(id="near", push_tokens=("t",)), User(id="far"), mute)
    await pad.publish(control_group=100)
    await pad.work(NOW)
    assert {(row.user, row.state, row.reason) for row in await pad.rows()} == {
        ("near", "control", "control_group"),
        ("far", "dropped", "unreachable"),
        ("mute", "dropped", "no_consent"),
    }


async def test_assignment_is_kept(pad: Pad) -> None:
    """T4: whoever was assigned to a message stays out of the control group, whatever its size is now."""
    await pad.crowd(4)
    await pad.publish(control_group=1)
    await pad.step(NOW)
    before = await pad.in_state("control")
    await pad.publish(control_group=100)
    await pad.work(NOW)
    assert await pad.in_state("control") == before


async def test_so_many_a_minute(pad: Pad) -> None:
    """The limit holds for every minute, whatever the size of a page; nobody is late who waited for their turn."""
    await pad.crowd(12)
    await pad.publish(per_minute=4)
    at = NOW
    for sent in (4, 8, 12):
        step = await pad.work(at)
        assert len(pad.provider.to) == sent
        if sent < 12:
            assert step.until == at + MINUTE
        at += MINUTE
    assert await pad.states() == {("sent", None): 12}


async def test_turns_that_nobody_used_are_given_back(pad: Pad) -> None:
    """Whoever is dropped takes nothing of the minute."""
    await pad.people(*(User(id=f"u{n}", push_tokens=("t",) if n % 3 else ()) for n in range(9)))
    await pad.publish(per_minute=6)
    await pad.work(NOW)
    assert len(pad.provider.to) == 6


async def test_slow_launches_do_not_go_stale(pad: Pad) -> None:
    """D4: a launch that is at work all the while, however slowly, is late for nobody."""
    await pad.crowd(6)
    await pad.publish(per_minute=2)
    for days in range(3):
        await pad.work(NOW + timedelta(days=days * 0.9))
    assert await pad.states() == {("sent", None): 6}


async def test_launch_after_a_long_outage_is_stale(pad: Pad) -> None:
    """W4, D4: what nobody worked at for more than `stale_after` is dropped."""
    await pad.crowd(3)
    await pad.publish()
    assert (await pad.work(NOW + timedelta(days=2))).phase == "ended"
    assert await pad.states() == {("dropped", "stale"): 3}


async def test_stop_pauses_and_resume_goes_on(pad: Pad) -> None:
    """P9: unlike a follow-on's waits, what a launch still has to send survives a stop, also a long one."""
    everybody = await pad.crowd(12)
    await pad.publish(per_minute=4)
    await pad.work(NOW)
    await pad.installation.order("stop", "o")
    async with pad.installation.database.write("default") as tx:
        assert (await end_page(tx, ["o"], 100)).ended == 0
    assert (await pad.work(NOW + MINUTE)).phase == "paused"
    assert len(pad.provider.to) == 4
    await pad.installation.order("resume", "o")
    for minutes in (2, 3):
        await pad.work(NOW + minutes * MINUTE)
    assert Counter(pad.provider.to) == Counter(everybody)
    assert await pad.states() == {("sent", None): 12}


async def test_resume_after_days_goes_on(pad: Pad) -> None:
    """P9, D4: a pause makes nothing stale; it counts from the resume."""
    await pad.crowd(4)
    await pad.publish(per_minute=2)
    await pad.work(NOW)
    await pad.installation.order("stop", "o")
    await pad.installation.order("resume", "o")
    async with pad.installation.database.write("default") as tx:  # as if it had been resumed three days later
        await tx.execute(update(launches).values(kept_up_at=NOW + timedelta(days=3)))
    await pad.work(NOW + timedelta(days=3))
    assert await pad.states() == {("sent", None): 4}


async def test_stop_within_a_page(pad: Pad) -> None:
    """P9: no message is claimed after the stop, though its page had begun."""
    await pad.crowd(12)
    await pad.publish()
    await pad.step(NOW)

    async def stop(_message: OutgoingMessage) -> None:
        pad.provider.meanwhile = None
        await pad.installation.order("stop", "o")

    pad.provider.meanwhile = stop
    assert (await pad.work(NOW)).phase == "paused"
    went = len(pad.provider.to)
    await pad.installation.order("resume", "o")
    assert (await pad.work(NOW)).phase == "ended"
    assert went < 12
    assert (len(pad.provider.to), await pad.states()) == (12, {("sent", None): 12})


async def test_archive_ends_it(pad: Pad) -> None:
    """P9: what has not gone out ends as stopped, held messages too."""
    await pad.crowd(4)
    await pad.publish(per_minute=1)
    await pad.work(NOW)
    async with pad.installation.database.write("default") as tx:
        await tx.execute(
            update(follow_ups).where(follow_ups.c.state == "waiting").values(next_at=NOW + timedelta(days=1))
        )
    await pad.installation.order("archive", "o")
    assert (await pad.work(NOW)).phase == "ended"
    assert await pad.states() == {("sent", None): 1, ("dropped", "stopped"): 3}


async def test_archive_ends_waits_as_it_does_for_follow_ons(pad: Pad) -> None:
    """P9: the pages of a stop take an archived launch's rows along."""
    await pad.crowd(3)
    await pad.publish()
    await pad.step(NOW)
    await pad.installation.order("archive", "o")
    async with pad.installation.database.write("default") as tx:
        assert (await end_page(tx, ["o"], 100)).ended == 3
    assert (await pad.work(NOW)).phase == "ended"


async def test_newer_revision_goes_to_nobody_twice(pad: Pad) -> None:
    """P10: those who wait get the newest content; those who received it get nothing more, nor does anybody new."""
    everybody = await pad.crowd(6)
    await pad.publish(per_minute=3)
    await pad.work(NOW)
    await pad.publish(per_minute=3, messages={"push": {"title": "Newer", "body": "words"}})
    await pad.people(User(id="late", push_tokens=("t",)))
    titles: list[str] = []

    async def note(message: OutgoingMessage) -> None:
        titles.append(message.content["title"])

    pad.provider.meanwhile = note
    assert (await pad.work(NOW + MINUTE)).phase == "ended"
    await pad.publish(messages={"push": {"title": "Newest", "body": "words"}})
    assert (await pad.work(NOW + 2 * MINUTE)).phase == "ended"
    assert (Counter(pad.provider.to), titles) == (Counter(everybody), ["Newer"] * 3)


async def test_killed_while_gathering(pad: Pad, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, enrolments and the cursor are one transaction: killed in it, all of it is done again, once."""
    await pad.crowd(7)
    await pad.publish(control_group=50)

    async def kill(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr("activities.launch.launch.change_launch", kill)
        with pytest.raises(Killed):
            await pad.step(NOW)
    assert await pad.rows() == []
    await pad.work(NOW)
    enrolled = select(func.count()).where(interactions.c.topic == "enroll_in_control_group")
    async with pad.installation.database.read("default") as tx:
        assert (await tx.execute(enrolled)).scalar_one() == len(await pad.in_state("control"))
    assert len(await pad.rows()) == 7


async def test_killed_while_sending(pad: Pad) -> None:
    """Guarantee 4: what was in the provider's hands is unknown and not resent; all others are sent to once."""
    everybody = await pad.crowd(9)
    await pad.publish()
    await pad.step(NOW)
    await pad.step(NOW)

    async def kill(_message: OutgoingMessage) -> None:
        if len(pad.provider.to) == 3:
            raise Killed

    pad.provider.meanwhile = kill
    with pytest.raises(Killed):
        await pad.step(NOW, again=True)
    pad.provider.meanwhile = None
    assert (await pad.work(NOW + MINUTE)).phase == "ended"
    assert Counter(pad.provider.to) == Counter(everybody)
    assert await pad.states() == {("sent", None): 8, ("failed", "send_unknown"): 1}


async def test_two_attempts_at_once(pad: Pad) -> None:
    """An attempt that was given up and goes on all the same, beside the next one: nobody is sent to twice."""
    everybody = await pad.crowd(20)
    await pad.publish(control_group=20)
    await asyncio.gather(*(pad.step(NOW) for _ in range(6)))
    other = Pad(pad.installation)
    other.provider = pad.provider
    await asyncio.gather(pad.work(NOW), other.work(NOW))
    await pad.work(NOW + MINUTE)
    assert max(Counter(pad.provider.to).values()) == 1
    assert {row.user for row in await pad.rows()} == everybody
    assert not await pad.in_state("waiting")


async def test_provider_that_is_busy_is_left_alone(pad: Pad) -> None:
    """What it puts off stays, in its place; it is asked again after a pause, and not for every user before."""
    await pad.crowd(20)
    await pad.publish()

    async def busy(_message: OutgoingMessage) -> None:
        raise TryLater("busy", retry_after=timedelta(seconds=30))

    pad.provider.meanwhile = busy
    step = await pad.work(NOW)
    assert (step.until, len(pad.provider.to)) == (NOW + timedelta(seconds=30), 5)
    pad.provider.meanwhile = None
    pad.provider.to.clear()
    at = NOW + MINUTE
    while (step := await pad.work(at)).phase != "ended":
        assert step.until is not None
        at = step.until
    assert len(pad.provider.to) == 20
    assert await pad.states() == {("sent", None): 20}


async def test_one_message_that_is_put_off_holds_up_nobody(pad: Pad) -> None:
    """The pass goes on behind it, and it is tried again when the pass is through; in the end it is stale (D4)."""
    await pad.crowd(12)
    await pad.publish()

    async def poison(message: OutgoingMessage) -> None:
        if message.address.user_id == "u0":
            raise TryLater("busy")

    pad.provider.meanwhile = poison
    step = await pad.work(NOW)
    assert (step.phase, step.until) == ("waits", NOW + timedelta(seconds=2))
    assert await pad.states() == {("sent", None): 11, ("waiting", None): 1}
    assert (await pad.work(NOW + timedelta(days=2))).phase == "ended"
    assert await pad.states() == {("sent", None): 11, ("dropped", "stale"): 1}


async def test_lost_answer_is_unknown(pad: Pad) -> None:
    """Guarantee 4: it counts as received, and is shown."""
    await pad.crowd(1)
    await pad.publish()

    async def lose(_message: OutgoingMessage) -> None:
        raise OutcomeUnknown("lost")

    pad.provider.meanwhile = lose
    assert (await pad.work(NOW)).phase == "ended"
    assert await pad.states() == {("failed", "send_unknown"): 1}


async def test_quiet_hours_hold(pad: Pad) -> None:
    """The workspace's quiet hours hold a launch's messages as they hold a follow-up's."""
    await pad.crowd(3)
    begins = NOW.astimezone(UTC)
    quiet = {
        "from": f"{begins - timedelta(hours=1):%H:%M}",
        "to": f"{begins + timedelta(hours=1):%H:%M}",
        "zone": "company",
    }
    async with pad.installation.database.write("default", lock="exclusive") as tx:
        await save_drafts(
            tx, [parse_definition({"workspace": "default", "quiet_hours": quiet})], await database_now(tx)
        )
    await pad.publish()
    step = await pad.work(NOW)
    assert (step.phase, pad.provider.to, await pad.states()) == ("waits", [], {("held", None): 3})
    assert step.until is not None
    assert (await pad.work(step.until)).phase == "ended"
    assert len(pad.provider.to) == 3


async def test_each_at_their_own_time(pad: Pad) -> None:
    """`zone: user`: gathered when the date begins where it begins first; due by each user's clock, or the company's."""
    day = (NOW + timedelta(days=3)).date()
    zones = {"tokyo": "Asia/Tokyo", "york": "America/New_York", "none": None}
    await pad.people(*(User(id=name, push_tokens=("t",), time_zone=zone) for name, zone in zones.items()))
    await pad.publish(send={"at": f"{day} 09:00"})
    step = await pad.work(NOW)
    assert (step.phase, step.until) == (
        "waits",
        datetime(day.year, day.month, day.day, 9, tzinfo=UTC) - timedelta(hours=14),
    )
    at, order = step.until, []
    while step.phase != "ended":
        assert step.until is not None
        at, before = step.until, len(pad.provider.to)
        step = await pad.work(at)
        order += [(name, at) for name in pad.provider.to[before:]]
    clock = datetime(2026, 1, 1, 9).time()
    assert order == [
        (name, local_instant(day, clock, resolve_zone("user", user_zone=zones[name], company_zone="UTC")))
        for name in ("tokyo", "none", "york")
    ]


async def test_new_time_before_it_has_begun(pad: Pad) -> None:
    """Publishing another time moves a launch that has not begun, and its workflow is told."""
    await pad.crowd(1)
    later = [(NOW + timedelta(days=days)).replace(second=0) for days in (5, 2)]
    sends = [{"at": f"{at:%Y-%m-%d %H:%M}", "zone": "company"} for at in later]
    await pad.publish(send=sends[0])
    assert (await pad.step(NOW)).until == later[0]
    await pad.publish(send=sends[1])
    assert (await pad.step(NOW)).until == later[1]
    async with pad.installation.database.read("default") as tx:
        [told] = await claim_to_signal_launches(tx, 10)
        version = (await tx.execute(select(entries.c.changed_in).where(entries.c.id == "o"))).scalar_one()
    assert told["changed_in"] == version


async def test_everything_of_a_page_is_claimed_once(pad: Pad) -> None:
    """One delivery a user and channel, whatever number of passes there were."""
    await pad.crowd(10)
    await pad.publish(messages={"push": {"title": "a", "body": "b"}, "email": {"subject": "a", "text": "b"}})
    await pad.work(NOW)
    async with pad.installation.database.read("default") as tx:
        found = Counter(map(tuple, await tx.execute(select(deliveries.c.channel, deliveries.c.state))))
    assert found == {("push", "sent"): 10, ("email", "dropped"): 10}
    assert await pad.states() == {("sent", None): 10}
