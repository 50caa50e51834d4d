"""Providers' events on both databases: led back, made into what they come to, and kept where they lead nowhere."""

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
from connector.provider_events.intake import ProviderEventIntake
from connector.rules.model.users import User
from connector.rules.provider_events.classification import EngagementKind, Visit
from connector.rules.provider_events.events import EventKind, ProviderEvent
from connector.store.erasure import erase_user
from connector.store.provider_events.events import count_unmatched, load_unmatched
from connector.store.tables import (
    dead_addresses,
    heeded_reports,
    interactions,
    receipts,
    unmatched_reports,
    user_aliases,
    users,
)
from connector.store.users.users import create_users, find_user, mark_of_erased, merge_user, save_user
from connector.tracking.tokens import LinkKind, OwnLinks, Token, Tokens
from connector.tracking.visits import FollowedLink, Visits, unsubscribe
from tests.activities.test_send import Killed, Post, Provider
from tests.support.builders import BASE, ORIGINAL, PUSHED, at, follow_on, push
from tests.support.installation import Installation

H = EventKind
URL = "https://t.shop.test"
TOKENS = Tokens(["a secret that only the tests know, and long"], "default", lifetime=timedelta(days=30))
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
LINKS, RETENTION = OwnLinks(TOKENS, URL), timedelta(days=90)
MAIL = follow_on(
    "f", PUSHED, messages={"email": {"subject": "Hi", "text": "there"}}, delay={"after": "30 minutes"},
    eligible_again="always",
)  # fmt: skip
OPENED = follow_on("g", {"interaction": "open_email", "campaign": "f"}, delay={"after": "1 day"})
RECEIVED = follow_on("h", {"interaction": "receive_email", "campaign": "f"}, delay={"after": "1 day"})
ADA = User(id="u", email="Ada@Shop.test", phone="+49 170 1")


class Desk:
    """Takes in what providers tell of the messages of an installation."""

    def __init__(self, installation: Installation, links: OwnLinks = LINKS, retention: timedelta = RETENTION) -> None:
        self.installation, self.fates, self.reasons = installation, Counter[str](), Counter[str]()
        self.post = Post(installation, Provider(Accepted("<f.email@shop.test>")))
        self.intake = ProviderEventIntake(
            installation.database,
            installation.cache,
            installation.intake,
            "default",
            links=links,
            retention=retention,
            counted=lambda provider, fate, number: self.fates.update({fate: number}),
            unmatched=lambda provider, reason: self.reasons.update([reason]),
        )

    async def told(self, *events: ProviderEvent) -> dict[str, int]:
        """What became of these events."""
        self.fates.clear()
        await self.intake.ingest(events)
        return dict(self.fates)

    async def sent(self, answer: Accepted | Exception | None = None) -> str:
        """Trigger the campaign and send its mail; gives the delivery's id."""
        await self.installation.ingest(push("e1", 0))
        if answer is not None:
            self.post.provider.answers = [answer]
        await self.post.send(minutes=30, channel="email")
        return str((await self.post.messages())[0].id)

    async def logged(self, *topics: str) -> list[Any]:
        async with self.installation.database.read("default") as tx:
            found = select(interactions).order_by(interactions.c.t, interactions.c.seq)
            return [row for row in await tx.execute(found) if not topics or row.topic in topics]

    async def user(self, id: str = "u") -> Any:
        async with self.installation.database.read("default") as tx:
            return await find_user(tx, id)

    async def describe(self, *users: User) -> None:
        async with self.installation.database.write("default") as tx:
            for user in users:
                await save_user(tx, user, BASE)

    async def kept(self) -> list[tuple[str, str]]:
        async with self.installation.database.read("default") as tx:
            return [(one.event.id, one.reason.value) for one in await load_unmatched(tx, limit=1000)]


def event(
    happened: EventKind = H.OPENED, id: str = "e", minutes: float = 60, *, provider: str = "sendgrid", **told: Any
) -> ProviderEvent:
    moment = datetime.fromisoformat(at(minutes)).astimezone(UTC)
    return ProviderEvent(provider, id, happened, moment, **{"agent": CHROME, **told})


def ours(delivery: str) -> dict[str, Any]:
    return {"arguments": {"delivery": delivery}}


THEIRS = {"arguments": {"campaign": "o", "user": "u"}, "message_id": "m"}


@pytest.fixture
async def desk(installation: Installation) -> Desk:
    """A desk with one user who has an email address and a phone, and live campaigns."""
    ready = Desk(installation)
    await installation.publish(ORIGINAL, MAIL, OPENED, RECEIVED)
    await ready.describe(ADA)
    return ready


@pytest.mark.parametrize("way", ["argument", "tag", "sent id", "message id", "provider's id"])
async def test_an_open_leads_back_to_our_delivery(desk: Desk, way: str) -> None:
    """By whatever the provider gives back, to the campaign and the user; what follows on it begins."""
    delivery = await desk.sent(Accepted("msg-1") if way == "provider's id" else None)
    told: dict[str, dict[str, Any]] = {
        "argument": ours(delivery),
        "tag": ours(delivery.replace(".", "_2e")),
        "sent id": {"sent_id": f"{delivery}@shop.test"},
        "message id": {"message_id": f"<{delivery}@shop.test>"},
        "provider's id": {"message_id": "msg-1"},
    }
    assert await desk.told(event(**told[way])) == {"accepted": 1}
    [row] = await desk.logged("open_email")
    assert (row.id, row.target) == ("sendgrid-e", "f")
    assert row.properties == {
        "delivery": delivery, "source": "sendgrid", "classified": "human", "reasons": [], "opens": "human",
    }  # fmt: skip
    assert {row.campaign: row.state for row in await desk.installation.rows()}["g"] == "waiting"
    assert await desk.told(event(**told[way])) == {"duplicate": 1}


async def test_a_message_of_another_system(desk: Desk) -> None:
    """By campaign and user, or by campaign and the only holder of the address; received once, opened twice."""
    by_address = {"arguments": {"campaign": "o"}, "recipient": "ADA@shop.test", "message_id": "m2"}
    told = [
        event(H.SENT, "1", 1, **THEIRS),
        event(H.DELIVERED, "2", 5, **THEIRS),
        event(H.OPENED, "3", 9, **THEIRS),
        event(H.OPENED, "4", 9.5, **THEIRS),
        event(H.DELIVERED, "5", 5, **by_address),
        event(H.CLICKED, "6", 10, url="https://s.test", **by_address),
    ]
    assert await desk.told(*told) == {"accepted": 5, "duplicate": 1}
    assert [(row.topic, row.target) for row in await desk.logged()] == [
        ("receive_email", "o"), ("receive_email", "o"), ("open_email", "o"), ("open_email", "o"), ("click_email", "o"),
    ]  # fmt: skip
    assert await desk.told(*told) == {"duplicate": 6}


async def test_a_message_is_received_once_days_apart(desk: Desk) -> None:
    """M6 knows an id on its day; sent on Monday and delivered on Thursday is one receipt, in either order."""
    for number, order in enumerate(permutations([(H.QUEUED, -4320), (H.DELIVERED, 0), (H.SENT, -4319)])):
        message = {**THEIRS, "message_id": f"m{number}"}
        fates = [await desk.told(event(kind, kind.value, minutes, **message)) for kind, minutes in order]
        assert fates == [{"accepted": 1}, {"duplicate": 1}, {"duplicate": 1}]


@pytest.mark.parametrize("kind", [H.QUEUED, H.DELIVERED, H.OPENED, H.CLICKED, H.BOUNCED])
async def test_a_report_mends_a_mail_whose_answer_was_lost(desk: Desk, kind: EventKind) -> None:
    """Guarantee 4: accepted and dropped is `send_unknown`; a provider that tells of it has taken it, so it was sent."""
    delivery = await desk.sent(OutcomeUnknown("smtp_no_answer"))
    assert {row.campaign: row.reason for row in await desk.installation.rows()} == {"f": "send_unknown"}
    fates = await desk.told(event(kind, permanent=True, recipient="ada@shop.test", **ours(delivery)))
    assert fates in ({"accepted": 1}, {"heeded": 1})
    [message] = await desk.post.messages()
    fault = "sendgrid_bounced" if kind is H.BOUNCED else None
    assert (message.state, message.reason, message.fault) == ("sent", None, fault)
    states = {row.campaign: row.state for row in await desk.installation.rows()}
    assert states == {"f": "sent", "h": "waiting"} | ({"g": "waiting"} if kind is H.OPENED else {})
    [receipt] = await desk.logged("receive_email")
    assert (receipt.id, receipt._mapping["t"]) == (f"receive-{delivery}", message.claimed_at)
    assert (await desk.post.send(minutes=31, attempt=2, channel="email", place=0)).outcome == "sent"
    assert len(desk.post.provider.taken) == 1


async def test_a_report_may_be_quicker_than_the_answer(desk: Desk) -> None:
    """While SMTP still talks; whatever comes of that, it was sent and received once."""

    async def report() -> None:
        [message] = await desk.post.messages()
        await desk.told(event(H.DELIVERED, **ours(message.id)))

    desk.post.provider.meanwhile = report
    delivery = await desk.sent()
    assert [row.id for row in await desk.logged("receive_email")] == [f"receive-{delivery}"]
    assert [message.state for message in await desk.post.messages()] == ["sent"]
    async with desk.installation.database.read("default") as tx:
        assert len((await tx.execute(select(receipts))).all()) == 1


async def test_a_report_for_a_worker_that_was_killed(desk: Desk) -> None:
    """Case 22: the claim has no outcome yet; the report is one, and the next attempt hears of it."""

    async def kill() -> None:
        raise Killed

    desk.post.provider.meanwhile = kill
    with pytest.raises(Killed):
        await desk.sent()
    [message] = await desk.post.messages()
    await desk.told(event(H.OPENED, **ours(message.id)))
    assert (await desk.post.send(minutes=31, attempt=2, channel="email", place=0)).outcome == "sent"
    assert len(await desk.logged("receive_email")) == len(await desk.logged("open_email")) == 1


async def test_a_bounce_stands_on_the_message(desk: Desk) -> None:
    """It was handed over and received as M4 counts it; that it came back is told beside it, and delivered is older."""
    delivery = await desk.sent()
    await desk.told(event(H.BOUNCED, permanent=True, fault="5.1.1", recipient="ada@shop.test", **ours(delivery)))
    await desk.told(event(H.DELIVERED, "d", **ours(delivery)))
    [message] = await desk.post.messages()
    assert (message.state, message.fault) == ("sent", "sendgrid_5.1.1")


def visits(desk: Desk, clock: datetime) -> Visits:
    """Our own pixel and redirect."""
    return Visits(desk.installation.database, desk.installation.intake, "default", clock=lambda: clock)


@pytest.mark.parametrize("order", list(permutations(range(2))))
async def test_the_pixel_and_the_provider_see_one_open(desk: Desk, order: tuple[int, ...]) -> None:
    """The same open told by both is one interaction, whichever is told first; a later one is another."""
    delivery = await desk.sent()
    moment = datetime.fromisoformat(at(60)).astimezone(UTC)
    pixel = visits(desk, moment)

    async def by_pixel() -> None:
        pixel.note(FollowedLink(Token(LinkKind.OPEN, delivery), Visit(EngagementKind.OPEN, moment, CHROME)))
        await pixel.flush()

    async def by_provider() -> None:
        await desk.told(event(minutes=60.9, **ours(delivery)))

    for place in order:
        await (by_pixel, by_provider)[place]()
    assert len(await desk.logged("open_email")) == 1
    await desk.told(event(H.OPENED, "later", 90, **ours(delivery)))
    assert len(await desk.logged("open_email")) == 2


BY_HUMAN = {"interaction": "open_email", "campaign": "f", "opens": "human"}
TRIGGERED = follow_on("t", BY_HUMAN, delay={"after": "1 day"})
EXCEPTED = follow_on(
    "x", {"interaction": "receive_email", "campaign": "f"}, delay={"after": "1 day"}, exceptions=[BY_HUMAN]
)


@pytest.mark.parametrize("order", list(permutations(range(2))))
async def test_a_provider_without_agents_leaves_the_open_to_the_pixel(desk: Desk, order: tuple[int, ...]) -> None:
    """Whichever comes first, it is a person's open, which triggers and is an exception; without tracking it is some."""
    await desk.installation.publish(TRIGGERED, EXCEPTED)
    delivery = await desk.sent()
    moment = datetime.fromisoformat(at(60)).astimezone(UTC)
    pixel = visits(desk, moment)

    async def by_pixel() -> None:
        pixel.note(FollowedLink(Token(LinkKind.OPEN, delivery), Visit(EngagementKind.OPEN, moment, CHROME)))
        await pixel.flush(all=False)

    async def by_provider() -> None:
        assert await desk.told(event(minutes=60.1, agent=None, provider="resend", **ours(delivery))) == {"noted": 1}

    for place in order:
        await (by_pixel, by_provider)[place]()
    [row] = await desk.logged("open_email")
    assert row.properties["opens"] == "human"
    states = {row.campaign: row.state for row in await desk.installation.rows()}
    assert (states["t"], states["x"]) == ("waiting", "excepted")
    untracked = Desk(desk.installation, OwnLinks(None, None))
    later = event(H.OPENED, "later", 90, agent=None, provider="resend", **ours(delivery))
    assert await untracked.told(later) == {"accepted": 1}


async def test_both_at_once_are_one_open(desk: Desk) -> None:
    """The pixel and two providers at the same moment."""
    delivery = await desk.sent()
    moment = datetime.fromisoformat(at(60)).astimezone(UTC)
    pixel = visits(desk, moment)
    pixel.note(FollowedLink(Token(LinkKind.OPEN, delivery), Visit(EngagementKind.OPEN, moment, CHROME)))
    await asyncio.gather(
        pixel.flush(),
        desk.told(event(minutes=60.1, **ours(delivery))),
        desk.told(event(minutes=60.2, provider="ses", **ours(delivery))),
    )
    assert len(await desk.logged("open_email")) == 1


@pytest.mark.parametrize("order", list(permutations(range(2))))
async def test_a_providers_click_on_our_link_is_our_redirects(desk: Desk, order: tuple[int, ...]) -> None:
    """Its url is our tracked link's; the token tells delivery, link, alias and target, whatever was put behind it."""
    delivery = await desk.sent()
    moment = datetime.fromisoformat(at(60)).astimezone(UTC)
    token = Token(LinkKind.CLICK, delivery, 2, "cta", "https://s.test/sale")
    link = f"{URL}/c/{TOKENS.write(token, at=moment)}?utm_source=x"
    redirect = visits(desk, moment)

    async def by_redirect() -> None:
        redirect.note(FollowedLink(token, Visit(EngagementKind.CLICK, moment, CHROME, link=2)))
        await redirect.flush()

    async def by_provider() -> None:
        await desk.told(event(H.CLICKED, minutes=60.2, url=link))

    for place in order:
        await (by_redirect, by_provider)[place]()
    [row] = await desk.logged("click_email", "click_email_alias")
    told = {"url": "https://s.test/sale", "link": 2, "alias": "cta", "delivery": delivery}
    assert told.items() <= row.properties.items()
    forged = link.replace("/c/", "/c/x")
    assert await desk.told(event(H.CLICKED, "f", 60.2, url=forged)) == {"unmatched": 1}


async def test_following_our_link_to_unsubscribe_is_no_click(desk: Desk) -> None:
    """As at our own redirect: a follow-on of the mail's clicks does not begin by it."""
    delivery = await desk.sent()
    moment = datetime.fromisoformat(at(60)).astimezone(UTC)
    link = f"{URL}/u/{TOKENS.write(Token(LinkKind.UNSUBSCRIBE, delivery), at=moment)}"
    assert await desk.told(event(H.CLICKED, url=link, **ours(delivery))) == {"noted": 1}
    assert await desk.logged("click_email", "click_email_alias") == []


@pytest.mark.parametrize(
    ("kind", "channel", "unreachable", "consent"),
    [
        (H.BOUNCED, "email", {"email": "Ada@Shop.test"}, {}),
        (H.FAILED, "sms", {"sms": "+49 170 1"}, {}),
        (H.COMPLAINED, "email", {"email": "Ada@Shop.test"}, {"email": "unsubscribed"}),
        (H.UNSUBSCRIBED, "email", {}, {"email": "unsubscribed"}),
        (H.UNSUBSCRIBED, "sms", {}, {"sms": "unsubscribed"}),
    ],
)
async def test_what_is_said_of_an_address_holds_for_all_who_have_it(
    desk: Desk, kind: EventKind, channel: str, unreachable: dict[str, str], consent: dict[str, str]
) -> None:
    """Whatever message it is about, led back or not, and however the address is written."""
    await desk.describe(User(id="v", email="ada@shop.TEST", phone="+491701"), User(id="w", email="bob@shop.test"))
    recipient = "ada@shop.test" if channel == "email" else "+491701"
    told = event(kind, channel=channel, permanent=True, recipient=recipient)
    assert await desk.told(told) == {"heeded": 1}
    user, other, third = [await desk.user(id) for id in "uvw"]
    assert (user.unreachable, user.user.consent) == (unreachable, consent)
    assert (set(other.unreachable), other.user.consent) == (set(unreachable), consent)
    assert (third.unreachable, third.user.consent) == ({}, {})
    assert await desk.kept() == []


async def test_told_again_it_changes_nothing(desk: Desk) -> None:
    """What came in between stands: an address that is subscribed again stays so, whoever tells of the old bounce."""
    bounce = event(H.BOUNCED, "b", permanent=True, recipient="ada@shop.test")
    complaint = event(H.COMPLAINED, "c", recipient="ada@shop.test")
    assert await desk.told(bounce, complaint) == {"heeded": 2}
    assert await desk.told(event(H.SUBSCRIBED, "s", recipient="ada@shop.test")) == {"heeded": 1}
    user = await desk.user()
    assert (user.unreachable, user.user.consent) == ({}, {"email": "subscribed"})
    assert await desk.told(bounce, complaint) == {"duplicate": 2}
    assert await desk.user() == user


@pytest.mark.parametrize("retried", [False, True], ids=["told", "retried"])
@pytest.mark.parametrize("together", [False, True], ids=["in two", "in one batch"])
@pytest.mark.parametrize("ids", [("a", "z"), ("z", "a")])
async def test_a_word_holds_from_when_it_was_said(
    desk: Desk, ids: tuple[str, str], together: bool, retried: bool
) -> None:
    """Unsubscribed at 11:01 is not overruled by a subscribed of 11:00 that is told later, in whatever way it comes."""
    new = User(id="n", email="new@shop.test")
    told = [
        event(H.UNSUBSCRIBED, ids[0], 61, recipient="new@shop.test"),
        event(H.SUBSCRIBED, ids[1], 60, recipient="new@shop.test"),
    ]
    if not retried:
        await desk.describe(new)
    for batch in [told] if together else [[one] for one in told]:
        await desk.told(*batch)
    if retried:
        await desk.describe(new)
        assert (await desk.intake.retry()).led_back == 2
    assert (await desk.user("n")).user.consent == {"email": "unsubscribed"}


async def test_our_own_link_to_unsubscribe_is_the_last_word(desk: Desk) -> None:
    """What a provider tells late of the time before does not subscribe again; what it tells of later does."""
    delivery = await desk.sent()
    before, recipient = datetime.now(UTC), {"recipient": "ada@shop.test"}  # noqa: TID251 - before the link is followed
    assert await unsubscribe(desk.installation.database, "default", delivery)
    await desk.told(replace(event(H.SUBSCRIBED, "before", **recipient), at=before - timedelta(minutes=1)))
    assert (await desk.user()).user.consent == {"email": "unsubscribed"}
    await desk.told(replace(event(H.SUBSCRIBED, "after", **recipient), at=before + timedelta(minutes=1)))
    assert (await desk.user()).user.consent == {"email": "subscribed"}


async def test_an_old_start_told_again_subscribes_nobody(desk: Desk) -> None:
    """Nothing that Twilio signs holds a time, so what was heeded of it is known for good, beyond the retention too."""
    told = {"provider": "twilio", "channel": "sms", "recipient": "+491701"}
    start = event(H.SUBSCRIBED, "SM1-received", 60, **told)
    await desk.told(start, event(H.UNSUBSCRIBED, "SM2-received", 61, **told))
    async with desk.installation.database.write("default") as tx:
        await tx.execute(update(heeded_reports).values(received_at=BASE - timedelta(days=91)))
    await desk.told(event(H.UNSUBSCRIBED, "SM3-received", 62, **told))
    later = datetime.now(UTC)  # noqa: TID251 - the time of a call of today
    assert await desk.told(replace(start, at=later)) == {"duplicate": 1}
    assert (await desk.user()).user.consent == {"sms": "unsubscribed"}


async def test_describing_a_user_revives_no_address(desk: Desk) -> None:
    """PUT and PATCH of the same address leave it dead; another one is reachable by itself; erasing clears it."""
    await desk.told(event(H.BOUNCED, permanent=True, recipient="ada@shop.test"))
    await desk.describe(ADA)
    async with desk.installation.database.write("default") as tx:
        await merge_user(tx, "u", {"email": "ADA@shop.test"}, BASE)
    assert (await desk.user()).unreachable == {"email": "ADA@shop.test"}
    async with desk.installation.database.write("default") as tx:
        assert await erase_user(tx, "u", BASE)
    async with desk.installation.database.read("default") as tx:
        assert (await tx.execute(select(users.c.said_at))).scalars().all() == [{}]
        assert (await tx.execute(select(dead_addresses))).all() == []


async def test_every_address_that_was_told_dead_stays_so(desk: Desk) -> None:
    """Not only the last one, and not only for who had it: erased with the last user who has it, or had it first."""
    for turn, address in enumerate(["a@shop.test", "b@shop.test"]):
        await desk.describe(User(id="u", email=address))
        await desk.told(event(H.BOUNCED, f"b{turn}", 60 + turn, permanent=True, recipient=address))
    await desk.describe(User(id="u", email="A@shop.test"), User(id="v", email="b@shop.test"))
    assert (await desk.user("u")).unreachable == {"email": "A@shop.test"}
    assert (await desk.user("v")).unreachable == {"email": "b@shop.test"}
    await desk.told(event(H.SUBSCRIBED, "late", 59, recipient="a@shop.test"))
    assert (await desk.user("u")).unreachable == {"email": "A@shop.test"}
    for user, left in (("u", ["b@shop.test"]), ("v", [])):
        async with desk.installation.database.write("default") as tx:
            assert await erase_user(tx, user, BASE)
            assert (await tx.execute(select(dead_addresses.c.address))).scalars().all() == left


@pytest.mark.parametrize("kind", [H.DEFERRED, H.OTHER, H.BOUNCED, H.REJECTED])
async def test_what_may_pass_is_noted(desk: Desk, kind: EventKind) -> None:
    """A soft bounce and the like change nothing, and are not kept."""
    assert await desk.told(event(kind, recipient="ada@shop.test")) == {"noted": 1}
    assert ((await desk.user()).unreachable, await desk.kept()) == ({}, [])


UNLED: list[tuple[ProviderEvent, str]] = [
    (event(id="no campaign", recipient="ada@shop.test"), "no_campaign"),
    (event(id="unknown campaign", arguments={"campaign": "later", "user": "u"}), "unknown_campaign"),
    (event(id="unknown user", arguments={"campaign": "o"}, recipient="nobody@shop.test"), "unknown_user"),
    (event(id="ambiguous", arguments={"campaign": "o"}, recipient="two@shop.test"), "ambiguous_user"),
    (event(id="delivery", arguments={"delivery": "x.email"}), "unknown_delivery"),
    (event(H.BOUNCED, "bounce", permanent=True, recipient="nobody@shop.test"), "unknown_user"),
]


async def test_what_cannot_be_led_back_is_kept_once_and_counted(desk: Desk) -> None:
    """With the reason, whole, and only once however often it is told."""
    await desk.describe(User(id="v", email="two@shop.test"), User(id="w", email="two@shop.test"))
    told = [one for one, _ in UNLED]
    assert await desk.told(*told) == {"unmatched": len(UNLED)}
    assert sorted(await desk.kept()) == sorted((one.id, reason) for one, reason in UNLED)
    reasons = Counter(reason for _, reason in UNLED)
    assert await desk.told(*told) == {"unmatched": len(UNLED)}
    assert desk.reasons == reasons
    async with desk.installation.database.read("default") as tx:
        counted = await count_unmatched(tx, provider="sendgrid")
        assert [one.event for one in await load_unmatched(tx, limit=1)] == [told[3]]
    assert counted == [("sendgrid", reason, reasons[reason]) for reason in sorted(reasons)]


async def test_what_was_kept_is_led_back_later(desk: Desk) -> None:
    """After the campaign was applied and the user described, with the time at which it happened; the rest stays."""
    await desk.told(*(one for one, _ in UNLED))
    await desk.installation.publish({"campaign": "later", "delivery": {"type": "external"}})
    await desk.describe(User(id="n", email="Nobody@shop.test"))
    retried = await desk.intake.retry()
    assert (retried.led_back, retried.left) == (3, 3)
    assert sorted(await desk.kept()) == [
        ("ambiguous", "unknown_user"), ("delivery", "unknown_delivery"), ("no campaign", "no_campaign"),
    ]  # fmt: skip
    assert {(row.id, row.target) for row in await desk.logged()} == {
        ("sendgrid-unknown campaign", "later"), ("sendgrid-unknown user", "o"),
    }  # fmt: skip
    assert (await desk.user("n")).unreachable == {"email": "Nobody@shop.test"}
    again = await desk.intake.retry("sendgrid")
    assert (again.led_back, again.left, (await desk.intake.retry("ses")).left) == (0, 3, 0)


async def test_what_is_let_go_of_is_not_led_back(desk: Desk) -> None:
    """What became too old and what is of somebody erased is dropped, what intake refuses stays, and all is counted."""
    patient = Desk(desk.installation, retention=timedelta(days=365))
    led, erased = [event(id=u, arguments={"campaign": "later", "user": u}, message_id=u) for u in ("u", "erased")]
    refused = replace(led, id="refused", at=led.at - timedelta(days=120))
    old = replace(led, id="old", at=led.at - timedelta(days=360))
    assert await patient.told(led, erased, refused, old) == {"unmatched": 4}
    await desk.installation.publish({"campaign": "later", "delivery": {"type": "external"}})
    async with desk.installation.database.write("default") as tx:
        await create_users(tx, ["erased"], BASE)
        alias, kept = user_aliases.c.external_id, unmatched_reports.c
        await tx.execute(update(user_aliases).where(alias == "erased").values(external_id=mark_of_erased("erased")))
        row = (await tx.execute(select(kept.event).where(kept.event_id == "old"))).scalar_one()
        older = row | {"at": (BASE - timedelta(days=400)).isoformat()}
        await tx.execute(update(unmatched_reports).where(kept.event_id == "old").values(event=older))
    retried = await patient.intake.retry()
    assert (retried.led_back, retried.dropped, retried.left) == (1, 2, 1)
    assert [id for id, _ in await desk.kept()] == ["refused"]
    assert [row.id for row in await desk.logged()] == ["sendgrid-u"]


async def test_what_is_kept_of_a_user_is_erased_with_them(desk: Desk) -> None:
    """Guarantee 8: by id and by address; and nothing is kept of what leads to somebody who was erased."""
    delivery = await desk.sent()
    kept = [
        event(id="id", arguments={"campaign": "later", "user": "u"}),
        event(id="address", recipient="ADA@shop.test"),
        event(id="phone", recipient="+49 (170) 1", channel="sms", happened=H.DELIVERED),
        event(id="other", recipient="bob@shop.test"),
    ]
    assert await desk.told(*kept) == {"unmatched": 4}
    async with desk.installation.database.write("default") as tx:
        assert await erase_user(tx, "u", BASE)
    assert await desk.kept() == [("other", "no_campaign")]
    late = [event(id="l1", **ours(delivery)), event(id="l2", **THEIRS), event(H.COMPLAINED, "l3", **ours(delivery))]
    assert await desk.told(*late) == {"erased": 3}
    assert (await desk.kept(), await desk.logged(), await desk.user()) == ([("other", "no_campaign")], [], None)


async def test_nothing_is_kept_for_ever(desk: Desk) -> None:
    """What is older than the log is let go of as something is written, and what happened before that is not taken."""
    await desk.told(*(one for one, _ in UNLED[:3]), event(H.UNSUBSCRIBED, "u", recipient="ada@shop.test"))
    long_ago = BASE - timedelta(days=91)
    async with desk.installation.database.write("default") as tx:
        await tx.execute(update(unmatched_reports).values(received_at=long_ago))
        await tx.execute(update(heeded_reports).values(received_at=long_ago))
    await desk.told(UNLED[4][0])
    assert await desk.kept() == [("delivery", "unknown_delivery")]
    async with desk.installation.database.read("default") as tx:
        assert (await tx.execute(select(heeded_reports))).all() == []
    old = [event(kind, kind.value, -60 * 24 * 91, **THEIRS) for kind in (H.OPENED, H.UNSUBSCRIBED)]
    epoch = ProviderEvent("ses", "1970", H.OPENED, datetime(1970, 1, 1, tzinfo=UTC), **THEIRS)  # type: ignore[arg-type]
    assert await desk.told(*old, epoch) == {"stale": 3}
    assert (await desk.logged(), (await desk.user()).user.consent) == ([], {"email": "unsubscribed"})


async def test_what_is_to_happen_has_happened_now(desk: Desk) -> None:
    """M7: a provider whose clock is in 2070 tells of now."""
    ahead = ProviderEvent("ses", "2070", H.OPENED, datetime(2070, 1, 1, tzinfo=UTC), **THEIRS)  # type: ignore[arg-type]
    assert await desk.told(ahead) == {"accepted": 1}
    [row] = await desk.logged()
    assert row._mapping["t"] < datetime(2069, 1, 1, tzinfo=UTC)


async def test_hostile_texts_stop_nothing(desk: Desk) -> None:
    """Null characters, halves of characters and endless texts, in every place: the others of the call are taken in."""
    evil = "\0\ud800'; --" + "x" * 40_000
    told = [
        ProviderEvent(
            "ses", evil + str(kind), kind, BASE, message_id=evil, sent_id=evil, recipient=evil, url=evil, agent=evil,
            fault=evil, arguments={evil: evil, "campaign": evil, "user": evil, "delivery": evil, "alias": evil},
            permanent=True,
        )
        for kind in EventKind
    ]  # fmt: skip
    named = event(H.CLICKED, "n", url=evil, arguments={"campaign": "o", "user": "u", "alias": evil}, message_id=evil)
    fates = await desk.told(*told, named)
    assert (fates["accepted"], sum(fates.values())) == (1, len(told) + 1)


async def test_a_batch_takes_a_fixed_number_of_statements(desk: Desk) -> None:
    """200 opens of 200 users cost what two cost, and so do bounces and what leads nowhere."""

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
        with desk.installation.database.count_statements() as counted:
            await desk.intake.ingest(events)
        return len(counted.statements)

    await count(200, "warm")
    for name, most, told in (
        ("open", 22, {}),
        ("receipt", 22, {"happened": H.DELIVERED}),
        ("bounce", 18, {"happened": H.BOUNCED, "permanent": True}),
        ("unmatched", 12, {"arguments": {}}),
    ):
        few, many = await count(2, name, **told), await count(200, name, **told)
        assert few == many, name
        assert many <= most, (name, many)


async def test_faults_of_our_own_messages_take_a_fixed_number_of_statements(desk: Desk) -> None:
    """One statement writes those that are new, and none those that the messages have already."""
    delivery = await desk.sent()
    bounce = {"permanent": True, "recipient": "ada@shop.test", "fault": "5.1.1", **ours(delivery)}

    async def count(name: str, number: int) -> int:
        with desk.installation.database.count_statements() as counted:
            await desk.told(*(event(H.BOUNCED, f"{name}{n}", **bounce) for n in range(number)))
        return len(counted.statements)

    first = await count("a", 50)
    assert (await desk.post.messages())[0].fault == "sendgrid_5.1.1"
    fresh, again = await count("b", 1), await count("b", 50)
    assert first == fresh + 1
    assert again == fresh
    assert await count("b", 50) == await count("b", 2) <= fresh
    assert first <= 18, first


async def test_many_who_tell_at_once_do_not_wait_for_each_other(desk: Desk) -> None:
    """Users are locked in one order, so that calls about the same users in any order all come through."""
    calls = [
        [
            event(id=f"{n}-{u}", minutes=n, arguments={"campaign": "o", "user": f"u{u}"}, message_id=f"{n}{u}")
            for u in us
        ]
        for n, us in enumerate([range(8), reversed(range(8)), range(4, 12), reversed(range(12))])
    ]
    complaints = [[event(H.COMPLAINED, f"c{n}", recipient="ada@shop.test")] for n in range(3)]
    await asyncio.gather(*(desk.intake.ingest(call) for call in [*calls, *complaints]))
    assert len(await desk.logged()) == sum(map(len, ([*range(8)], [*range(8)], [*range(8)], [*range(12)])))


def _topics(rows: Sequence[Any]) -> list[str]:
    return [row.topic for row in rows]


async def test_texts_of_another_system(desk: Desk) -> None:
    """M4: received as the carrier reports it; a click on a link in it is a text's."""
    told = {"channel": "sms", "arguments": {"campaign": "o"}, "recipient": "+491701", "provider": "twilio"}
    events = [
        event(H.SENT, "1", 1, message_id="SM1", **told),
        event(H.DELIVERED, "2", 2, message_id="SM1", **told),
        event(H.CLICKED, "3", 3, message_id="SM1", url="https://s.test", **told),
    ]
    assert await desk.told(*events) == {"noted": 1, "accepted": 2}
    assert _topics(await desk.logged()) == ["receive_sms", "click_sms_link"]
