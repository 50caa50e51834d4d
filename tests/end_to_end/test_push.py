"""Interactions with a push: the app that showed it tells them, by the delivery in the data that FCM brought."""

import json
from typing import Any

from tests.support.system import SCHEDULED, System

PUSH = {
    "push": {
        "title": "Alarm",
        "body": "Get up",
        "buttons": [{"id": "snooze", "label": "Later"}, {"id": "stop", "label": "Stop"}],
        "pages": [{"id": "1", "title": "One"}, {"id": "2", "title": "Two"}],
    }
}


async def brought(system: System, **condition: str) -> dict[str, Any]:
    """The data of the push that came to Ann's phone, with a follow-on of what she will do with it."""
    await system.open({**SCHEDULED, "messages": PUSH}, condition)
    await system.received()
    [push] = system.providers.pushes
    data: dict[str, Any] = push["data"]
    return data


async def tell(system: System, act: str, data: dict[str, Any], **what: str) -> None:
    """The app tells what was tapped of the push that it showed, with Ann's own token; telling it twice is once."""
    token = (await system.do("POST", "/v1/users/ann/inbox-token"))["token"]
    async with system.client(Authorization=f"Bearer {token}") as app:
        answers = [await app.post(f"/v1/pushes/{data['delivery']}/{act}", json=what) for _ in range(2)]
    assert [answer.json()["status"] for answer in answers] == ["accepted", "duplicate"]


async def test_open_push(system: System) -> None:
    """M1: its body was tapped; a button is not the body."""
    data = await brought(system, interaction="open_push")
    await tell(system, "click", data, button="snooze")
    assert await system.follow_ups() == []
    await tell(system, "open", data)
    await system.followed()


async def test_click_push_button(system: System) -> None:
    """M1: the button that the follow-on names, by the id that the push brought."""
    data = await brought(system, interaction="click_push_button", button="snooze")
    snooze, stop = [button["id"] for button in json.loads(data["buttons"])]
    await tell(system, "click", data, button=stop)
    assert await system.follow_ups() == []
    await tell(system, "click", data, button=snooze)
    await system.followed()


async def test_click_push_story_page(system: System) -> None:
    """M1: a page of the story, by the id that the push brought."""
    data = await brought(system, interaction="click_push_story_page", page="2")
    first, second = [page["id"] for page in json.loads(data["pages"])]
    await tell(system, "click", data, page=first)
    assert await system.follow_ups() == []
    await tell(system, "click", data, page=second)
    await system.followed()
