"""Interactions with a push: the app that showed it tells them, by the delivery in the data that FCM brought."""

import json
from typing import Any

from tests.support.system import SCHEDULED, Stage

PUSH = {
    "push": {
        "title": "Alarm",
        "body": "Get up",
        "buttons": [{"id": "snooze", "label": "Later"}, {"id": "stop", "label": "Stop"}],
        "pages": [{"id": "1", "title": "One"}, {"id": "2", "title": "Two"}],
    }
}


async def brought(stage: Stage, **condition: str) -> dict[str, Any]:
    """The data of the push that came to Ann's phone, with a follow-on of what she will do with it."""
    await stage.open({**SCHEDULED, "messages": PUSH}, condition)
    await stage.received()
    [push] = stage.providers.pushes
    data: dict[str, Any] = push["data"]
    return data


async def tell(stage: Stage, act: str, data: dict[str, Any], **what: str) -> None:
    """The app tells what was tapped of the push that it showed, with Ann's own token; telling it twice is once."""
    token = (await stage.do("POST", "/v1/users/ann/inbox-token"))["token"]
    async with stage.client(Authorization=f"Bearer {token}") as app:
        answers = [await app.post(f"/v1/pushes/{data['delivery']}/{act}", json=what) for _ in range(2)]
    assert [answer.json()["status"] for answer in answers] == ["accepted", "duplicate"]


async def test_open_push(stage: Stage) -> None:
    """M1: its body was tapped; a button is not the body."""
    data = await brought(stage, interaction="open_push")
    await tell(stage, "click", data, button="snooze")
    assert await stage.follow_ups() == []
    await tell(stage, "open", data)
    await stage.followed()


async def test_click_push_button(stage: Stage) -> None:
    """M1: the button that the follow-on names, by the id that the push brought."""
    data = await brought(stage, interaction="click_push_button", button="snooze")
    snooze, stop = [button["id"] for button in json.loads(data["buttons"])]
    await tell(stage, "click", data, button=stop)
    assert await stage.follow_ups() == []
    await tell(stage, "click", data, button=snooze)
    await stage.followed()


async def test_click_push_story_page(stage: Stage) -> None:
    """M1: a page of the story, by the id that the push brought."""
    data = await brought(stage, interaction="click_push_story_page", page="2")
    first, second = [page["id"] for page in json.loads(data["pages"])]
    await tell(stage, "click", data, page=first)
    assert await stage.follow_ups() == []
    await tell(stage, "click", data, page=second)
    await stage.followed()
