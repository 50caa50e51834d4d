"""Tracking from end to end: a mail goes out by SMTP, what stands in it is opened and clicked, and follow-ons begin."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from temporalio.testing import ActivityEnvironment

from activities.send import Sender
from connector.app.context import build_context
from connector.channels.registry import open_channels
from connector.channels.tracked import track_channels
from connector.rules.model.users import User
from connector.settings.application import Settings
from connector.settings.providers import Smtp
from connector.settings.tracking import TrackingSettings
from connector.store.engine.database import Database
from connector.store.erasure import erase_user
from connector.store.tables import interactions
from connector.store.users.descriptions import save_user
from connector.store.users.users import find_user
from connector.tracking.tokens import LinkKind, Token, open_tokens
from connector.wire import SendRequest
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from starter.api.routes.tracking import ingesting_visits
from tests.support.api import KEY, configured
from tests.support.builders import ORIGINAL, PUSHED, at, follow_on, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.mail_server import Mailbox, serve_mail
from tests.support.polling import until

BASE = "https://t.shop.test"
SECRET = "a secret that only the tests know, and long"
TRACKING = TrackingSettings(url=BASE, secrets=[SECRET])
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)
GOOGLE = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
SALE = "https://shop.test/sale?a=1&b=2"
HTML = (
    '<html><body><p>Hi {{ user.first_name }}</p><a data-alias="cta" href="https://shop.test/sale?a=1&amp;b=2">Sale</a>\n'
    '<a href="https://shop.test/two" data-alias="footer">2</a>\n'
    '<a href="https://shop.test/three">3</a> <a href="mailto:x@shop.test">m</a>\n'
    '<a href="https://shop.test/off" data-track="off">off</a> <a href="#top" data-track="unsubscribe">no more</a>'
    "</body></html>"
)
TEXT = "See https://shop.test/plain"
MAIL = follow_on("mail", PUSHED, messages={"email": {"subject": "Hi", "html": HTML, "text": TEXT}})
SMS = follow_on("sms", PUSHED, messages={"sms": {"body": f"Sale: {SALE}, today"}})
ADA = User(id="u", email="ada@example.com", phone="+4912345", push_tokens=("t",), first_name="Ada")


def after(name: str, **trigger: Any) -> dict[str, Any]:
    """A follow-on of the mail, to wait a day."""
    return follow_on(name, {"campaign": "mail", **trigger}, delay={"after": "1 day"})


CLICKED = after("clicked", interaction="click_email")
ALIAS = after("alias", interaction="click_email_alias", alias="cta")
OTHER = after("other", interaction="click_email_alias", alias="footer")
OPENED = after("opened", interaction="open_email")
BY_PERSON = after("by-person", interaction="open_email", opens="human")
BY_MACHINE = after("by-machine", interaction="open_email", opens="machine")
TEXTED = follow_on("texted", {"campaign": "sms", "interaction": "click_sms_link"}, delay={"after": "1 day"})


class World:
    """An installation whose messages really go out, and the endpoints that their links lead to."""

    def __init__(self, installation: Installation, settings: Settings, mailbox: Mailbox) -> None:
        self.installation, self.settings, self.mailbox, self.phone = installation, settings, mailbox, FakeChannel()
        self.context = build_context(settings, installation.database)
        self.app = create_app(self.context, Keys(configured(KEY)))
        self.tracking = self.app.state.tracking
        channels = open_channels(settings, default_console=False) | track_channels({"sms": self.phone}, settings)
        self.sender = Sender(installation.database, installation.cache, installation.intake, channels, "default")

    async def send(self, channel: str = "email", minutes: float = 30, user: User = ADA) -> None:
        """Let the original be received, and send what follows it."""
        async with self.installation.database.write("default") as tx:
            await save_user(tx, user, datetime.now(UTC))  # noqa: TID251 - a test's "now"
        await self.installation.ingest(push("e1", 0))
        [row] = [row for row in await self.installation.rows() if row.state == "waiting"]
        environment = ActivityEnvironment()
        started = datetime.fromisoformat(at(minutes))
        environment.info = dataclasses.replace(environment.info, started_time=started, attempt=1)
        request = SendRequest(workspace="default", follow_up_id=row.id, campaign=row.campaign, channel=channel)
        outcome = await environment.run(self.sender.send, request)
        assert outcome.outcome == "sent"

    @property
    def html(self) -> str:
        """The last mail's, with the line ends that it was written with."""
        body = self.mailbox.mails[-1].get_body(("html",))
        assert body is not None
        text: str = body.get_content()
        return text.replace("\r\n", "\n")

    @property
    def links(self) -> list[str]:
        """The paths of the last mail's links, in their order."""
        return re.findall(rf'href="{BASE}(/c/[^"]+)"', self.html)

    @property
    def pixel(self) -> str:
        return re.findall(rf'<img src="{BASE}(/o/[^"]+\.gif)"', self.html)[0]

    @property
    def unsubscribe(self) -> str:
        return re.findall(rf'href="{BASE}(/u/[^"]+)"', self.html)[0]

    async def ask(self, path: str, method: str = "GET", agent: str = CHROME, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers={"User-Agent": agent}) as client:
            return await client.request(method, path, **more)

    async def visit(self, path: str, agent: str = CHROME, method: str = "GET") -> httpx.Response:
        """Ask, and have the visit taken in now."""
        answer = await self.ask(path, method, agent)
        await self.tracking.visits.flush()
        return answer

    async def logged(self, *kinds: str) -> Sequence[Any]:
        """The opens and clicks in the log, oldest first."""
        async with self.installation.database.read("default") as tx:
            rows = (await tx.execute(select(interactions).order_by(interactions.c.seq))).all()
        return [row for row in rows if row.topic.startswith(kinds or ("open_", "click_"))]

    async def begun(self) -> set[str]:
        """The follow-ons that somebody waits on."""
        return {row.campaign for row in await self.installation.rows() if row.state == "waiting"}

    async def consent(self) -> dict[str, str]:
        async with self.installation.database.read("default") as tx:
            stored = await find_user(tx, "u")
        assert stored is not None
        return dict(stored.user.consent)


@asynccontextmanager
async def open_world(installation: Installation, tracking: TrackingSettings = TRACKING) -> AsyncIterator[World]:
    mailbox = Mailbox()
    async with serve_mail(mailbox) as port:
        smtp = Smtp(host="127.0.0.1", port=port, tls="none", sender="news@shop.test")
        yield World(installation, Settings(smtp=smtp, tracking=tracking), mailbox)


@pytest.fixture
async def world(sqlite_database: Database) -> AsyncIterator[World]:
    """On SQLite."""
    async with open_world(Installation(sqlite_database)) as opened:
        yield opened


@pytest.fixture
async def either(installation: Installation) -> AsyncIterator[World]:
    """On each of the two databases."""
    async with open_world(installation) as opened:
        yield opened


async def test_the_mail_is_as_it_was_but_for_its_links(world: World) -> None:
    """Design 9: addresses are replaced, the pixel is added, and nothing else; the plain text stays."""
    await world.installation.publish(ORIGINAL, MAIL)
    await world.send()
    undone = re.sub(rf'<img src="{BASE}/o/[^>]+>', "", world.html)
    targets = [SALE.replace("&", "&amp;"), "https://shop.test/two", "https://shop.test/three"]
    for link, target in zip(world.links, targets, strict=True):
        undone = undone.replace(BASE + link, target)
    assert undone.replace(BASE + world.unsubscribe, "#top").rstrip() == HTML.replace("{{ user.first_name }}", "Ada")
    assert world.mailbox.mails[0].get_body(("plain",)).get_content().strip() == TEXT  # type: ignore[union-attr]


async def test_a_click_in_a_real_mail_begins_the_follow_on(either: World) -> None:
    """M1: the link leads to its target, and the click, with alias and url, triggers who listens to either."""
    await either.installation.publish(ORIGINAL, MAIL, CLICKED, ALIAS, OTHER)
    await either.send()
    answer = await either.visit(either.links[0])
    assert (answer.status_code, answer.headers["location"]) == (302, SALE)
    [row] = await either.logged()
    assert (row.topic, row.target) == ("click_email_alias", "mail")
    told = row.properties
    assert (told["alias"], told["url"], told["classified"], told["reasons"]) == ("cta", SALE, "human", [])
    assert "robot" not in told
    assert await either.begun() == {"clicked", "alias"}


async def test_a_link_without_an_alias_is_a_click(world: World) -> None:
    """M1: `click_email`, with its url."""
    await world.installation.publish(ORIGINAL, MAIL, CLICKED, ALIAS)
    await world.send()
    assert (await world.visit(world.links[2])).headers["location"] == "https://shop.test/three"
    [row] = await world.logged()
    assert (row.topic, row.properties["url"]) == ("click_email", "https://shop.test/three")
    assert await world.begun() == {"clicked"}


@pytest.mark.parametrize("appended", [".", ")", "%20", "&amp;x=1", "%C2%A0jetzt", "?x=1"])
async def test_text_appended_to_a_tracked_link_changes_nothing(world: World, appended: str) -> None:
    """RFC 3986, appendix C: what a program took for a part of the link leads to the same target."""
    await world.installation.publish(ORIGINAL, MAIL)
    await world.send()
    assert (await world.visit(world.links[2] + appended)).headers["location"] == "https://shop.test/three"


@pytest.mark.parametrize(
    ("agent", "begun"),
    [
        (CHROME, {"opened", "by-person"}),
        (GOOGLE, {"opened", "by-person"}),
        ("Mozilla/5.0", {"opened", "by-machine"}),
        ("python-httpx/0.28", {"opened", "by-machine"}),
        ("", {"opened"}),
    ],
)
async def test_opens(world: World, agent: str, begun: set[str]) -> None:
    """M2: the pixel makes an open; human, machine or any, by what fetched it."""
    await world.installation.publish(ORIGINAL, MAIL, OPENED, BY_PERSON, BY_MACHINE)
    await world.send()
    answer = await world.visit(world.pixel, agent)
    assert (answer.status_code, answer.headers["content-type"], answer.content[:6]) == (200, "image/gif", b"GIF89a")
    assert await world.begun() == begun


@pytest.mark.parametrize(("agent", "method"), [("curl/8.1", "GET"), (CHROME, "HEAD")])
async def test_a_machine_is_led_on_and_triggers_nothing(world: World, agent: str, method: str) -> None:
    """M2: a robot's click is logged as one."""
    await world.installation.publish(ORIGINAL, MAIL, CLICKED)
    await world.send()
    answer = await world.visit(world.links[0], agent, method)
    assert (answer.status_code, answer.headers["location"]) == (302, SALE)
    [row] = await world.logged()
    assert (row.properties["robot"], row.properties["classified"]) == (True, "machine")
    assert await world.begun() == set()


async def test_a_scanner_that_says_it_is_chrome_is_found_out(world: World) -> None:
    """M2: every link within a moment: the first click is classified with the others, also those that come later."""
    await world.installation.publish(ORIGINAL, MAIL, CLICKED)
    await world.send()
    for link in world.links:
        await world.ask(link)
    await world.tracking.visits.flush()
    assert [row.properties["reasons"] for row in await world.logged()] == [["burst"]] * 3
    assert await world.begun() == set()


async def test_a_burst_over_several_processes_is_one(either: World) -> None:
    """M2: what another process took in is looked at too."""
    await either.installation.publish(ORIGINAL, MAIL)
    await either.send()
    for link in either.links:
        await either.visit(link)
    assert [row.properties["classified"] for row in await either.logged()] == ["human", "suspect", "machine"]


async def test_repeats_are_one_interaction(either: World) -> None:
    """M6: a pixel loaded again within the hour, a link clicked twice in a second."""
    await either.installation.publish(ORIGINAL, MAIL)
    await either.send()
    for _ in range(3):
        await either.visit(either.pixel)
        await either.ask(either.links[0])
    await either.visit(either.pixel, "Mozilla/5.0")
    await either.tracking.visits.flush()
    assert [row.properties["opens"] for row in await either.logged("open_")] == ["human", "machine"]
    assert len(await either.logged("click_")) <= 2  # the three took less than two seconds


@pytest.mark.parametrize(
    "name",
    [
        "https://evil.example/login",
        "HTTP://evil.example",
        "https://shop.test@evil.example/",
        "https://evil.example\\@shop.test/",
        "https://shop.test.evil.example/",
        "https://{@evil.example/https://shop.test/",
        "https://evil.example/https://shop.test/",
    ],
)
async def test_an_address_out_of_a_users_data_is_not_signed(world: World, name: str) -> None:
    """Whoever calls themselves by an address gets no redirect to it from us; the author's own link is tracked."""
    body = f"{{{{ user.first_name }}}} : {SALE} {{{{ user.first_name }}}}"
    await world.installation.publish(ORIGINAL, {**SMS, "messages": {"sms": {"body": body}}})
    await world.send("sms", user=ADA.model_copy(update={"first_name": name}))
    [message] = world.phone.messages
    assert re.fullmatch(rf"{re.escape(name)} : {BASE}/s/[A-Za-z0-9_-]+ {re.escape(name)}", message.content["body"])


async def test_a_short_link_in_a_text_message(either: World) -> None:
    """The sentence around it stays; the click makes `click_sms_link`."""
    await either.installation.publish(ORIGINAL, SMS, TEXTED)
    await either.send("sms")
    [message] = either.phone.messages
    match = re.fullmatch(rf"Sale: {BASE}(/s/[A-Za-z0-9_-]+), today", message.content["body"])
    assert match is not None
    assert message.unsubscribe is None
    assert (await either.visit(match[1])).headers["location"] == SALE
    assert [(row.topic, row.properties["url"]) for row in await either.logged()] == [("click_sms_link", SALE)]
    assert await either.begun() == {"texted"}


async def test_unsubscribing_takes_a_post(either: World) -> None:
    """W1: scanners that look at the page, however often, unsubscribe nobody; the button does."""
    await either.installation.publish(ORIGINAL, MAIL)
    await either.send()
    for method, agent in [("GET", CHROME), ("HEAD", CHROME), ("GET", "curl/8"), ("GET", "Googlebot/2.1")]:
        answer = await either.ask(either.unsubscribe, method, agent)
        assert answer.status_code == 200
        assert (method == "HEAD") or '<form method="post">' in answer.text
    assert await either.consent() == {}
    for _ in range(2):
        assert "<h1>Unsubscribed</h1>" in (await either.ask(either.unsubscribe, "POST")).text
    assert await either.consent() == {"email": "unsubscribed"}


async def test_one_click_unsubscribe(world: World) -> None:
    """RFC 8058: both headers, whole, on the mail as it arrived; the POST that mail programs make."""
    await world.installation.publish(ORIGINAL, MAIL)
    await world.send()
    mail = world.mailbox.mails[0]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = re.fullmatch(rf"<{BASE}(/u/[A-Za-z0-9_-]+)>", mail["List-Unsubscribe"])
    assert address is not None
    answer = await world.ask(address[1], "POST", "Google", data={"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert await world.consent() == {"email": "unsubscribed"}


async def test_what_is_no_token_of_ours_leads_nowhere(world: World) -> None:
    """Forged, cut off, of another kind, of another key: a page, never a redirect, and nothing is noted."""
    await world.installation.publish(ORIGINAL, MAIL)
    await world.send()
    name = {path[1]: path.removesuffix(".gif")[3:] for path in (world.links[0], world.pixel, world.unsubscribe)}
    wrong = [f"/{kind}/{token}{'.gif' * (kind == 'o')}" for kind in "ocus" for of, token in name.items() if kind != of]
    wrong += [
        world.links[0][:-1],
        world.links[0] + "A",
        "/c/" + name["c"][1:],
        "/c/",
        "/s/https://evil.test",
        "/o/.gif",
    ]
    wrong += ["/c/%00", "/c/%0d%0aLocation:%20https:%2f%2fevil.test", "/s/" + "A" * 9000, "/u/é", f"/o/{name['o']}"]
    wrong += [f"{world.links[0]}?url=https://evil.test/"[:30]]
    for path in wrong:
        for method in ("GET", "HEAD") + (("POST",) if path.startswith("/u/") else ()):
            answer = await world.ask(path, method)
            assert (answer.status_code, answer.headers.get("location")) == (404, None), path
    await world.tracking.visits.flush()
    assert await world.logged() == []
    assert await world.consent() == {}


async def test_expired_tokens_say_so(world: World) -> None:
    """410 and a page, for all kinds."""
    tokens = open_tokens(world.settings)
    assert tokens is not None
    old = datetime.now(UTC) - timedelta(days=402)  # noqa: TID251 - a test's "now"
    for kind in LinkKind:
        url = SALE if kind in (LinkKind.CLICK, LinkKind.SHORT) else None
        path = f"/{kind}/{tokens.write(Token(kind, 'd', 0, None, url), at=old)}" + ".gif" * (kind is LinkKind.OPEN)
        answer = await world.ask(path, "POST" if kind is LinkKind.UNSUBSCRIBE else "GET")
        assert (answer.status_code, answer.headers.get("location")) == (410, None)
        assert "too old" in answer.text


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://a.test/ü?q=ä b", "https://a.test/%C3%BC?q=%C3%A4%20b"),
        ("https://a.test/%C3%BC?a=b;c&d=[1]|'~", "https://a.test/%C3%BC?a=b;c&d=[1]|'~"),
        ("HTTPS://user@a.test:8443/#x", "HTTPS://user@a.test:8443/#x"),
        ("javascript:alert(1)", None),
        ("https://a.test/\r\nSet-Cookie: a=b", None),
        ("//evil.test", None),
        ("", None),
    ],
)
async def test_where_a_redirect_may_lead(world: World, url: str, location: str | None) -> None:
    """Only to http and https, on one line of ASCII, even if we had signed something else."""
    tokens = open_tokens(world.settings)
    assert tokens is not None
    token = tokens.write(Token(LinkKind.CLICK, "d", 0, None, url), at=datetime.now(UTC))  # noqa: TID251 - a test's "now"
    answer = await world.ask(f"/c/{token}")
    assert (answer.status_code, answer.headers.get("location")) == (302 if location else 404, location)
    assert "set-cookie" not in answer.headers


async def test_an_erased_user_is_led_on_and_nothing_is_kept(either: World) -> None:
    """Guarantee 8: the link still works, and makes nothing; unsubscribing brings nobody back."""
    await either.installation.publish(ORIGINAL, MAIL, CLICKED)
    await either.send()
    async with either.installation.database.write("default") as tx:
        await erase_user(tx, "u", datetime.now(UTC))  # noqa: TID251 - a test's "now"
    assert (await either.visit(either.links[0])).headers["location"] == SALE
    assert (await either.visit(either.pixel)).status_code == 200
    assert (await either.ask(either.unsubscribe, "POST")).status_code == 200
    assert await either.logged() == []
    async with either.installation.database.read("default") as tx:
        assert await find_user(tx, "u") is None


async def test_answers_are_kept_by_nobody(world: World) -> None:
    """Every answer says that it is not to be stored, guessed at, indexed or framed."""
    await world.installation.publish(ORIGINAL, MAIL)
    await world.send()
    for path in (world.links[0], world.pixel, world.unsubscribe, "/c/none"):
        headers = (await world.ask(path)).headers
        assert "no-store" in headers["cache-control"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        if headers.get("content-type", "").startswith("text/html"):
            assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_links_work_while_the_store_is_away(world: World, tmp_path: Any) -> None:
    """Pixel and redirect answer; unsubscribing says that it did not work; visits wait until the store is back."""
    await world.installation.publish(ORIGINAL, MAIL, CLICKED)
    await world.send()
    away = Database.open(f"sqlite:///{tmp_path / 'empty'}/none.db")
    (tmp_path / "empty").rmdir()
    visits, there = world.tracking.visits, world.installation.database
    visits._database = away
    object.__setattr__(world.tracking.context, "database", away)
    assert (await world.ask(world.links[0])).headers["location"] == SALE
    assert (await world.ask(world.pixel)).status_code == 200
    answer = await world.ask(world.unsubscribe, "POST")
    assert (answer.status_code, "still subscribed" in answer.text) == (503, True)
    assert await visits._try_flush(all=True) is False
    visits._database = there
    await visits.flush()
    assert len(await world.logged()) == 2
    assert await world.begun() == {"clicked"}
    await away.close()


async def test_the_application_takes_visits_in_by_itself(world: World) -> None:
    """A visit rests for a burst's time, then it is taken in; those that rest at the end are too."""
    await world.installation.publish(ORIGINAL, MAIL)
    await world.send()
    world.tracking.visits._settle = timedelta(milliseconds=50)
    async with ingesting_visits(world.tracking):
        await world.ask(world.links[0])
        await until(lambda: world.logged("click_"), "the click in the log")
        world.tracking.visits._settle = timedelta(hours=1)
        await world.ask(world.pixel)
    assert len(await world.logged("open_")) == 1


async def test_without_settings_nothing_is_tracked(sqlite_database: Database) -> None:
    """No address or no secret: the mail is as it is, and there are no endpoints."""
    async with open_world(Installation(sqlite_database), TrackingSettings()) as world:
        await world.installation.publish(ORIGINAL, MAIL)
        await world.send()
        assert world.html.rstrip() == HTML.replace("{{ user.first_name }}", "Ada")
        assert world.mailbox.mails[0]["List-Unsubscribe"] is None
        for path in ("/o/x.gif", "/c/x", "/s/x", "/u/x"):
            assert (await world.ask(path)).status_code == 404
