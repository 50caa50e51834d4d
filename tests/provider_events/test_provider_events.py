"""Providers' events on both databases: matched, turned into interactions and statements, and kept if unmatched."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select, update

from connector.channels.protocol import Accepted, OutcomeUnknown
from connector.rules.model.users import User
from connector.rules.provider_events.classification import EngagementKind, Visit
from connector.rules.provider_events.events import EventKind, ProviderEvent
from connector.store.cleanup.cleaning import Cleaning
from connector.store.cleanup.horizons import Kept
from connector.store.erasure import erase_user
from connector.store.provider_events.events import count_unmatched, load_unmatched
from connector.store.tables import (
    dead_addresses,
    heeded_reports,
    receipts,
    unmatched_reports,
    users,
)
from connector.store.users.descriptions import merge_user
from connector.store.users.marks import mark_erased
from connector.tracking.tokens import LinkKind, OwnLinks, Token
from connector.tracking.visits import FollowedLink, Visits, unsubscribe
from tests.support.builders import BASE, ORIGINAL, at, follow_on
from tests.support.fake_channel import Killed
from tests.support.installation import Installation
from tests.support.provider_event_harness import (
    ADA,
    CHROME,
    MAIL,
    OPENED,
    RECEIVED,
    THEIRS,
    TOKENS,
    UNMATCHED_EVENTS,
    URL,
    ProviderEventHarness,
    event,
    ours,
)


@pytest.fixture
async def harness(installation: Installation) -> ProviderEventHarness:
    """A desk with one user who has an email address and a phone, and live campaigns."""
    ready = ProviderEventHarness(installation)
    await installation.publish(ORIGINAL, MAIL, OPENED, RECEIVED)
    await ready.save_users(ADA)
    return ready


@pytest.mark.parametrize("way", ["argument", "tag", "sent id", "message id", "provider's id"])
async def test_an_open_matches_our_delivery(harness: ProviderEventHarness, way: str) -> None:
    """By any id that the provider reports, to the campaign and the user; its follow-ons start."""
    delivery = await harness.send_mail(Accepted("msg-1") if way == "provider's id" else None)
    told: dict[str, dict[str, Any]] = {
        "argument": ours(delivery),
        "tag": ours(delivery.replace(".", "_2e")),
        "sent id": {"sent_id": f"{delivery}@shop.test"},
        "message id": {"message_id": f"<{delivery}@shop.test>"},
        "provider's id": {"message_id": "msg-1"},
    }
    assert await harness.ingest(event(**told[way])) == {"accepted": 1}
    [row] = await harness.load_log("open_email")
    assert (row.id, row.target) == ("sendgrid-e", "f")
    assert row.properties == {
        "delivery": delivery, "source": "sendgrid", "classified": "human", "reasons": [], "opens": "human",
    }  # fmt: skip
    assert {row.campaign: row.state for row in await harness.installation.rows()}["g"] == "waiting"
    assert await harness.ingest(event(**told[way])) == {"duplicate": 1}


async def test_a_message_of_another_system(harness: ProviderEventHarness) -> None:
    """By campaign and user, or by campaign and the only holder of the address; received once, opened twice."""
    by_address = {"arguments": {"campaign": "o"}, "recipient": "ADA@shop.test", "message_id": "m2"}
    told = [
        event(EventKind.SENT, "1", 1, **THEIRS),
        event(EventKind.DELIVERED, "2", 5, **THEIRS),
        event(EventKind.OPENED, "3", 9, **THEIRS),
        event(EventKind.OPENED, "4", 9.5, **THEIRS),
        event(EventKind.DELIVERED, "5", 5, **by_address),
        event(EventKind.CLICKED, "6", 10, url="https://s.test", **by_address),
    ]
    assert await harness.ingest(*told) == {"accepted": 5, "duplicate": 1}
    assert [(row.topic, row.target) for row in await harness.load_log()] == [
        ("receive_email", "o"), ("receive_email", "o"), ("open_email", "o"), ("open_email", "o"), ("click_email", "o"),
    ]  # fmt: skip
    assert await harness.ingest(*told) == {"duplicate": 6}


async def test_a_message_is_received_once_days_apart(harness: ProviderEventHarness) -> None:
    """Sent on Monday and delivered on Thursday is one receipt, in either order (M6)."""
    for number, order in enumerate(
        permutations([(EventKind.QUEUED, -4320), (EventKind.DELIVERED, 0), (EventKind.SENT, -4319)])
    ):
        message = {**THEIRS, "message_id": f"m{number}"}
        fates = [await harness.ingest(event(kind, kind.value, minutes, **message)) for kind, minutes in order]
        assert fates == [{"accepted": 1}, {"duplicate": 1}, {"duplicate": 1}]


@pytest.mark.parametrize(
    "kind", [EventKind.QUEUED, EventKind.DELIVERED, EventKind.OPENED, EventKind.CLICKED, EventKind.BOUNCED]
)
async def test_a_report_settles_a_mail_whose_response_was_lost(harness: ProviderEventHarness, kind: EventKind) -> None:
    """Guarantee 4: accepted without a response is `send_unknown`; a provider that reports on it has accepted it."""
    delivery = await harness.send_mail(OutcomeUnknown("smtp_no_answer"))
    assert {row.campaign: row.reason for row in await harness.installation.rows()} == {"f": "send_unknown"}
    fates = await harness.ingest(event(kind, permanent=True, recipient="ada@shop.test", **ours(delivery)))
    assert fates in ({"accepted": 1}, {"heeded": 1})
    [message] = await harness.sending.deliveries()
    fault = "sendgrid_bounced" if kind is EventKind.BOUNCED else None
    assert (message.state, message.reason, message.fault) == ("sent", None, fault)
    states = {row.campaign: row.state for row in await harness.installation.rows()}
    assert states == {"f": "sent", "h": "waiting"} | ({"g": "waiting"} if kind is EventKind.OPENED else {})
    [receipt] = await harness.load_log("receive_email")
    assert (receipt.id, receipt._mapping["t"]) == (f"receive-{delivery}", message.claimed_at)
    assert (await harness.sending.send(minutes=31, attempt=2, channel="email", place=0)).outcome == "sent"
    assert len(harness.sending.channel.messages) == 1


async def test_a_report_may_be_faster_than_the_response(harness: ProviderEventHarness) -> None:
    """While SMTP is still in progress; whatever its result, the mail was sent and received once."""

    async def report(_: object) -> None:
        [message] = await harness.sending.deliveries()
        await harness.ingest(event(EventKind.DELIVERED, **ours(message.id)))

    harness.sending.channel.meanwhile = report
    delivery = await harness.send_mail()
    assert [row.id for row in await harness.load_log("receive_email")] == [f"receive-{delivery}"]
    assert [message.state for message in await harness.sending.deliveries()] == ["sent"]
    async with harness.installation.database.read("default") as tx:
        assert len((await tx.execute(select(receipts))).all()) == 1


async def test_a_report_for_a_worker_that_was_killed(harness: ProviderEventHarness) -> None:
    """Case 22: the claim has no result yet; the report settles it, and the next attempt finds that."""

    async def kill(_: object) -> None:
        raise Killed

    harness.sending.channel.meanwhile = kill
    with pytest.raises(Killed):
        await harness.send_mail()
    [message] = await harness.sending.deliveries()
    await harness.ingest(event(EventKind.OPENED, **ours(message.id)))
    assert (await harness.sending.send(minutes=31, attempt=2, channel="email", place=0)).outcome == "sent"
    assert len(await harness.load_log("receive_email")) == len(await harness.load_log("open_email")) == 1


async def test_a_bounce_is_recorded_on_the_message(harness: ProviderEventHarness) -> None:
    """It was accepted and received as M4 counts it; the bounce is recorded beside that, and delivered is older."""
    delivery = await harness.send_mail()
    await harness.ingest(
        event(EventKind.BOUNCED, permanent=True, fault="5.1.1", recipient="ada@shop.test", **ours(delivery))
    )
    await harness.ingest(event(EventKind.DELIVERED, "d", **ours(delivery)))
    [message] = await harness.sending.deliveries()
    assert (message.state, message.fault) == ("sent", "sendgrid_5.1.1")


def visits(harness: ProviderEventHarness, clock: datetime) -> Visits:
    """Our own pixel and redirect."""
    return Visits(harness.installation.database, harness.installation.intake, "default", clock=lambda: clock)


@pytest.mark.parametrize("order", list(permutations(range(2))))
async def test_the_pixel_and_the_provider_see_one_open(harness: ProviderEventHarness, order: tuple[int, ...]) -> None:
    """The same open reported by both is one interaction, whichever comes first; a later one is another."""
    delivery = await harness.send_mail()
    moment = datetime.fromisoformat(at(60)).astimezone(UTC)
    pixel = visits(harness, moment)

    async def by_pixel() -> None:
        pixel.note(FollowedLink(Token(LinkKind.OPEN, delivery), Visit(EngagementKind.OPEN, moment, CHROME)))
        await pixel.flush()

    async def by_provider() -> None:
        await harness.ingest(event(minutes=60.9, **ours(delivery)))

    for place in order:
        await (by_pixel, by_provider)[place]()
    assert len(await harness.load_log("open_email")) == 1
    await harness.ingest(event(EventKind.OPENED, "later", 90, **ours(delivery)))
    assert len(await harness.load_log("open_email")) == 2


BY_HUMAN = {"interaction": "open_email", "campaign": "f", "opens": "human"}
TRIGGERED = follow_on("t", BY_HUMAN, delay={"after": "1 day"})
EXCEPTED = follow_on(
    "x", {"interaction": "receive_email", "campaign": "f"}, delay={"after": "1 day"}, exceptions=[BY_HUMAN]
)


@pytest.mark.parametrize("order", list(permutations(range(2))))
async def test_a_provider_without_agents_leaves_the_open_to_the_pixel(
    harness: ProviderEventHarness, order: tuple[int, ...]
) -> None:
    """Whichever comes first, it is a person's open, a trigger and an exception; without tracking it is unclassified."""
    await harness.installation.publish(TRIGGERED, EXCEPTED)
    delivery = await harness.send_mail()
    moment = datetime.fromisoformat(at(60)).astimezone(UTC)
    pixel = visits(harness, moment)

    async def by_pixel() -> None:
        pixel.note(FollowedLink(Token(LinkKind.OPEN, delivery), Visit(EngagementKind.OPEN, moment, CHROME)))
        await pixel.flush(all=False)

    async def by_provider() -> None:
        assert await harness.ingest(event(minutes=60.1, agent=None, provider="resend", **ours(delivery))) == {
            "noted": 1
        }

    for place in order:
        await (by_pixel, by_provider)[place]()
    [row] = await harness.load_log("open_email")
    assert row.properties["opens"] == "human"
    states = {row.campaign: row.state for row in await harness.installation.rows()}
    assert (states["t"], states["x"]) == ("waiting", "excepted")
    untracked = ProviderEventHarness(harness.installation, OwnLinks(None, None))
    later = event(EventKind.OPENED, "later", 90, agent=None, provider="resend", **ours(delivery))
    assert await untracked.ingest(later) == {"accepted": 1}


async def test_both_at_once_are_one_open(harness: ProviderEventHarness) -> None:
    """The pixel and two providers at the same moment."""
    delivery = await harness.send_mail()
    moment = datetime.fromisoformat(at(60)).astimezone(UTC)
    pixel = visits(harness, moment)
    pixel.note(FollowedLink(Token(LinkKind.OPEN, delivery), Visit(EngagementKind.OPEN, moment, CHROME)))
    await asyncio.gather(
        pixel.flush(),
        harness.ingest(event(minutes=60.1, **ours(delivery))),
        harness.ingest(event(minutes=60.2, provider="ses", **ours(delivery))),
    )
    assert len(await harness.load_log("open_email")) == 1


@pytest.mark.parametrize("order", list(permutations(range(2))))
async def test_a_providers_click_on_our_link_equals_our_redirects(
    harness: ProviderEventHarness, order: tuple[int, ...]
) -> None:
    """Its url is our tracked link's; the token names delivery, link, alias and target, whatever was appended."""
    delivery = await harness.send_mail()
    moment = datetime.fromisoformat(at(60)).astimezone(UTC)
    token = Token(LinkKind.CLICK, delivery, 2, "cta", "https://s.test/sale")
    link = f"{URL}/c/{TOKENS.write(token, at=moment)}?utm_source=x"
    redirect = visits(harness, moment)

    async def by_redirect() -> None:
        redirect.note(FollowedLink(token, Visit(EngagementKind.CLICK, moment, CHROME, link=2)))
        await redirect.flush()

    async def by_provider() -> None:
        await harness.ingest(event(EventKind.CLICKED, minutes=60.2, url=link))

    for place in order:
        await (by_redirect, by_provider)[place]()
    [row] = await harness.load_log("click_email", "click_email_alias")
    told = {"url": "https://s.test/sale", "link": 2, "alias": "cta", "delivery": delivery}
    assert told.items() <= row.properties.items()
    forged = link.replace("/c/", "/c/x")
    assert await harness.ingest(event(EventKind.CLICKED, "f", 60.2, url=forged)) == {"unmatched": 1}


async def test_following_our_link_to_unsubscribe_is_no_click(harness: ProviderEventHarness) -> None:
    """As with our own redirect: it starts no follow-on of the mail's clicks."""
    delivery = await harness.send_mail()
    moment = datetime.fromisoformat(at(60)).astimezone(UTC)
    link = f"{URL}/u/{TOKENS.write(Token(LinkKind.UNSUBSCRIBE, delivery), at=moment)}"
    assert await harness.ingest(event(EventKind.CLICKED, url=link, **ours(delivery))) == {"noted": 1}
    assert await harness.load_log("click_email", "click_email_alias") == []


@pytest.mark.parametrize(
    ("kind", "channel", "unreachable", "consent"),
    [
        (EventKind.BOUNCED, "email", {"email": "Ada@shop.test"}, {}),
        (EventKind.FAILED, "sms", {"sms": "+491701"}, {}),
        (EventKind.COMPLAINED, "email", {"email": "Ada@shop.test"}, {"email": "unsubscribed"}),
        (EventKind.UNSUBSCRIBED, "email", {}, {"email": "unsubscribed"}),
        (EventKind.UNSUBSCRIBED, "sms", {}, {"sms": "unsubscribed"}),
    ],
)
async def test_a_statement_on_an_address_applies_to_all_its_holders(
    harness: ProviderEventHarness, kind: EventKind, channel: str, unreachable: dict[str, str], consent: dict[str, str]
) -> None:
    """Whatever message it is about, matched or not, and however the address is written."""
    await harness.save_users(User(id="v", email="ada@shop.TEST", phone="+491701"), User(id="w", email="bob@shop.test"))
    recipient = "ada@shop.test" if channel == "email" else "+491701"
    told = event(kind, channel=channel, permanent=True, recipient=recipient)
    assert await harness.ingest(told) == {"heeded": 1}
    user, other, third = [await harness.find_user(id) for id in "uvw"]
    assert (user.unreachable, user.user.consent) == (unreachable, consent)
    assert (set(other.unreachable), other.user.consent) == (set(unreachable), consent)
    assert (third.unreachable, third.user.consent) == ({}, {})
    assert await harness.load_unmatched() == []


async def test_a_repeated_event_changes_nothing(harness: ProviderEventHarness) -> None:
    """Later changes stay: an address that is subscribed again stays so when the old bounce is repeated."""
    bounce = event(EventKind.BOUNCED, "b", permanent=True, recipient="ada@shop.test")
    complaint = event(EventKind.COMPLAINED, "c", recipient="ada@shop.test")
    assert await harness.ingest(bounce, complaint) == {"heeded": 2}
    assert await harness.ingest(event(EventKind.SUBSCRIBED, "s", recipient="ada@shop.test")) == {"heeded": 1}
    user = await harness.find_user()
    assert (user.unreachable, user.user.consent) == ({}, {"email": "subscribed"})
    assert await harness.ingest(bounce, complaint) == {"duplicate": 2}
    assert await harness.find_user() == user


@pytest.mark.parametrize("retried", [False, True], ids=["told", "retried"])
@pytest.mark.parametrize("together", [False, True], ids=["in two", "in one batch"])
@pytest.mark.parametrize("ids", [("a", "z"), ("z", "a")])
async def test_a_statement_holds_from_when_it_was_made(
    harness: ProviderEventHarness, ids: tuple[str, str], together: bool, retried: bool
) -> None:
    """Unsubscribed at 11:01 is not overruled by a subscribed of 11:00 that arrives later, by any route."""
    new = User(id="n", email="new@shop.test")
    told = [
        event(EventKind.UNSUBSCRIBED, ids[0], 61, recipient="new@shop.test"),
        event(EventKind.SUBSCRIBED, ids[1], 60, recipient="new@shop.test"),
    ]
    if not retried:
        await harness.save_users(new)
    for batch in [told] if together else [[one] for one in told]:
        await harness.ingest(*batch)
    if retried:
        await harness.save_users(new)
        assert (await harness.intake.retry()).led_back == 2
    assert (await harness.find_user("n")).user.consent == {"email": "unsubscribed"}


async def test_our_own_unsubscribe_link_is_the_latest_statement(harness: ProviderEventHarness) -> None:
    """A provider's late report of an earlier statement does not subscribe again; a later statement does."""
    delivery = await harness.send_mail()
    before, recipient = datetime.now(UTC), {"recipient": "ada@shop.test"}  # noqa: TID251 - before the link is followed
    assert await unsubscribe(harness.installation.database, "default", delivery)
    await harness.ingest(replace(event(EventKind.SUBSCRIBED, "before", **recipient), at=before - timedelta(minutes=1)))
    assert (await harness.find_user()).user.consent == {"email": "unsubscribed"}
    await harness.ingest(replace(event(EventKind.SUBSCRIBED, "after", **recipient), at=before + timedelta(minutes=1)))
    assert (await harness.find_user()).user.consent == {"email": "subscribed"}


async def test_a_replayed_start_subscribes_nobody(harness: ProviderEventHarness) -> None:
    """Nothing that Twilio signs holds a time, so its applied events are remembered beyond the retention."""
    told = {"provider": "twilio", "channel": "sms", "recipient": "+491701"}
    start = event(EventKind.SUBSCRIBED, "SM1-received", 60, **told)
    await harness.ingest(start, event(EventKind.UNSUBSCRIBED, "SM2-received", 61, **told))
    async with harness.installation.database.write("default") as tx:
        await tx.execute(update(heeded_reports).values(received_at=BASE - timedelta(days=91)))
    await harness.ingest(event(EventKind.UNSUBSCRIBED, "SM3-received", 62, **told))
    later = datetime.now(UTC)  # noqa: TID251 - the time of a call of today
    assert await harness.ingest(replace(start, at=later)) == {"duplicate": 1}
    assert (await harness.find_user()).user.consent == {"sms": "unsubscribed"}


async def test_updating_a_profile_restores_no_address(harness: ProviderEventHarness) -> None:
    """PUT and PATCH of the same address leave it suppressed; another one is reachable; erasing clears it."""
    await harness.ingest(event(EventKind.BOUNCED, permanent=True, recipient="ada@shop.test"))
    await harness.save_users(ADA)
    async with harness.installation.database.write("default") as tx:
        await merge_user(tx, "u", {"email": "ADA@shop.test"}, BASE)
    assert (await harness.find_user()).unreachable == {"email": "ADA@shop.test"}
    async with harness.installation.database.write("default") as tx:
        assert await erase_user(tx, "u", BASE)
    async with harness.installation.database.read("default") as tx:
        assert (await tx.execute(select(users.c.said_at))).scalars().all() == [{}]
        assert (await tx.execute(select(dead_addresses))).all() == []


async def test_every_suppressed_address_stays_so(harness: ProviderEventHarness) -> None:
    """Not only the last one, and not only for who had it: erased with the last user who has it, or had it first."""
    for turn, address in enumerate(["a@shop.test", "b@shop.test"]):
        await harness.save_users(User(id="u", email=address))
        await harness.ingest(event(EventKind.BOUNCED, f"b{turn}", 60 + turn, permanent=True, recipient=address))
    await harness.save_users(User(id="u", email="A@shop.test"), User(id="v", email="b@shop.test"))
    assert (await harness.find_user("u")).unreachable == {"email": "A@shop.test"}
    assert (await harness.find_user("v")).unreachable == {"email": "b@shop.test"}
    await harness.ingest(event(EventKind.SUBSCRIBED, "late", 59, recipient="a@shop.test"))
    assert (await harness.find_user("u")).unreachable == {"email": "A@shop.test"}
    for user, left in (("u", ["b@shop.test"]), ("v", [])):
        async with harness.installation.database.write("default") as tx:
            assert await erase_user(tx, user, BASE)
            assert (await tx.execute(select(dead_addresses.c.address))).scalars().all() == left


@pytest.mark.parametrize("kind", [EventKind.DEFERRED, EventKind.OTHER, EventKind.BOUNCED, EventKind.REJECTED])
async def test_a_temporary_failure_is_noted(harness: ProviderEventHarness, kind: EventKind) -> None:
    """A soft bounce and the like change nothing, and are not kept."""
    assert await harness.ingest(event(kind, recipient="ada@shop.test")) == {"noted": 1}
    assert ((await harness.find_user()).unreachable, await harness.load_unmatched()) == ({}, [])


async def test_an_unmatched_event_is_kept_once_and_counted(harness: ProviderEventHarness) -> None:
    """With its reason, whole, and only once however often it is reported."""
    await harness.save_users(User(id="v", email="two@shop.test"), User(id="w", email="two@shop.test"))
    told = [one for one, _ in UNMATCHED_EVENTS]
    assert await harness.ingest(*told) == {"unmatched": len(UNMATCHED_EVENTS)}
    assert sorted(await harness.load_unmatched()) == sorted((one.id, reason) for one, reason in UNMATCHED_EVENTS)
    reasons = Counter(reason for _, reason in UNMATCHED_EVENTS)
    assert await harness.ingest(*told) == {"unmatched": len(UNMATCHED_EVENTS)}
    assert harness.reasons == reasons
    async with harness.installation.database.read("default") as tx:
        counted = await count_unmatched(tx, provider="sendgrid")
        assert [one.event for one in await load_unmatched(tx, limit=1)] == [told[3]]
    assert counted == [("sendgrid", reason, reasons[reason]) for reason in sorted(reasons)]


async def test_unmatched_events_match_when_retried(harness: ProviderEventHarness) -> None:
    """After the campaign was applied and the user reported, with the original time; the others stay."""
    await harness.ingest(*(one for one, _ in UNMATCHED_EVENTS))
    await harness.installation.publish({"campaign": "later", "delivery": {"type": "external"}})
    await harness.save_users(User(id="n", email="Nobody@shop.test"))
    retried = await harness.intake.retry()
    assert (retried.led_back, retried.left) == (3, 3)
    assert sorted(await harness.load_unmatched()) == [
        ("ambiguous", "unknown_user"), ("delivery", "unknown_delivery"), ("no campaign", "no_campaign"),
    ]  # fmt: skip
    assert {(row.id, row.target) for row in await harness.load_log()} == {
        ("sendgrid-unknown campaign", "later"), ("sendgrid-unknown user", "o"),
    }  # fmt: skip
    assert (await harness.find_user("n")).unreachable == {"email": "Nobody@shop.test"}
    again = await harness.intake.retry("sendgrid")
    assert (again.led_back, again.left, (await harness.intake.retry("ses")).left) == (0, 3, 0)


async def test_a_retry_drops_and_keeps(harness: ProviderEventHarness) -> None:
    """Events that became too old or are about erased users are dropped, refused ones stay, and all are counted."""
    patient = ProviderEventHarness(harness.installation, retention=timedelta(days=365))
    led, erased = [event(id=u, arguments={"campaign": "later", "user": u}, message_id=u) for u in ("u", "erased")]
    refused = replace(led, id="refused", at=led.at - timedelta(days=120))
    old = replace(led, id="old", at=led.at - timedelta(days=360))
    assert await patient.ingest(led, erased, refused, old) == {"unmatched": 4}
    await harness.installation.publish({"campaign": "later", "delivery": {"type": "external"}})
    async with harness.installation.database.write("default") as tx:
        await mark_erased(tx, ["erased"], [], BASE)
        kept = unmatched_reports.c
        row = (await tx.execute(select(kept.event).where(kept.event_id == "old"))).scalar_one()
        older = row | {"at": (BASE - timedelta(days=400)).isoformat()}
        await tx.execute(update(unmatched_reports).where(kept.event_id == "old").values(event=older))
    retried = await patient.intake.retry()
    assert (retried.led_back, retried.dropped, retried.left) == (1, 2, 1)
    assert [id for id, _ in await harness.load_unmatched()] == ["refused"]
    assert [row.id for row in await harness.load_log()] == ["sendgrid-u"]


async def test_unmatched_events_are_erased_with_their_user(harness: ProviderEventHarness) -> None:
    """Guarantee 8: by id and by address; and no event that matches an erased user is kept."""
    delivery = await harness.send_mail()
    kept = [
        event(id="id", arguments={"campaign": "later", "user": "u"}),
        event(id="address", recipient="ADA@shop.test"),
        event(id="phone", recipient="+49 (170) 1", channel="sms", happened=EventKind.DELIVERED),
        event(id="other", recipient="bob@shop.test"),
    ]
    assert await harness.ingest(*kept) == {"unmatched": 4}
    async with harness.installation.database.write("default") as tx:
        assert await erase_user(tx, "u", BASE)
    assert await harness.load_unmatched() == [("other", "no_campaign")]
    assert await harness.ingest(*kept[1:3]) == {"erased": 2}
    late = [
        event(id="l1", **ours(delivery)),
        event(id="l2", **THEIRS),
        event(EventKind.COMPLAINED, "l3", **ours(delivery)),
    ]
    assert await harness.ingest(*late) == {"erased": 3}
    assert (await harness.load_unmatched(), await harness.load_log(), await harness.find_user()) == (
        [("other", "no_campaign")],
        [],
        None,
    )


async def test_old_events_are_deleted(harness: ProviderEventHarness) -> None:
    """The cleanup deletes events older than the log, and older ones are not ingested."""
    await harness.ingest(
        *(one for one, _ in UNMATCHED_EVENTS[:3]), event(EventKind.UNSUBSCRIBED, "u", recipient="ada@shop.test")
    )
    long_ago = BASE - timedelta(days=91)
    async with harness.installation.database.write("default") as tx:
        await tx.execute(update(unmatched_reports).values(received_at=long_ago))
        await tx.execute(update(heeded_reports).values(received_at=long_ago))
    kept = Kept(retention=timedelta(days=90), links=timedelta(days=400))
    await Cleaning(harness.installation.database, harness.installation.cache, "default", kept).clean()
    assert await harness.load_unmatched() == []
    async with harness.installation.database.read("default") as tx:
        assert (await tx.execute(select(heeded_reports))).all() == []
    old = [event(kind, kind.value, -60 * 24 * 91, **THEIRS) for kind in (EventKind.OPENED, EventKind.UNSUBSCRIBED)]
    epoch = ProviderEvent("ses", "1970", EventKind.OPENED, datetime(1970, 1, 1, tzinfo=UTC), **THEIRS)  # type: ignore[arg-type]
    assert await harness.ingest(*old, epoch) == {"stale": 3}
    assert (await harness.load_log(), (await harness.find_user()).user.consent) == ([], {"email": "unsubscribed"})


async def test_a_time_in_the_future_is_now(harness: ProviderEventHarness) -> None:
    """M7: an event of 2070 happened now."""
    ahead = ProviderEvent("ses", "2070", EventKind.OPENED, datetime(2070, 1, 1, tzinfo=UTC), **THEIRS)  # type: ignore[arg-type]
    assert await harness.ingest(ahead) == {"accepted": 1}
    [row] = await harness.load_log()
    assert row._mapping["t"] < datetime(2069, 1, 1, tzinfo=UTC)


async def test_hostile_texts_stop_nothing(harness: ProviderEventHarness) -> None:
    """Null characters, lone surrogates and endless texts in any field: the other events of the call are ingested."""
    evil = "\0\ud800'; --" + "x" * 40_000
    told = [
        ProviderEvent(
            "ses", evil + str(kind), kind, BASE, message_id=evil, sent_id=evil, recipient=evil, url=evil, agent=evil,
            fault=evil, arguments={evil: evil, "campaign": evil, "user": evil, "delivery": evil, "alias": evil},
            permanent=True,
        )
        for kind in EventKind
    ]  # fmt: skip
    named = event(
        EventKind.CLICKED, "n", url=evil, arguments={"campaign": "o", "user": "u", "alias": evil}, message_id=evil
    )
    fates = await harness.ingest(*told, named)
    assert (fates["accepted"], sum(fates.values())) == (1, len(told) + 1)


async def test_a_batch_takes_a_fixed_number_of_statements(harness: ProviderEventHarness) -> None:
    """200 opens of 200 users cost what two cost, and so do bounces and unmatched events."""

    async def count(number: int, name: str, **told: Any) -> int:
        events = [
            event(
                id=f"{name}{number}-{n}",
                message_id=f"{name}{number}-{n}",
                recipient=f"{n}@shop.test",
                **{"arguments": {"campaign": "o", "user": f"u{n}"}, **told},
            )
            for n in range(number)
        ]
        with harness.installation.database.count_statements() as counted:
            await harness.intake.ingest(events)
        return len(counted.statements)

    await count(200, "warm")
    for name, most, told in (
        ("open", 22, {}),
        ("receipt", 22, {"happened": EventKind.DELIVERED}),
        ("bounce", 18, {"happened": EventKind.BOUNCED, "permanent": True}),
        ("unmatched", 12, {"arguments": {}}),
    ):
        few, many = await count(2, name, **told), await count(200, name, **told)
        assert few == many, name
        assert many <= most, (name, many)


async def test_faults_of_our_own_messages_take_a_fixed_number_of_statements(harness: ProviderEventHarness) -> None:
    """One statement writes those that are new, and none those that the messages have already."""
    delivery = await harness.send_mail()
    bounce = {"permanent": True, "recipient": "ada@shop.test", "fault": "5.1.1", **ours(delivery)}

    async def count(name: str, number: int) -> int:
        with harness.installation.database.count_statements() as counted:
            await harness.ingest(*(event(EventKind.BOUNCED, f"{name}{n}", **bounce) for n in range(number)))
        return len(counted.statements)

    first = await count("a", 50)
    assert (await harness.sending.deliveries())[0].fault == "sendgrid_5.1.1"
    fresh, again = await count("b", 1), await count("b", 50)
    assert first == fresh + 1
    assert again == fresh
    assert await count("b", 50) == await count("b", 2) <= fresh
    assert first <= 18, first


async def test_concurrent_calls_do_not_deadlock(harness: ProviderEventHarness) -> None:
    """Users are locked in one order, so that calls about the same users in any order all succeed."""
    calls = [
        [
            event(id=f"{n}-{u}", minutes=n, arguments={"campaign": "o", "user": f"u{u}"}, message_id=f"{n}{u}")
            for u in us
        ]
        for n, us in enumerate([range(8), reversed(range(8)), range(4, 12), reversed(range(12))])
    ]
    complaints = [[event(EventKind.COMPLAINED, f"c{n}", recipient="ada@shop.test")] for n in range(3)]
    await asyncio.gather(*(harness.intake.ingest(call) for call in [*calls, *complaints]))
    assert len(await harness.load_log()) == sum(map(len, ([*range(8)], [*range(8)], [*range(8)], [*range(12)])))


def _topics(rows: Sequence[Any]) -> list[str]:
    return [row.topic for row in rows]


async def test_texts_of_another_system(harness: ProviderEventHarness) -> None:
    """M4: received when the carrier reports it; a click on a link in it is a text's."""
    told = {"channel": "sms", "arguments": {"campaign": "o"}, "recipient": "+491701", "provider": "twilio"}
    events = [
        event(EventKind.SENT, "1", 1, message_id="SM1", **told),
        event(EventKind.DELIVERED, "2", 2, message_id="SM1", **told),
        event(EventKind.CLICKED, "3", 3, message_id="SM1", url="https://s.test", **told),
    ]
    assert await harness.ingest(*events) == {"noted": 1, "accepted": 2}
    assert _topics(await harness.load_log()) == ["receive_sms", "click_sms_link"]
