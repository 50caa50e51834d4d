"""What a launch sends, as lists and `explain` show it: the made event `launch`, and no interaction of anybody's."""

import re
from datetime import timedelta

import httpx
import pytest

from connector.app.context import AppContext
from connector.channels.protocol import OutgoingMessage, TryLater
from connector.rules.model.users import User
from tests.support.builders import now
from tests.support.installation import Installation
from tests.support.launch_harness import NOW, LaunchHarness


@pytest.fixture
async def harness(context: AppContext) -> LaunchHarness:
    """Two users for whom the launch's message waits."""
    harness = LaunchHarness(Installation(context.database))
    await harness.crowd(2)
    await harness.publish()
    await harness.step(NOW)
    return harness


async def test_listed(harness: LaunchHarness, api: httpx.AsyncClient) -> None:
    """The trigger is the launch's id, the same for all of it; the rest is as for any follow-up."""
    rows = (await api.get("/v1/follow-ups", params={"campaign": "o"})).json()["follow_ups"]
    launch = (await harness.row()).launch_id
    assert {(r["user"], r["trigger"], r["key"], r["state"], r["reason"]) for r in rows} == {
        ("u0", launch, None, "waiting", None),
        ("u1", launch, None, "waiting", None),
    }
    assert {r["workflow_id"] for r in rows} == {None}, "the launch is the workflow"


@pytest.mark.parametrize(("sends", "state"), [(False, "waiting"), (True, "sent")])
async def test_explained(harness: LaunchHarness, api: httpx.AsyncClient, sends: bool, state: str) -> None:
    """The chapter begins with the launch and ends with the message."""
    if sends:
        await harness.work(NOW)
    answer = await api.get("/v1/users/u0/explain")
    assert answer.status_code == 200, answer.text
    [story] = answer.json()["campaigns"]
    [chapter] = story["chapters"]
    told = chapter["interaction"]
    assert (story["campaign"], told["type"], told["id"]) == ("o", "launch", (await harness.row()).launch_id)
    assert (told["campaign"], told["card"], told["properties"]) == (None, None, {})
    assert (chapter["state"], [m["channel"] for m in chapter["messages"]]) == (state, ["push"] if sends else [])


async def test_explained_control_user(context: AppContext, api: httpx.AsyncClient) -> None:
    """W3: enrolled instead of being sent to, and why."""
    harness = LaunchHarness(Installation(context.database))
    await harness.crowd(1)
    await harness.publish(control_group=100)
    await harness.work(NOW)
    [story] = (await api.get("/v1/users/u0/explain")).json()["campaigns"]
    [chapter] = story["chapters"]
    assert (chapter["interaction"]["type"], chapter["state"], chapter["reason"]) == (
        "launch",
        "control",
        "control_group",
    )


async def test_explained_dropped_user(harness: LaunchHarness, api: httpx.AsyncClient) -> None:
    """What an archive left unsent."""
    await harness.installation.order("archive", "o")
    await harness.work(NOW)
    [story] = (await api.get("/v1/users/u1/explain", params={"campaign": "o"})).json()["campaigns"]
    [chapter] = story["chapters"]
    assert (chapter["state"], chapter["reason"]) == ("dropped", "stopped")


async def test_explained_local_time_that_has_passed(context: AppContext, api: httpx.AsyncClient) -> None:
    """W5: the evidence names the user's time and the publication, not how late a worker was."""
    harness = LaunchHarness(Installation(context.database))
    await harness.people(User(id="u0", push_tokens=("t",), time_zone="Etc/UTC"))
    passed = (now() - timedelta(hours=3)).replace(second=0, microsecond=0)
    await harness.publish(send={"at": f"{passed:%Y-%m-%d %H:%M}", "zone": "user"})
    await harness.work(NOW)
    [story] = (await api.get("/v1/users/u0/explain")).json()["campaigns"]
    [chapter] = story["chapters"]
    assert (chapter["state"], chapter["reason"], chapter["due_at"]) == (
        "dropped",
        "stale",
        f"{passed:%Y-%m-%dT%H:%M:%SZ}",
    )
    assert [fact["name"] for fact in chapter["looked_at"]] == ["time", "published_at", "limit"]
    assert chapter["looked_at"][2]["value"] == "1 hour"


async def test_explained_pause(harness: LaunchHarness, api: httpx.AsyncClient) -> None:
    """P9: the evidence names the stop while the campaign is stopped, and no longer after the resume."""
    for verb, names in (("stop", ["stopped_at"]), ("resume", [])):
        await harness.installation.order(verb, "o")
        [story] = (await api.get("/v1/users/u0/explain")).json()["campaigns"]
        [chapter] = story["chapters"]
        assert (chapter["state"], [fact["name"] for fact in chapter["looked_at"]]) == ("waiting", names)
        listed = (await api.get("/v1/follow-ups", params={"campaign": "o", "limit": 1})).json()["follow_ups"]
        for words in (chapter["words"], listed[0]["waits"]):
            assert (words == "is paused: the campaign is stopped") == (verb == "stop")


async def test_explained_outage_of_a_provider(context: AppContext, api: httpx.AsyncClient) -> None:
    """W6: while a provider is away, a launch's user is shown as due, with the last fault."""
    harness = LaunchHarness(Installation(context.database))
    await harness.crowd(1)
    await harness.publish()

    async def away(_message: OutgoingMessage) -> None:
        raise TryLater("http_503")

    harness.channel.meanwhile = away
    await harness.work(now())
    [story] = (await api.get("/v1/users/u0/explain")).json()["campaigns"]
    [chapter] = story["chapters"]
    assert re.fullmatch(r"due for \d+ s; last: http_503", chapter["words"])
    shown = (await api.get("/v1/campaigns/o/results")).json()["retried"]
    assert [(one["channel"], one["fault"], one["count"]) for one in shown] == [("push", "http_503", 1)]
