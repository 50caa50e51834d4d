"""`/v1/users/{id}/inbox` and `/v1/inbox/{message}/…`: shown to whom it belongs, and what is done with it counts."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import delete, select, update

from connector.app.context import AppContext, build_context
from connector.channels.inbox import InboxChannel
from connector.channels.protocol import Address, OutgoingMessage
from connector.inbox.tokens import InboxTokens
from connector.settings.application import Settings
from connector.settings.inbox import InboxSettings
from connector.store.engine.database import Database
from connector.store.tables import inbox, interactions
from connector.store.users.users import find_user
from starter.api.access.scopes import Keys
from tests.support.api import open_client
from tests.support.builders import follow_on
from tests.support.installation import Installation

ORIGIN = "https://shop.test"
SECRET = SecretStr("the tests' own secret, at least 32 letters")
CONTENT = {
    "in_app_message": {"title": "Hi", "body": "there", "buttons": [{"id": "yes", "label": "Yes"}, {"id": "no"}]},
    "content_card": {"title": "Card", "body": "for you", "link": "https://shop.test/"},
    "news_feed_card": {"title": "News", "body": "for you"},
}
OURS = {"campaign": "o", "delivery": {"type": "external"}, "messages": CONTENT}
BANNER = {"card": "banner", "title": "Spring, {{ user.first_name | default: 'you' }}", "body": "it's here"}


@pytest.fixture
def context(database: Database) -> AppContext:
    """What the edges work with, on each of the two databases, with a secret and an origin."""
    return build_context(Settings(inbox=InboxSettings(secrets=[SECRET], origins=[ORIGIN])), database)


@pytest.fixture
async def user(context: AppContext) -> AsyncIterator["Phone"]:
    """The phone of the user `u`, named Ada, while `o` and `banner` are live."""
    await Installation(context.database).publish(OURS, BANNER)
    async with open_client(context) as service, open_client(context, given=None) as phone:
        await service.put("/v1/users/u", json={"first_name": "Ada"})
        minted = await service.post("/v1/users/u/inbox-token")
        phone.headers["Authorization"] = f"Bearer {minted.json()['token']}"
        yield Phone(context, service, phone)


class Phone:
    """A user's phone with its token, and the service that holds a key."""

    def __init__(self, context: AppContext, service: httpx.AsyncClient, phone: httpx.AsyncClient) -> None:
        self.context, self.service, self.http = context, service, phone

    async def gets(self, kind: str, *, delivery: str | None = None, user: str = "u") -> str:
        """Deliver a message of `o`; gives its id."""
        channel = InboxChannel(self.context.database, "default", self.context.settings.inbox)
        message = OutgoingMessage(delivery or f"d.{kind}", "o", kind, Address(user), CONTENT[kind])
        return (await channel.send(message)).provider_id or ""

    async def sees(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.http.get("/v1/users/u/inbox", params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found

    async def does(self, verb: str, message: str, **body: Any) -> tuple[str, str | None]:
        answer = await self.http.post(f"/v1/inbox/{message}/{verb}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["status"], answer.json()["interaction"]

    async def logged(self) -> list[tuple[str, str | None, dict[str, Any]]]:
        async with self.context.database.read(self.context.workspace) as tx:
            rows = (await tx.execute(select(interactions).order_by(interactions.c.seq))).all()
        return [(row.topic, row.target, row.properties) for row in rows]

    async def token(
        self, lifetime: timedelta = timedelta(hours=1), *, user: str = "u", secret: SecretStr = SECRET
    ) -> str:
        async with self.context.database.read("default") as tx:
            stored = await find_user(tx, user)
        assert stored is not None
        now = datetime.now(UTC)  # noqa: TID251 - a test's "now"
        return InboxTokens("default", [secret]).create(stored.user_key, user, now, lifetime)[0]


async def test_messages_and_cards_in_their_order(user: Phone) -> None:
    """In-app messages first, then the newest; published cards are everybody's, rendered with the user's own data."""
    ids = [await user.gets(kind) for kind in ("in_app_message", "content_card", "news_feed_card")]
    await _age(user, ids[1], minutes=5)
    shown = await user.sees()
    assert [message["id"] for message in shown] == [ids[0], ids[2], ids[1], "card.banner"]
    assert [message["campaign"] for message in shown] == ["o", "o", "o", None]
    assert shown[0]["content"] == CONTENT["in_app_message"]
    assert (shown[3]["card"], shown[3]["content"]["title"], shown[3]["expires_at"]) == ("banner", "Spring, Ada", None)
    assert [message["kind"] for message in await user.sees(kind="content_card")] == ["content_card"]
    service = await user.service.get("/v1/users/u/inbox")
    assert service.json()["messages"] == shown
    assert service.headers["Cache-Control"] == "no-store"


async def test_a_page_is_bounded(user: Phone) -> None:
    """At most `limit`, which is at most 100; `is_cut` says whether there is more, cards included."""
    for number in range(3):
        await user.gets("content_card", delivery=f"d{number}")
    for limit, cut in ((3, True), (4, False)):
        answer = (await user.http.get("/v1/users/u/inbox", params={"limit": limit})).json()
        assert (len(answer["messages"]), answer["is_cut"]) == (limit, cut)
    for limit in (0, 101):
        assert (await user.http.get("/v1/users/u/inbox", params={"limit": limit})).status_code == 422


async def test_expired_dismissed_and_stopped_ones_are_gone(user: Phone) -> None:
    """A message by its own expiry, a card as it is stopped, anything as it is dismissed, for this user only."""
    kept, expired, dismissed = [await user.gets("content_card", delivery=name) for name in ("kept", "old", "away")]
    async with user.context.database.write("default") as tx:
        long_ago = datetime(2026, 1, 1, tzinfo=UTC)
        await tx.execute(update(inbox).where(inbox.c.id == expired).values(expires_at=long_ago))
    assert await user.does("dismiss", dismissed) == ("accepted", "dismiss_content_card")
    assert [message["id"] for message in await user.sees()] == [kept, "card.banner"]
    assert await user.does("dismiss", "card.banner") == ("accepted", None)
    assert [message["id"] for message in await user.sees()] == [kept]
    await user.service.put("/v1/users/v", json={})
    others = (await user.service.get("/v1/users/v/inbox")).json()["messages"]
    assert [message["content"]["title"] for message in others] == ["Spring, you"]
    await Installation(user.context.database).order("stop", "banner")
    assert (await user.service.get("/v1/users/v/inbox")).json()["messages"] == []


@pytest.mark.parametrize(
    ("kind", "verb", "body", "interaction"),
    [
        ("in_app_message", "view", {}, "view_in_app_message"),
        ("in_app_message", "click", {}, "click_in_app_message"),
        ("in_app_message", "click", {"button": "yes"}, "click_in_app_message_button"),
        ("in_app_message", "dismiss", {}, None),
        ("content_card", "view", {}, "view_content_card"),
        ("content_card", "click", {"link": "https://shop.test/"}, "click_content_card"),
        ("content_card", "dismiss", {}, "dismiss_content_card"),
        ("news_feed_card", "view", {}, "view_news_feed_card"),
        ("news_feed_card", "click", {}, "click_news_feed_card"),
        ("news_feed_card", "dismiss", {}, None),
    ],
)
async def test_each_act_makes_its_interaction_once(
    user: Phone, kind: str, verb: str, body: dict[str, str], interaction: str | None
) -> None:
    """M1, M6: the kinds of in-app messages and cards, with what was named, and a repeat changes nothing."""
    message = await user.gets(kind)
    told = body | ({"id": "tap-1"} if verb == "click" else {})
    assert await user.does(verb, message, **told) == ("accepted", interaction)
    if interaction is not None or verb == "dismiss":
        assert await user.does(verb, message, **told) == ("duplicate", interaction)
    assert await user.logged() == ([(interaction, "o", body)] if interaction else [])


@pytest.mark.parametrize(("verb", "interaction"), [("view", "view_news_feed_card"), ("click", "click_news_feed_card")])
async def test_published_cards_are_targets_themselves(user: Phone, verb: str, interaction: str) -> None:
    """M5: the interaction is with the card, by whoever's token it is."""
    assert await user.does(verb, "card.banner") == ("accepted", interaction)
    assert await user.logged() == [(interaction, "banner", {})]


async def test_what_is_told_at_once_from_everywhere_counts_once(user: Phone) -> None:
    """Guarantee 3: the user's lock lets one of many views, and one of many repeats of a click, be the first."""
    message = await user.gets("in_app_message")
    for verb, body in (("view", {}), ("click", {"id": "tap"}), ("dismiss", {})):
        done = await asyncio.gather(*(user.does(verb, message, **body) for _ in range(6)))
        assert sorted(status for status, _ in done) == ["accepted"] + ["duplicate"] * 5
    assert [topic for topic, _, _ in await user.logged()] == ["view_in_app_message", "click_in_app_message"]


async def test_viewed_ones_say_so(user: Phone) -> None:
    """A client can tell what is new, of messages and of cards."""
    message = await user.gets("content_card")
    assert [one["viewed"] for one in await user.sees()] == [False, False]
    await user.does("view", message)
    await user.does("view", "card.banner")
    assert [one["viewed"] for one in await user.sees()] == [True, True]


async def test_clicks_are_told_apart_by_the_clients_id_or_by_what_was_clicked(user: Phone) -> None:
    """Two taps are two clicks, one tap that is told twice is one, also when the repeat comes after midnight."""
    message = await user.gets("in_app_message")
    assert (await user.does("click", message, id="1"))[0] == "accepted"
    assert (await user.does("click", message, id="2"))[0] == "accepted"
    assert (await user.does("click", message, id="2", button="yes"))[0] == "accepted"
    async with user.context.database.write("default") as tx:
        rows = (await tx.execute(select(interactions))).mappings().all()
        await tx.execute(delete(interactions))
        for row in rows:
            await tx.execute(interactions.insert().values({**row, "day": row["day"] - timedelta(days=1)}))
    assert (await user.does("click", message, id="1"))[0] == "duplicate"
    assert len(await user.logged()) == 3


async def test_a_click_begins_a_follow_on(user: Phone) -> None:
    """Design 3: what comes of the inbox is judged like any other interaction."""
    chained = follow_on("f", {"interaction": "click_in_app_message_button", "campaign": "o", "button": "yes"})
    installation = Installation(user.context.database)
    await installation.publish(chained)
    message = await user.gets("in_app_message")
    await user.does("click", message, button="no")
    assert await installation.rows() == []
    await user.does("click", message, button="yes")
    [row] = await installation.rows()
    assert (row.campaign, row.state) == ("f", "waiting")


async def test_tokens_that_open_nothing(user: Phone) -> None:
    """401: expired, forged, truncated, signed by somebody else, or none at all; nothing is told and nothing counted."""
    message, good = await user.gets("in_app_message"), await user.token()
    forger = SecretStr("another secret with enough letters in it")
    refused = [
        await user.token(timedelta(0)),
        await user.token(secret=forger),
        good[:-1],
        good[: len(good) // 2],
        good + "A",
        good[:-2] + ("AA" if good[-2:] != "AA" else "BB"),
        "inbox-v1.",
        "wrong",
        "",
    ]
    for token in refused:
        headers = {"Authorization": f"Bearer {token}"}
        answers = [
            await user.http.get("/v1/users/u/inbox", headers=headers),
            await user.http.post(f"/v1/inbox/{message}/click", headers=headers),
            await user.http.post("/v1/inbox/card.banner/view", headers=headers),
        ]
        assert [answer.status_code for answer in answers] == [401] * 3, token
    assert await user.logged() == []


async def test_a_token_opens_its_own_users_inbox_only(user: Phone) -> None:
    """403: neither another's inbox, nor another's message, nor acting for another; unknown users look the same."""
    await user.service.put("/v1/users/v", json={})
    theirs = await user.gets("content_card", user="v")
    answers = [
        await user.http.get("/v1/users/v/inbox"),
        await user.http.get("/v1/users/nobody/inbox"),
        await user.http.post(f"/v1/inbox/{theirs}/view"),
        await user.http.post("/v1/inbox/card.banner/view", json={"user": "v"}),
        await user.http.post("/v1/inbox/card.banner/view", json={"user": "nobody"}),
    ]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert await user.logged() == []


async def test_a_token_opens_nothing_else(user: Phone) -> None:
    """A user's device is not a service: it may not read users, report interactions or mint tokens."""
    assert (await user.http.get("/v1/users/u")).status_code == 401
    assert (await user.http.post("/v1/interactions", json={"interactions": []})).status_code == 401
    assert (await user.http.post("/v1/users/u/inbox-token")).status_code == 401


async def test_a_service_acts_for_the_message_s_user(user: Phone) -> None:
    """With a key the message tells the user; for a published card the body has to."""
    message = await user.gets("content_card")
    assert (await user.service.post(f"/v1/inbox/{message}/view")).json()["status"] == "accepted"
    assert (await user.service.post("/v1/inbox/card.banner/view")).status_code == 422
    acted = await user.service.post("/v1/inbox/card.banner/view", json={"user": "u"})
    assert acted.json() == {"status": "accepted", "interaction": "view_news_feed_card"}
    wrong = await user.service.post(f"/v1/inbox/{message}/view", json={"user": "nobody"})
    assert wrong.status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("unknown/view", {}, 404),
        ("card.unknown/view", {}, 404),
        ("card.o/view", {}, 404),
        ("MESSAGE/click", {"button": "maybe"}, 422),
        ("card.banner/click", {"button": "yes"}, 422),
        ("MESSAGE/click", {"buton": "yes"}, 422),
        ("MESSAGE/view", {"button": "yes"}, 422),
        ("MESSAGE/click", {"link": "a\0b"}, 422),
        ("MESSAGE/click", {"link": "x" * 2049}, 422),
        ("MESSAGE/click", {"id": 5}, 422),
        ("MESSAGE/click", [], 422),
        ("MESSAGE/open", {}, 404),
        ("%00/view", {}, 422),
        ("a%20b/view", {}, 422),
    ],
)
async def test_wrong_acts_change_nothing(user: Phone, path: str, body: Any, status: int) -> None:
    """An unknown message, card, button, key or verb is told, and nothing is taken in."""
    message = await user.gets("in_app_message")
    answer = await user.http.post(f"/v1/inbox/{path.replace('MESSAGE', message)}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
    assert await user.logged() == []


async def test_minting(user: Phone) -> None:
    """Only with a key; the token names nobody; a user whom nobody told of yet has an inbox too."""
    minted = await user.service.post("/v1/users/new@shop.test/inbox-token")
    assert minted.status_code == 200
    assert "new" not in minted.text
    assert minted.headers["Cache-Control"] == "no-store"
    ends = datetime.fromisoformat(minted.json()["expires_at"])
    left = ends - datetime.now(UTC)  # noqa: TID251 - a test's "now"
    assert timedelta(hours=23) < left <= timedelta(days=1)
    headers = {"Authorization": f"Bearer {minted.json()['token']}"}
    shown = await user.http.get("/v1/users/new@shop.test/inbox", headers=headers)
    assert [message["card"] for message in shown.json()["messages"]] == ["banner"]


async def test_no_token_without_a_secret(database: Database) -> None:
    """409 that names the setting; nobody is made by it."""
    async with open_client(build_context(Settings(inbox=InboxSettings(secrets=[])), database)) as api:
        answer = await api.post("/v1/users/u/inbox-token")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_set_up")
        assert "CONNECTOR_INBOX_SECRETS" in answer.json()["error"]["message"]
        assert (await api.get("/v1/users/u")).status_code == 404


async def test_erased_users_have_no_inbox(user: Phone) -> None:
    """Guarantee 8: the token leads nowhere any more, and no new one is made."""
    message = await user.gets("in_app_message")
    await user.service.delete("/v1/users/u")
    assert (await user.http.get("/v1/users/u/inbox")).status_code == 403
    assert (await user.http.post("/v1/inbox/card.banner/view")).status_code == 410
    assert (await user.http.post(f"/v1/inbox/{message}/view")).status_code == 410
    assert (await user.service.post(f"/v1/inbox/{message}/view")).status_code == 404
    assert (await user.service.post("/v1/users/u/inbox-token")).status_code == 410


async def test_a_card_whose_template_fails_is_left_out(user: Phone) -> None:
    """One bad card takes no other out of the inbox; one that asks not to be shown is not."""
    await Installation(user.context.database).publish(
        {"card": "bad", "title": "{{ user.first_name | divided_by: 0 }}", "body": "b"},
        {"card": "away", "title": "{% abort_message %}", "body": "b"},
    )
    assert [message["card"] for message in await user.sees()] == ["banner"]


@pytest.mark.parametrize(("origin", "allowed"), [(ORIGIN, True), ("https://evil.test", False), ("null", False)])
async def test_web_pages_of_the_configured_origins_only(user: Phone, origin: str, allowed: bool) -> None:
    """CORS: asked beforehand and answered, on the inbox's routes alone, errors included."""
    asks = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    asked = await user.http.options("/v1/inbox/card.banner/view", headers=asks)
    got = await user.http.get("/v1/users/u/inbox", headers={"Origin": origin})
    refused = await user.http.get("/v1/users/v/inbox", headers={"Origin": origin})
    named = [answer.headers.get("Access-Control-Allow-Origin") for answer in (asked, got, refused)]
    assert named == [ORIGIN if allowed else None] * 3
    assert asked.status_code == (200 if allowed else 400)
    elsewhere = await user.service.get("/v1/users/u", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in elsewhere.headers
    minting = await user.service.options("/v1/users/u/inbox-token", headers=asks)
    assert "Access-Control-Allow-Origin" not in minting.headers


async def test_in_development_a_token_works_beside_no_key_at_all(user: Phone) -> None:
    """`connector dev` asks for no key, but what is sent as a token must be one."""
    async with open_client(user.context, given=None, keys=Keys(is_open=True)) as api:
        assert (await api.get("/v1/users/u/inbox")).status_code == 200
        forged = {"Authorization": "Bearer inbox-v1.forged"}
        assert (await api.get("/v1/users/u/inbox", headers=forged)).status_code == 401


async def test_described_in_openapi(user: Phone) -> None:
    """All ways in, and the bodies."""
    document = (await user.http.get("/openapi.json")).json()
    click = document["paths"]["/v1/inbox/{message}/click"]["post"]
    assert click["security"] == [{"KeyOrInboxToken": ["ingest"]}, {"ClientKey": ["client"]}]
    assert "ClickOptions" in json.dumps(click["requestBody"])


async def _age(user: Phone, message: str, *, minutes: int) -> None:
    async with user.context.database.write("default") as tx:
        row = (await tx.execute(select(inbox).where(inbox.c.id == message))).one()
        before = row.created_at - timedelta(minutes=minutes)
        await tx.execute(update(inbox).where(inbox.c.id == message).values(created_at=before))
