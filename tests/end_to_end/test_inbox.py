"""Interactions that a user's phone makes in the inbox: with the token of this user, and through nothing else."""

from typing import Any

import httpx
import pytest

from tests.support.polling import until
from tests.support.system import SCHEDULED, System

IN_APP = {"in_app_message": {"title": "Hi", "body": "Look", "buttons": [{"id": "yes", "label": "Yes"}, {"id": "no"}]}}
CONTENT = {"content_card": {"title": "Hi", "body": "Look", "link": "https://shop.test/"}}
NEWS = {"news_feed_card": {"title": "Hi", "body": "Look"}}


class Phone:
    """A client app: knows its user's token, and no key."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def shown(self, kind: str) -> list[dict[str, Any]]:
        """The messages of this kind in the inbox."""
        answer = await self.http.get("/v1/users/ann/inbox", params={"kind": kind})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found

    async def act(self, kind: str, verb: str, **words: str) -> None:
        """Wait for the message, and report an interaction with it, which must be accepted."""

        async def is_there() -> bool:
            return bool(await self.shown(kind))

        await until(is_there, f"a {kind} in the inbox")
        [message] = await self.shown(kind)
        answer = await self.http.post(f"/v1/inbox/{message['id']}/{verb}", json=words)
        assert (answer.status_code, answer.json()["status"]) == (200, "accepted"), answer.text


@pytest.fixture
async def phone(system: System) -> Any:
    """Ann's phone."""
    token = (await system.do("POST", "/v1/users/ann/inbox-token"))["token"]
    async with system.client(Authorization=f"Bearer {token}") as http:
        yield Phone(http)


async def send(system: System, messages: dict[str, Any], **condition: str) -> None:
    """The original into Ann's inbox, with a follow-on of what she will do with it."""
    await system.open({**SCHEDULED, "messages": messages}, condition)


async def test_view_in_app_message(system: System, phone: Phone) -> None:
    """The message was shown."""
    await send(system, IN_APP, interaction="view_in_app_message")
    await phone.act("in_app_message", "view")
    assert (await system.followed())["state"] == "sent"


async def test_click_in_app_message(system: System, phone: Phone) -> None:
    """M1: its body or any of its buttons."""
    await send(system, IN_APP, interaction="click_in_app_message")
    await phone.act("in_app_message", "click")
    assert (await system.followed())["state"] == "sent"


async def test_click_in_app_message_button(system: System, phone: Phone) -> None:
    """M1: this button, and no other."""
    await send(system, IN_APP, interaction="click_in_app_message_button", button="yes")
    await phone.act("in_app_message", "click", button="no")
    assert await system.follow_ups() == []
    await phone.act("in_app_message", "click", button="yes")
    assert (await system.followed())["state"] == "sent"


async def test_view_content_card(system: System, phone: Phone) -> None:
    """The card was shown."""
    await send(system, CONTENT, interaction="view_content_card")
    await phone.act("content_card", "view")
    assert (await system.followed())["state"] == "sent"


async def test_click_content_card(system: System, phone: Phone) -> None:
    """Its link was followed."""
    await send(system, CONTENT, interaction="click_content_card")
    await phone.act("content_card", "click", link="https://shop.test/")
    assert (await system.followed())["state"] == "sent"


async def test_dismiss_content_card(system: System, phone: Phone) -> None:
    """The card was dismissed, and is gone."""
    await send(system, CONTENT, interaction="dismiss_content_card")
    await phone.act("content_card", "dismiss")
    assert (await system.followed())["state"] == "sent"
    assert await phone.shown("content_card") == []


async def test_conversions_count_from_the_first_view(system: System, phone: Phone) -> None:
    """C1: a purchase before the card was seen counts for nothing, one after it does."""
    counting = {"conversions": [{"event": "make_purchase"}], "messages": CONTENT}
    await system.open({**SCHEDULED, **counting}, {"interaction": "perform_conversion_event"})
    await system.received()
    await system.report("make_purchase", properties={"product": "too early"})
    await phone.act("content_card", "view")
    assert await system.follow_ups() == []
    await system.report("make_purchase", properties={"product": "in time"})
    assert (await system.followed())["state"] == "sent"


async def test_view_news_feed_card(system: System, phone: Phone) -> None:
    """M5: a published card is in every user's feed without being sent."""
    await system.open({"card": "original", "title": "Hi", "body": "Look"}, {"interaction": "view_news_feed_card"})
    await phone.act("news_feed_card", "view")
    assert (await system.followed())["state"] == "sent"


async def test_click_news_feed_card(system: System, phone: Phone) -> None:
    """M5: a card that a campaign puts into this user's feed."""
    await send(system, NEWS, interaction="click_news_feed_card")
    await phone.act("news_feed_card", "click")
    assert (await system.followed())["state"] == "sent"
