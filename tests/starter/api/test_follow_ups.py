"""`GET /v1/follow-ups`: what waits, and what came of the rest."""

from typing import Any

import httpx
import pytest

from connector.app.context import AppContext
from tests.support.builders import ABANDONED, ORIGINAL, buy, push
from tests.support.installation import Installation

URL = "/v1/follow-ups"
NAME = ABANDONED["campaign"]


@pytest.fixture
async def told(context: AppContext) -> None:
    """Anna waits, Ben bought, and Cid's push was received before the publication."""
    installation = Installation(context.database)
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("p-anna", 1, "anna"), push("p-ben", 2, "ben"), buy("b-ben", 3, "ben"))
    await installation.ingest(push("again", 4, "anna"))


async def test_a_follow_up_in_the_words_of_simulate(told: None, api: httpx.AsyncClient) -> None:
    """Design 8: the same keys, times in UTC with Z, null for a key that is unset."""
    (found,) = (await api.get(URL, params={"user": "ben"})).json()["follow_ups"]
    assert {"campaign", "user", "trigger", "key", "triggered_at", "due_at", "state", "reason", "decided_at"} <= set(
        found
    )
    assert (found["campaign"], found["user"], found["trigger"], found["key"]) == (NAME, "ben", "p-ben", None)
    assert (found["state"], found["reason"], found["exception"]) == ("excepted", "exception", "b-ben")
    assert found["channels"] == []
    assert found["workflow_id"].startswith(f"follow-up/default/{NAME}/")
    assert found["triggered_at"].endswith("Z")


@pytest.mark.parametrize(
    ("params", "users"),
    [
        ({}, ["ben", "anna"]),
        ({"state": "waiting"}, ["anna"]),
        ({"campaign": NAME, "user": "ben"}, ["ben"]),
        ({"campaign": "o"}, []),
        ({"user": "nobody"}, []),
        ({"limit": 1}, ["ben"]),
        ({"state": "refused"}, ["anna"]),
    ],
)
async def test_filters(told: None, api: httpx.AsyncClient, params: dict[str, Any], users: list[str]) -> None:
    """Newest trigger first; refusals are listed where they are asked for, and only there."""
    answer = await api.get(URL, params=params)
    assert [found["user"] for found in answer.json()["follow_ups"]] == users


async def test_an_unknown_campaign_is_named(told: None, api: httpx.AsyncClient) -> None:
    """An empty list says so if no campaign has the id, and only then."""
    unknown, empty = [(await api.get(URL, params={"campaign": one})).json() for one in (NAME + "x", "o")]
    assert unknown["hint"] == f"{NAME}x is not known; did you mean {NAME}?"
    assert empty == {"follow_ups": [], "has_more": False, "next": None}


async def test_a_refusal_says_why(told: None, api: httpx.AsyncClient) -> None:
    """Guarantee 7: the reason, and no due time."""
    (refusal,) = (await api.get(URL, params={"state": "refused"})).json()["follow_ups"]
    assert (refusal["trigger"], refusal["reason"], refusal["due_at"]) == ("again", "already_waiting", None)


@pytest.mark.parametrize("params", [{"state": "waitng"}, {"limit": 0}, {"limit": 1001}, {"user": "\0"}])
async def test_wrong_filters(api: httpx.AsyncClient, params: dict[str, Any]) -> None:
    """422 names the parameter."""
    answer = await api.get(URL, params=params)
    assert answer.status_code == 422
    assert [fault["key"] for fault in answer.json()["error"]["details"]["faults"]] == list(params)
