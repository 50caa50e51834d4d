"""Launches on both databases, step by step: audience, control group, turns, pauses, kills."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from connector.channels.protocol import OutcomeUnknown, OutgoingMessage, TryLater
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.users import User
from connector.rules.timing.delays import local_instant, resolve_zone
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import database_now
from connector.store.erasure import erase_user
from connector.store.follow_ups.ending import end_stopped, find_stopped
from connector.store.follow_ups.outbox import find_launches_to_signal
from connector.store.follow_ups.receipts import save_receipts
from connector.store.tables import deliveries, entries, follow_ups, interactions, launches, publications, user_aliases
from tests.support.builders import listener, now, original
from tests.support.fake_channel import Killed
from tests.support.installation import Installation
from tests.support.launch_harness import MINUTE, NOW, LaunchHarness


@pytest.fixture
def harness(installation: Installation) -> LaunchHarness:
    return LaunchHarness(installation)


async def test_everybody_is_sent_to_or_enrolled(harness: LaunchHarness) -> None:
    """T4, W3: each user of the audience is in one group, and each group's follow-on hears of all of it."""
    everybody = await harness.crowd(60)
    drafts = [
        parse_definition(d)
        for d in (original(), listener("f", "receive_push"), listener("c", "enroll_in_control_group"))
    ]
    async with harness.installation.database.write("default", lock="exclusive") as tx:
        await save_drafts(tx, drafts, await database_now(tx))
    await harness.installation.order("publish", "f", "c")
    await harness.publish(control_group=20)
    assert (await harness.work(NOW)).phase == "ended"
    control, sent = await harness.in_state("control"), await harness.in_state("sent")
    assert (control | sent, control & sent) == (everybody, set())
    assert 3 <= len(control) <= 24
    assert Counter(harness.channel.users) == Counter(sent)
    assert (await harness.in_state("waiting", "f"), await harness.in_state("waiting", "c")) == (sent, control)


async def test_rows_need_no_workflow_of_their_own(harness: LaunchHarness) -> None:
    """100,000 users are one workflow: the outbox of follow-ups finds nothing to start."""
    await harness.crowd(3)
    await harness.publish()
    await harness.step(NOW)
    assert [(row.state, row.started_at is not None) for row in await harness.rows()] == [("waiting", True)] * 3


async def test_audience_is_judged_as_it_stands(harness: LaunchHarness) -> None:
    """Attributes, receipts, erasures and who is new: only those count who are in the audience at the launch."""
    tiers = {"gold": {"tier": "gold"}, "paper": {"tier": "paper"}, "had": {"tier": "gold"}, "gone": {"tier": "gold"}}
    await harness.people(*(User(id=name, push_tokens=("t",), attributes=told) for name, told in tiers.items()))
    await harness.publish(audience={"attribute": "tier", "is": "gold"})
    async with harness.installation.database.write("default") as tx:
        at = await database_now(tx)
        had = select(user_aliases.c.user_key).where(user_aliases.c.external_id == "had")
        await save_receipts(tx, {("o", (await tx.execute(had)).scalar_one(), ""): at})
        await erase_user(tx, "gone", at)
    assert (await harness.work(NOW)).phase == "ended"
    assert harness.channel.users == ["gold"]


async def test_audience_that_asks_for_the_past(harness: LaunchHarness) -> None:
    """The log is looked at for an audience of what users did."""
    await harness.crowd(3)
    await harness.installation.ingest(
        {"id": "b", "user": "u1", "type": "make_purchase", "occurred_at": (NOW - MINUTE).isoformat()}
    )
    await harness.publish(audience={"did": {"event": "make_purchase"}})
    await harness.work(NOW + MINUTE)
    assert harness.channel.users == ["u1"]


async def test_nobody_in_the_audience(harness: LaunchHarness) -> None:
    """An audience of nobody is launched and over."""
    await harness.publish()
    assert (await harness.work(NOW)).phase == "ended"
    assert (await harness.row()).ended_at == NOW


async def test_users_made_since_are_none_of_it(harness: LaunchHarness) -> None:
    """The audience is that of the launch's beginning, also where gathering it takes a while."""
    await harness.crowd(8)
    await harness.publish()
    await harness.step(NOW)
    async with harness.installation.database.write("default") as tx:
        await tx.execute(update(launches).values(begun_at=NOW - timedelta(days=1)))
    await harness.work(NOW)
    assert len(harness.channel.users) == 7


async def test_control_users_who_cannot_be_reached_are_not_enrolled(harness: LaunchHarness) -> None:
    """W3: both groups are treated alike; whom no message could have reached is in neither."""
    mute = User(id="mute", consent={"push": "unsubscribed"}, push_tokens=("t",))
    await harness.people(User(id="near", push_tokens=("t",)), User(id="far"), mute)
    await harness.publish(control_group=100)
    await harness.work(NOW)
    assert {(row.user, row.state, row.reason) for row in await harness.rows()} == {
        ("near", "control", "control_group"),
        ("far", "dropped", "unreachable"),
        ("mute", "dropped", "no_consent"),
    }


async def test_assignment_is_kept(harness: LaunchHarness) -> None:
    """T4: whoever was assigned to a message stays out of the control group, whatever its size is now."""
    await harness.crowd(4)
    await harness.publish(control_group=1)
    await harness.step(NOW)
    before = await harness.in_state("control")
    await harness.publish(control_group=100)
    await harness.work(NOW)
    assert await harness.in_state("control") == before


async def test_so_many_a_minute(harness: LaunchHarness) -> None:
    """The limit holds for every minute, whatever the size of a page; nobody is late who waited for their turn."""
    await harness.crowd(12)
    await harness.publish(per_minute=4)
    at = NOW
    for sent in (4, 8, 12):
        step = await harness.work(at)
        assert len(harness.channel.users) == sent
        if sent < 12:
            assert step.until == at + MINUTE
        at += MINUTE
    assert await harness.states() == {("sent", None): 12}


async def test_turns_that_nobody_used_are_given_back(harness: LaunchHarness) -> None:
    """Whoever is dropped takes nothing of the minute."""
    await harness.people(*(User(id=f"u{n}", push_tokens=("t",) if n % 3 else ()) for n in range(9)))
    await harness.publish(per_minute=6)
    await harness.work(NOW)
    assert len(harness.channel.users) == 6


async def test_slow_launches_do_not_go_stale(harness: LaunchHarness) -> None:
    """D4: a launch that is at work all the while, however slowly, is late for nobody."""
    await harness.crowd(6)
    await harness.publish(per_minute=2)
    for days in range(3):
        await harness.work(NOW + timedelta(days=days * 0.9))
    assert await harness.states() == {("sent", None): 6}


async def test_launch_after_a_long_outage_is_stale(harness: LaunchHarness) -> None:
    """W4, D4: what nobody worked at for more than `stale_after` is dropped."""
    await harness.crowd(3)
    await harness.publish()
    assert (await harness.work(NOW + timedelta(days=2))).phase == "ended"
    assert await harness.states() == {("dropped", "stale"): 3}


async def test_stop_pauses_and_resume_goes_on(harness: LaunchHarness) -> None:
    """P9: unlike a follow-on's waits, what a launch still has to send survives a stop, also a long one."""
    everybody = await harness.crowd(12)
    await harness.publish(per_minute=4)
    await harness.work(NOW)
    await harness.installation.order("stop", "o")
    async with harness.installation.database.write("default") as tx:
        assert await find_stopped(tx, ["o"], 100) == {}
    assert (await harness.work(NOW + MINUTE)).phase == "paused"
    assert len(harness.channel.users) == 4
    await harness.installation.order("resume", "o")
    for minutes in (2, 3):
        await harness.work(NOW + minutes * MINUTE)
    assert Counter(harness.channel.users) == Counter(everybody)
    assert await harness.states() == {("sent", None): 12}


async def stopped_ago(harness: LaunchHarness, ago: timedelta) -> None:
    """Stop the launch, as if it had been at work until `ago` before now, and resume it now."""
    await harness.installation.order("stop", "o")
    until = (await harness.installation.order("resume", "o")) - ago
    async with harness.installation.database.write("default") as tx:
        await tx.execute(update(launches).values(kept_up_at=until))
        await tx.execute(update(follow_ups).where(follow_ups.c.state == "waiting").values(next_at=until - MINUTE))


@pytest.mark.parametrize(("ago", "late"), [(timedelta(hours=24), "sent"), (timedelta(hours=24, seconds=1), "dropped")])
async def test_resume_after_a_long_pause(harness: LaunchHarness, ago: timedelta, late: str) -> None:
    """P9, D4: who waited for their turn at the stop is judged as of the resume, however slowly the launch goes on."""
    await harness.crowd(8)
    await harness.publish(per_minute=2)
    await harness.work(NOW)
    await stopped_ago(harness, ago)
    for hours in range(4):
        await harness.work(NOW + timedelta(hours=hours))
    assert Counter(state for state, _ in (await harness.states()).elements()) == Counter({"sent": 2}) + Counter(
        {late: 6}
    )


async def test_outage_after_a_pause(harness: LaunchHarness) -> None:
    """P9, W4: a pause does not count, but that no worker was there after the resume does."""
    await harness.crowd(4)
    await harness.publish(per_minute=2)
    await harness.work(NOW)
    await stopped_ago(harness, timedelta(hours=20))
    await harness.work(NOW + timedelta(hours=25))
    assert await harness.states() == {("sent", None): 2, ("dropped", "stale"): 2}


async def test_publishing_again_forgives_no_outage(harness: LaunchHarness) -> None:
    """W4: a newer revision changes the content, not when the users' messages were due."""
    await harness.crowd(3)
    await harness.publish()
    await harness.step(NOW)
    async with harness.installation.database.write("default") as tx:  # as if two days had passed since
        await tx.execute(update(publications).values(opened_at=NOW - timedelta(days=2)))
        await tx.execute(update(launches).values(kept_up_at=NOW - timedelta(days=2)))
        await tx.execute(update(follow_ups).values(next_at=NOW - timedelta(days=2)))
    await harness.publish(messages={"push": {"title": "Newer", "body": "words"}})
    assert (await harness.work(NOW)).phase == "ended"
    assert await harness.states() == {("dropped", "stale"): 3}


async def test_own_limit_of_lateness(harness: LaunchHarness) -> None:
    """W5: `delivery.stale_after` overrides the workspace's, after an outage too."""
    await harness.crowd(3)
    await harness.publish(stale_after="3 days")
    await harness.work(NOW + timedelta(days=2))
    assert await harness.states() == {("sent", None): 3}


async def test_local_time_that_has_passed(harness: LaunchHarness) -> None:
    """W5: whose own time passed more than an hour before the publication is stale when the audience is selected."""
    passed = (now() - timedelta(hours=3)).replace(second=0)
    people = {"west": "Etc/GMT+3", "utc": "Etc/UTC", "none": None}  # in the west it is three hours later
    await harness.people(*(User(id=name, push_tokens=("t",), time_zone=zone) for name, zone in people.items()))
    await harness.publish(send={"at": f"{passed:%Y-%m-%d %H:%M}", "zone": "user"}, control_group=0)
    await harness.work(NOW)
    rows = {row.user: (row.state, row.reason) for row in await harness.rows()}
    assert rows == {"west": ("sent", None), "utc": ("dropped", "stale"), "none": ("dropped", "stale")}
    assert harness.channel.users == ["west"]


async def test_stop_within_a_page(harness: LaunchHarness) -> None:
    """P9: no message is claimed after the stop, though its page had begun."""
    await harness.crowd(12)
    await harness.publish()
    await harness.step(NOW)

    async def stop(_message: OutgoingMessage) -> None:
        harness.channel.meanwhile = None
        await harness.installation.order("stop", "o")

    harness.channel.meanwhile = stop
    assert (await harness.work(NOW)).phase == "paused"
    went = len(harness.channel.users)
    await harness.installation.order("resume", "o")
    assert (await harness.work(NOW)).phase == "ended"
    assert went < 12
    assert (len(harness.channel.users), await harness.states()) == (12, {("sent", None): 12})


async def test_archive_ends_it(harness: LaunchHarness) -> None:
    """P9: what has not gone out ends as stopped, held messages too."""
    await harness.crowd(4)
    await harness.publish(per_minute=1)
    await harness.work(NOW)
    async with harness.installation.database.write("default") as tx:
        await tx.execute(
            update(follow_ups).where(follow_ups.c.state == "waiting").values(next_at=NOW + timedelta(days=1))
        )
    await harness.installation.order("archive", "o")
    assert (await harness.work(NOW)).phase == "ended"
    assert await harness.states() == {("sent", None): 1, ("dropped", "stopped"): 3}


async def test_archive_ends_waits_as_it_does_for_follow_ons(harness: LaunchHarness) -> None:
    """P9: the pages of a stop take an archived launch's rows along."""
    await harness.crowd(3)
    await harness.publish()
    await harness.step(NOW)
    await harness.installation.order("archive", "o")
    async with harness.installation.database.write("default") as tx:
        assert await end_stopped(tx, await find_stopped(tx, ["o"], 100)) == 3
    assert (await harness.work(NOW)).phase == "ended"


async def test_newer_revision_goes_to_nobody_twice(harness: LaunchHarness) -> None:
    """P10: those who wait get the newest content; those who received it get nothing more, nor does anybody new."""
    everybody = await harness.crowd(6)
    await harness.publish(per_minute=3)
    await harness.work(NOW)
    await harness.publish(per_minute=3, messages={"push": {"title": "Newer", "body": "words"}})
    await harness.people(User(id="late", push_tokens=("t",)))
    titles: list[str] = []

    async def note(message: OutgoingMessage) -> None:
        titles.append(message.content["title"])

    harness.channel.meanwhile = note
    assert (await harness.work(NOW + MINUTE)).phase == "ended"
    await harness.publish(messages={"push": {"title": "Newest", "body": "words"}})
    assert (await harness.work(NOW + 2 * MINUTE)).phase == "ended"
    assert (Counter(harness.channel.users), titles) == (Counter(everybody), ["Newer"] * 3)


async def test_killed_while_gathering(harness: LaunchHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, enrolments and the cursor are one transaction: killed in it, all of it is done again, once."""
    await harness.crowd(7)
    await harness.publish(control_group=50)

    async def kill(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as broken:
        broken.setattr("activities.launch.launch.update_launch", kill)
        with pytest.raises(Killed):
            await harness.step(NOW)
    assert await harness.rows() == []
    await harness.work(NOW)
    enrolled = select(func.count()).where(interactions.c.topic == "enroll_in_control_group")
    async with harness.installation.database.read("default") as tx:
        assert (await tx.execute(enrolled)).scalar_one() == len(await harness.in_state("control"))
    assert len(await harness.rows()) == 7


async def test_killed_while_sending(harness: LaunchHarness) -> None:
    """Guarantee 4: what was in the provider's hands is unknown and not resent; all others are sent to once."""
    everybody = await harness.crowd(9)
    await harness.publish()
    await harness.step(NOW)
    await harness.step(NOW)

    async def kill(_message: OutgoingMessage) -> None:
        if len(harness.channel.users) == 3:
            raise Killed

    harness.channel.meanwhile = kill
    with pytest.raises(Killed):
        await harness.step(NOW, again=True)
    harness.channel.meanwhile = None
    assert (await harness.work(NOW + MINUTE)).phase == "ended"
    assert Counter(harness.channel.users) == Counter(everybody)
    assert await harness.states() == {("sent", None): 8, ("failed", "send_unknown"): 1}


async def test_two_attempts_at_once(harness: LaunchHarness) -> None:
    """An attempt that was given up and goes on all the same, beside the next one: nobody is sent to twice."""
    everybody = await harness.crowd(20)
    await harness.publish(control_group=20)
    await asyncio.gather(*(harness.step(NOW) for _ in range(6)))
    other = LaunchHarness(harness.installation, harness.channel)
    await asyncio.gather(harness.work(NOW), other.work(NOW))
    await harness.work(NOW + MINUTE)
    assert max(Counter(harness.channel.users).values()) == 1
    assert {row.user for row in await harness.rows()} == everybody
    assert not await harness.in_state("waiting")


async def test_provider_that_is_busy_is_left_alone(harness: LaunchHarness) -> None:
    """What it puts off stays, in its place; it is asked again after a pause, and not for every user before."""
    await harness.crowd(20)
    await harness.publish()

    async def busy(_message: OutgoingMessage) -> None:
        raise TryLater("busy", retry_after=timedelta(seconds=30))

    harness.channel.meanwhile = busy
    step = await harness.work(NOW)
    assert (step.until, len(harness.channel.users)) == (NOW + timedelta(seconds=30), 5)
    harness.channel.meanwhile = None
    harness.channel.messages.clear()
    at = NOW + MINUTE
    while (step := await harness.work(at)).phase != "ended":
        assert step.until is not None
        at = step.until
    assert len(harness.channel.users) == 20
    assert await harness.states() == {("sent", None): 20}


async def test_one_message_that_is_put_off_holds_up_nobody(harness: LaunchHarness) -> None:
    """W6: the pass goes on behind it, and it is tried again when the pass is through; in the end it is stale (D4)."""
    await harness.crowd(12)
    await harness.publish()

    async def poison(message: OutgoingMessage) -> None:
        if message.address.user_id == "u0":
            raise TryLater("busy")

    harness.channel.meanwhile = poison
    step = await harness.work(NOW)
    assert (step.phase, step.until) == ("waits", NOW + timedelta(seconds=2))
    assert await harness.states() == {("sent", None): 11, ("waiting", None): 1}
    assert (await harness.work(NOW + timedelta(days=2))).phase == "ended"
    assert await harness.states() == {("sent", None): 11, ("dropped", "stale"): 1}


async def test_lost_answer_is_unknown(harness: LaunchHarness) -> None:
    """Guarantee 4: it counts as received, and is shown."""
    await harness.crowd(1)
    await harness.publish()

    async def lose(_message: OutgoingMessage) -> None:
        raise OutcomeUnknown("lost")

    harness.channel.meanwhile = lose
    assert (await harness.work(NOW)).phase == "ended"
    assert await harness.states() == {("failed", "send_unknown"): 1}


async def test_quiet_hours_hold(harness: LaunchHarness) -> None:
    """The workspace's quiet hours hold a launch's messages as they hold a follow-up's."""
    await harness.crowd(3)
    begins = NOW.astimezone(UTC)
    quiet = {
        "from": f"{begins - timedelta(hours=1):%H:%M}",
        "to": f"{begins + timedelta(hours=1):%H:%M}",
        "zone": "company",
    }
    async with harness.installation.database.write("default", lock="exclusive") as tx:
        await save_drafts(
            tx, [parse_definition({"workspace": "default", "quiet_hours": quiet})], await database_now(tx)
        )
    await harness.publish()
    step = await harness.work(NOW)
    assert (step.phase, harness.channel.users, await harness.states()) == ("waits", [], {("held", None): 3})
    assert step.until is not None
    assert (await harness.work(step.until)).phase == "ended"
    assert len(harness.channel.users) == 3


async def test_each_at_their_own_time(harness: LaunchHarness) -> None:
    """`zone: user`: gathered when the date begins where it begins first; due by each user's clock, or the company's."""
    day = (NOW + timedelta(days=3)).date()
    zones = {"tokyo": "Asia/Tokyo", "york": "America/New_York", "none": None}
    await harness.people(*(User(id=name, push_tokens=("t",), time_zone=zone) for name, zone in zones.items()))
    await harness.publish(send={"at": f"{day} 09:00"})
    step = await harness.work(NOW)
    assert (step.phase, step.until) == (
        "waits",
        datetime(day.year, day.month, day.day, 9, tzinfo=UTC) - timedelta(hours=14),
    )
    at, order = step.until, []
    while step.phase != "ended":
        assert step.until is not None
        at, before = step.until, len(harness.channel.users)
        step = await harness.work(at)
        order += [(name, at) for name in harness.channel.users[before:]]
    clock = datetime(2026, 1, 1, 9).time()
    assert order == [
        (name, local_instant(day, clock, resolve_zone("user", user_zone=zones[name], company_zone="UTC")))
        for name in ("tokyo", "none", "york")
    ]


async def test_new_time_before_it_has_begun(harness: LaunchHarness) -> None:
    """Publishing another time moves a launch that has not begun, and its workflow is told."""
    await harness.crowd(1)
    later = [(NOW + timedelta(days=days)).replace(second=0) for days in (5, 2)]
    sends = [{"at": f"{at:%Y-%m-%d %H:%M}", "zone": "company"} for at in later]
    await harness.publish(send=sends[0])
    assert (await harness.step(NOW)).until == later[0]
    await harness.publish(send=sends[1])
    assert (await harness.step(NOW)).until == later[1]
    async with harness.installation.database.read("default") as tx:
        [told] = await find_launches_to_signal(tx, 10)
        version = (await tx.execute(select(entries.c.changed_in).where(entries.c.id == "o"))).scalar_one()
    assert told["changed_in"] == version


async def test_everything_of_a_page_is_claimed_once(harness: LaunchHarness) -> None:
    """One delivery a user and channel, whatever number of passes there were."""
    await harness.crowd(10)
    await harness.publish(messages={"push": {"title": "a", "body": "b"}, "email": {"subject": "a", "text": "b"}})
    await harness.work(NOW)
    async with harness.installation.database.read("default") as tx:
        found = Counter(map(tuple, await tx.execute(select(deliveries.c.channel, deliveries.c.state))))
    assert found == {("push", "sent"): 10, ("email", "dropped"): 10}
    assert await harness.states() == {("sent", None): 10}
