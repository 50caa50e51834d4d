"""What a launch sends, as lists and `explain` show it: the made event `launch`, and no interaction of anybody's."""

import httpx
import pytest

from connector.app.context import AppContext
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
