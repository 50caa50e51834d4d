"""Several definitions in one request, the list of campaigns, the workspace's settings, and backtests over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from connector.app.context import AppContext
from connector.store.engine.database import database_now
from connector.wire import Order
from starter.operations import simulation
from starter.operations.backtest import BacktestTooLong, backtest
from tests.support.builders import ABANDONED, ORIGINAL, follow_on, push
from tests.support.installation import Installation

GOOD = "campaign: a\nname: Apple\ndelivery: {type: external}\n"
BAD = "---\ncampaign: b\ndelivery: {type: exteral}\n"


def files(**texts: str) -> dict[str, Any]:
    """Return a body with these texts by the names of their files."""
    return {"files": [{"name": f"{name}.yaml", "text": text} for name, text in texts.items()]}


async def ids(api: httpx.AsyncClient, **query: Any) -> list[str]:
    """Return the ids of a list of campaigns."""
    answer = await api.get("/v1/campaigns", params=query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["campaigns"]]


async def test_all_or_nothing(api: httpx.AsyncClient) -> None:
    """A fault of one text has its file and line, and nothing of the others is saved; repeated, nothing changes."""
    refused = await api.post("/v1/apply", json=files(a=GOOD, b=BAD))
    [fault] = refused.json()["error"]["details"]["faults"]
    assert (refused.status_code, fault["file"], fault["line"], fault["key"]) == (422, "b.yaml", 3, "delivery")
    assert await ids(api) == []
    for change in ("new", "unchanged"):
        saved = (await api.post("/v1/apply", json=files(a=GOOD))).json()["saved"]
        assert saved == [{"id": "a", "revision": 1, "change": change}]


async def test_json_objects(api: httpx.AsyncClient) -> None:
    """The same as YAML; the place of a fault is the object's number, and of two about one id the second is refused."""
    body = {"definitions": [ORIGINAL, {**ABANDONED, "delivery": {**ABANDONED["delivery"], "delay": {"after": "soon"}}}]}
    faults = (await api.post("/v1/apply", json=body)).json()["error"]["details"]["faults"]
    assert [fault["key"] for fault in faults] == ["definitions[1].delivery.delay.after"]
    assert set(faults[0]) == {"key", "problem"}
    twice = (await api.post("/v1/apply", json={"definitions": [ORIGINAL, ORIGINAL]})).json()["error"]["details"]
    assert "is defined twice" in twice["faults"][0]["problem"]
    assert (await api.post("/v1/apply", json={"definitions": [ORIGINAL, ABANDONED]})).is_success
    assert await ids(api) == ["f", "o"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"files": []},
        {"definitions": []},
        {**files(a=GOOD), "definitions": [ORIGINAL]},
        {"files": [*files(a=GOOD)["files"], *files(a=GOOD)["files"]]},
        {"files": [{"name": "", "text": GOOD}]},
        {"files": [{"name": "a", "text": "# nothing"}]},
        {"definitions": ["o"]},
        {"definitions": [{"campaign": "o", "delivery": {"type": "external"}, "name": "a\u0000b"}]},
        {"definitions": [{"workspace": "other"}]},
        {**files(a=GOOD), "allow_missed": True},
    ],
    ids=str,
)
async def test_wrong_bodies(api: httpx.AsyncClient, body: dict[str, Any]) -> None:
    """422 with a fault, and nothing is saved."""
    answer = await api.post("/v1/apply", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
    assert await ids(api) == []


async def test_plan_and_validate(api: httpx.AsyncClient) -> None:
    """A plan looks in the store, a validation does not; neither saves anything."""
    lost = follow_on("f", {"interaction": "open_email", "campaign": "nobody"})
    planned = (await api.post("/v1/plan", json={"definitions": [ORIGINAL, lost]})).json()
    assert ([one["id"] for one in planned["changes"]], sorted(planned["order"])) == (["o", "f"], ["f", "o"])
    assert "names the campaign nobody" in planned["refusals"][0]
    found = (await api.post("/v1/validate", json=files(a=GOOD, b=BAD))).json()
    assert (found["valid"], found["faults"][0]["file"], found["faults"][0]["line"]) == (False, "b.yaml", 3)
    assert (await api.post("/v1/validate", json=files(a=GOOD))).json()["valid"]
    assert await ids(api) == []


async def test_the_list(api: httpx.AsyncClient, context: AppContext) -> None:
    """By id, in pages, by state and by a text of the id or name, with the counts of follow-ups."""
    installation = Installation(context.database)
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("p", 1, "ann"))
    await api.post("/v1/apply", json=files(a=GOOD))
    assert await ids(api) == ["a", "f", "o"]
    assert await ids(api, state="draft") == ["a"]
    assert await ids(api, search="APP") == ["a"]
    page = (await api.get("/v1/campaigns", params={"limit": 2})).json()
    assert (page["has_more"], page["next"]) == (True, "f")
    assert await ids(api, limit=2, after="f") == ["o"]
    follow_on_ = page["campaigns"][1]
    assert follow_on_["follow_ups"] == [{"state": "waiting", "reason": None, "count": 1}]
    assert (follow_on_["live_revision"], follow_on_["name"]) == (1, None)
    status = (await api.get("/v1/status")).json()
    assert [one["follow_ups"] for one in status["campaigns"]] == [[], follow_on_["follow_ups"], []]
    assert (await api.get("/v1/campaigns", params={"state": "live"})).status_code == 422


async def test_the_workspace(api: httpx.AsyncClient) -> None:
    """Settings are replaced as a whole, and hold at once."""
    saved = await api.put("/v1/workspace", json={"zone": "Europe/Berlin"})
    assert saved.json()["saved"][0]["change"] in ("new", "edited")
    shown = (await api.get("/v1/workspace")).json()
    assert shown["definition"] == {"workspace": "default", "zone": "Europe/Berlin"}
    assert (shown["settings"]["zone"], shown["settings"]["robots"]) == ("Europe/Berlin", "ignore")
    wrong = await api.put("/v1/workspace", json={"zone": "Mars"})
    assert (wrong.status_code, wrong.json()["error"]["details"]["faults"][0]["key"]) == (422, "zone")
    assert (await api.put("/v1/workspace", json={"workspace": "other"})).status_code == 422


async def test_backtests(api: httpx.AsyncClient, context: AppContext) -> None:
    """404, 409 and 422 say what is wrong; one that takes too long says so, and what to do."""
    await Installation(context.database).publish(ORIGINAL, ABANDONED)

    async def ask(campaign: str, since: str) -> httpx.Response:
        return await api.post(f"/v1/campaigns/{campaign}/backtest", json={"since": since})

    assert (await ask("f", "30 days")).json()["triggered"] == 0
    assert [(await ask(campaign, "30 days")).status_code for campaign in ("nobody", "o")] == [404, 409]
    for since in ("soon", "2026-03-02T00:00:00", "2999-01-01T00:00:00Z", "0 seconds"):
        refused = await ask("f", since)
        assert (refused.status_code, refused.json()["error"]["details"]["faults"][0]["key"]) == (422, "since")
    await Installation(context.database).ingest(push("p", 1, "ann"))
    catalogue = await context.cache.at_least(context.database)
    async with context.database.read(context.workspace) as tx:
        now = await database_now(tx)
        with pytest.raises(BacktestTooLong, match="0 of 1 users were evaluated; begin it later"):
            await backtest(tx, catalogue, "f", since=now - timedelta(days=36500), until=now, ends=0.0)


PLAYED = {
    "definitions": [ORIGINAL, ABANDONED],
    "timeline": [
        {"at": "2026-03-02T09:00:00Z", "user": {"id": "ann", "push_tokens": ["p"]}},
        {"at": "2026-03-02T09:00:00Z", "publish": ["o", "f"]},
        {"at": "2026-03-02T10:00:00Z", "interaction": push("p", 1, "ann")},
    ],
}


async def test_simulations(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcomes of `simulate --json`; a wrong line, a refused step and what takes too long say so."""
    shown = (await api.post("/v1/simulate", json=PLAYED)).json()
    assert [(one["campaign"], one["user"]) for one in shown["outcomes"]] == [("f", "ann")]
    assert (shown["failure"], await ids(api)) == (None, [])
    text = "- {at: 2026-03-02T09:00:00Z, publish: f}\n- {at: 2026-03-02T09:00:00Z, stop: nobody}\n"
    shown = (await api.post("/v1/simulate", json={**PLAYED, "timeline": text})).json()
    assert ("nobody is not known" in shown["failure"], "/" in shown["failure"]) == (True, False)
    wrong = await api.post("/v1/simulate", json={**PLAYED, "timeline": '{"at": "noon", "publish": "f"}'})
    assert wrong.json()["error"]["details"]["faults"][0]["problem"].startswith("timeline.jsonl: line 1: ")
    monkeypatch.setattr(simulation, "MAX_OUTCOMES", 0)
    large = await api.post("/v1/simulate", json=PLAYED)
    assert (large.status_code, "more than 0 outcomes" in large.json()["error"]["message"]) == (409, True)
    monkeypatch.setattr(simulation, "_MAX_RUNNING", 0)
    busy = await api.post("/v1/simulate", json=PLAYED)
    assert (busy.status_code, busy.json()["error"]["code"]) == (503, "overloaded")


async def test_nobody_overwrites_what_another_has_saved(api: httpx.AsyncClient) -> None:
    """With the revision that a caller began from: 409, and nothing is saved; without it the newest edit wins."""
    base = {"base": 0}
    assert (await api.put("/v1/campaigns/o", json=ORIGINAL, params=base)).json()["revision"] == 1
    edited = {**ORIGINAL, "name": "Another"}
    refused = await api.put("/v1/campaigns/o", json=edited, params=base)
    assert (refused.status_code, "exists already" in refused.text) == (409, True)
    body = {"definitions": [edited, {**ORIGINAL, "campaign": "p"}]}
    assert (await api.post("/v1/apply", json={**body, "bases": {}})).status_code == 409
    assert await ids(api) == ["o"]
    assert (await api.post("/v1/apply", json={**body, "bases": {"o": 1}})).status_code == 200
    refused = await api.put("/v1/campaigns/o", json={**edited, "name": "Third"}, params={"base": 1})
    assert "newest revision is 2, yours began from 1" in refused.text
    assert (await api.put("/v1/campaigns/o", json={**edited, "name": "Third"})).json()["revision"] == 3
    for wrong in ({"base": -1}, {"base": 2**31}):
        assert (await api.put("/v1/campaigns/o", json=edited, params=wrong)).status_code == 422


async def test_an_order_of_very_many_unknown_ids(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every id is named once, the nearest known one for the first ten; no work for each id is about all of them."""
    await api.put("/v1/campaigns/spring-1", json={**ORIGINAL, "campaign": "spring-1"})
    digest, computed = Order.digest, list[Order]()

    def count(order: Order) -> str:
        computed.append(order)
        return str(digest.fget(order))  # type: ignore[attr-defined]

    monkeypatch.setattr(Order, "digest", property(count))
    wanted = [f"spring-1{number:04}" for number in range(2_000)]
    refused = await api.post("/v1/orders", json={"verb": "stop", "ids": [*wanted, *wanted]})
    problems = refused.json()["error"]["details"]["problems"]
    assert (refused.status_code, len(problems), len(computed)) == (409, 2_000, 1)
    assert problems[9] == "spring-10009 is not known; did you mean spring-1?"
    assert problems[10] == "spring-10010 is not known; apply its definition first"
    [entry] = (await api.get("/v1/audit", params={"action": "stop", "limit": 1000})).json()["entries"]
    assert (entry["subject"], entry["outcome"], entry["details"]["ids"]) == (None, "refused", 2_000)
    assert (entry["details"]["first_ids"], entry["details"]["problems"]) == (wanted[:5], problems[:5])
