"""`GET /v1/users/{id}/explain`: every decision in order, and why nothing happened."""

from typing import Any

import httpx
import pytest

from connector.app.context import AppContext
from connector.rules.model.users import User
from connector.store.reporting.counts import count_template_faults
from starter.explain.explanation import Explanation, render_text
from tests.support.builders import ABANDONED, ALIAS, ORIGINAL, PUSHED, at, buy, follow_on, opened, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.send_harness import SendHarness

URL = "/v1/users/u/explain"
DRAFT = follow_on("draft", PUSHED)


@pytest.fixture
async def installation(context: AppContext) -> Installation:
    """Anna's wait was called off, and she waits again; `alias` never heard of her."""
    installation = Installation(context.database)
    await installation.publish(ORIGINAL, ABANDONED, ALIAS)
    await installation.ingest(push("p1", 1), opened("o1", 2), push("p2", 3), push("p3", 4))
    return installation


async def _explained(api: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await api.get(URL, params=asked)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def _utc(minutes: float) -> str:
    return at(minutes).replace("+00:00", "Z")


async def test_every_decision_in_order(installation: Installation, api: httpx.AsyncClient) -> None:
    """Guarantee 7: what came in, what came of it, and what was looked at, oldest event first."""
    told = await _explained(api)
    (story,) = told["campaigns"]
    assert (told["user"], told["is_cut"], story["campaign"], story["state"]) == ("u", False, "f", "active")
    assert [(c["interaction"]["id"], c["state"], c["reason"]) for c in story["chapters"]] == [
        ("p1", "excepted", "exception"),
        ("p2", "waiting", None),
        ("p3", "refused", "already_waiting"),
    ]
    off, waits, refused = story["chapters"]
    assert off["interaction"] == {
        "id": "p1",
        "type": "receive_push",
        "campaign": "o",
        "card": None,
        "properties": {},
        "happened_at": _utc(1),
        "arrived_at": off["interaction"]["arrived_at"],
    }
    assert off["looked_at"][0]["name"] == "exception"
    assert off["looked_at"][0]["words"] == f"open_push of the campaign o (o1) at {_utc(2)}, 0:01:00 after the trigger"
    assert (waits["due_at"], waits["next_at"], waits["decided_at"]) == (_utc(12 * 60 + 3), _utc(12 * 60 + 3), None)
    assert refused["words"] == "a follow-up of the campaign was open for the user already"
    assert {fact["name"]: fact["value"] for fact in refused["looked_at"]} == {
        "standing": waits["follow_up"],
        "due_at": waits["due_at"],
        "retrigger": "ignore",
    }
    assert (refused["follow_up"], refused["due_at"], refused["messages"]) == (None, None, [])


async def test_live_follow_ons_that_heard_nothing(installation: Installation, api: httpx.AsyncClient) -> None:
    """A live follow-on of a target that the user interacted with: the nearest interaction, and why it did not count."""
    await installation.ingest({**opened("c1", 5), "type": "click_email", "properties": {"url": "https://x.example"}})
    (nothing,) = (await _explained(api))["nothing_happened"]
    assert (nothing["campaign"], nothing["shortfall"], nothing["wanted"], nothing["had"]) == (
        "alias",
        "alias",
        "main",
        None,
    )
    assert nothing["nearest"]["id"] == "c1"
    assert nothing["words"] == "it came without alias, and the trigger requires alias main"


async def test_one_campaign(installation: Installation, api: httpx.AsyncClient) -> None:
    """Of the one that was asked for; a follow-on that decided nothing, an original and a card say why not."""
    await installation.publish({"card": "banner", "title": "t", "body": "b"})
    told = await _explained(api, campaign="f")
    assert ([s["campaign"] for s in told["campaigns"]], told["nothing_happened"]) == (["f"], [])
    for name, words in (("alias", "it was receive_push"), ("o", "has no trigger"), ("banner", "is a card")):
        told = await _explained(api, campaign=name)
        (nothing,) = told["nothing_happened"]
        assert told["campaigns"] == []
        assert (nothing["campaign"], words in nothing["words"]) == (name, True)


async def test_a_draft_is_told_when_asked_for(
    installation: Installation, api: httpx.AsyncClient, context: AppContext
) -> None:
    """P2: the interaction would have triggered it, had it been published."""
    await api.put("/v1/campaigns/draft", json=DRAFT)
    assert [n["campaign"] for n in (await _explained(api))["nothing_happened"]] == ["alias"]
    (nothing,) = (await _explained(api, campaign="draft"))["nothing_happened"]
    assert (nothing["state"], nothing["shortfall"], nothing["nearest"]["id"]) == ("draft", "draft", "p3")


async def test_messages_and_what_dropped_them(context: AppContext, api: httpx.AsyncClient) -> None:
    """Each channel's message with its own reason and facts; the follow-up's reason is told with its facts too."""
    installation = Installation(context.database)
    harness = SendHarness(installation, FakeChannel())
    await harness.save_user(User(id="u", push_tokens=("t",), consent={"email": "unsubscribed"}, email="u@example.com"))
    both = {"push": {"title": "t", "body": "b"}, "email": {"subject": "s", "text": "t"}}
    caps = [{"channel": "push", "at_most": 1, "per": "week"}]
    settings = {"workspace": "default", "frequency_caps": caps}
    await installation.publish(settings, ORIGINAL, follow_on("f", PUSHED, eligible_again="always", messages=both))
    for name, minutes in (("p1", 0), ("p2", 10)):
        await installation.ingest(push(name, minutes))
        await harness.send(minutes=minutes + 1, channel="push")
        await harness.send(minutes=minutes + 1, channel="email")
    sent, capped = (await _explained(api))["campaigns"][0]["chapters"]
    assert (sent["state"], sent["reason"], sent["words"], sent["looked_at"]) == ("sent", None, "sent", [])
    assert [(m["channel"], m["state"], m["reason"]) for m in sent["messages"]] == [
        ("email", "dropped", "no_consent"),
        ("push", "sent", None),
    ]
    assert sent["messages"][0]["looked_at"][0]["value"] == {"email": "unsubscribed"}
    assert sent["messages"][1]["claimed_at"] == _utc(1)
    assert (capped["state"], capped["reason"]) == ("dropped", "frequency_capped")
    assert capped["looked_at"][0]["value"] == {"cap": "at most 1 push in 7 days", "sent": [f"push at {_utc(1)}"]}


async def test_template_that_failed(context: AppContext, api: httpx.AsyncClient) -> None:
    """W7: channel, field, line and error are shown as JSON, as text, and counted by `status`."""
    installation = Installation(context.database)
    harness = SendHarness(installation, FakeChannel())
    await harness.save_user()
    text = {"push": {"title": "a", "body": "Hi\n{{ 1 | divided_by: user.zero }}"}}
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, messages=text))
    await installation.ingest(push("p1", 0))
    await harness.send(minutes=1)
    explained = await _explained(api)
    (chapter,) = explained["campaigns"][0]["chapters"]
    problem = "push.body, line 2: divided_by: can't divide by 0"
    assert (chapter["state"], chapter["reason"]) == ("dropped", "template_failed")
    assert [(fact["name"], fact["value"]) for fact in chapter["looked_at"]] == [
        ("fault", "template_fault"),
        ("detail", problem),
    ]
    assert [(m["fault"], m["detail"]) for m in chapter["messages"]] == [("template_fault", problem)]
    assert f"      {problem}" in render_text(Explanation.model_validate(explained))
    async with context.database.read("default") as tx:
        assert await count_template_faults(tx, "f") == [(problem, 1)]


async def test_a_receipt_that_is_known(context: AppContext, api: httpx.AsyncClient) -> None:
    """T1: when the user received it, and from when again; a late exception is told with what it was too late for."""
    installation = Installation(context.database)
    harness = SendHarness(installation, FakeChannel())
    await harness.save_user()
    delayed = follow_on(
        "f",
        PUSHED,
        delay={"after": "5 minutes"},
        exceptions=[{"event": "make_purchase"}],
        eligible_again={"after": "1 day"},
    )
    await installation.publish(ORIGINAL, delayed)
    await installation.ingest(push("p1", 0))
    await harness.send(minutes=5)
    await installation.ingest(buy("late", 3), push("p2", 20))
    sent, late, again = (await _explained(api))["campaigns"][0]["chapters"]
    assert (sent["state"], sent["decided_at"]) == ("sent", _utc(5))
    assert (late["interaction"]["id"], late["state"], late["reason"]) == ("late", "noted", "late_exception")
    assert [late["looked_at"][place]["value"] for place in (0, -1)] == [_utc(5), "late"]
    [noted] = (await api.get("/v1/follow-ups", params={"state": "noted"})).json()["follow_ups"]
    assert (noted["trigger"], noted["exception"], noted["reason"]) == ("p1", "late", "late_exception")
    assert (noted["triggered_at"], noted["due_at"]) == (sent["interaction"]["happened_at"], _utc(5))
    assert again["reason"] == "not_eligible_again"
    facts = {fact["name"]: fact["value"] for fact in again["looked_at"]}
    assert facts == {"received_at": _utc(5), "eligible_again": "after 1 day", "again_from": _utc(5 + 24 * 60)}


async def test_what_happened_before_the_publication(context: AppContext, api: httpx.AsyncClient) -> None:
    """P2, worked case 1: both times are told."""
    installation = Installation(context.database)
    await installation.publish(ORIGINAL)
    await installation.publish(follow_on("f", PUSHED), since=None)
    await installation.ingest(push("p1", 1))
    (chapter,) = (await _explained(api))["campaigns"][0]["chapters"]
    assert (chapter["state"], chapter["reason"]) == ("refused", "before_publish")
    facts = {fact["name"]: fact["value"] for fact in chapter["looked_at"]}
    assert facts["happened_at"] == _utc(1)
    assert facts["first_published_at"] > facts["happened_at"]


async def test_who_is_not_known(installation: Installation, api: httpx.AsyncClient) -> None:
    """404 for a user or campaign that is not known, with a near match; 410 for a user who was erased."""
    for url, asked, status, words in (
        ("/v1/users/nobody/explain", {}, 404, "the user nobody is not known"),
        (URL, {"campaign": "alia"}, 404, "did you mean alias?"),
        (URL, {"campaign": "else"}, 404, "apply its definition first"),
    ):
        answer = await api.get(url, params=asked)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, "not_found")
        assert words in answer.json()["error"]["message"]
    await api.delete("/v1/users/u")
    answer = await api.get(URL)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "erased")
    assert "u was erased" in answer.json()["error"]["message"]


async def test_the_answer_is_described(api: httpx.AsyncClient) -> None:
    """OpenAPI knows the answer's keys."""
    document = (await api.get("/openapi.json")).json()
    answer = document["paths"]["/v1/users/{id}/explain"]["get"]["responses"]["200"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Explanation"}
    assert {"CampaignExplanation", "Decision", "InteractionView", "DeliveryView", "Evidence", "NoDecision"} <= set(
        document["components"]["schemas"]
    )
