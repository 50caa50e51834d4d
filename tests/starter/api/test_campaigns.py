"""`/v1/campaigns/{id}`: drafts from JSON, and orders where nobody can carry them out."""

from typing import Any

import httpx
import pytest

from connector.app.context import AppContext
from tests.support.builders import ABANDONED, ORIGINAL
from tests.support.installation import Installation

URL = f"/v1/campaigns/{ABANDONED['campaign']}"


async def test_put_saves_a_draft(api: httpx.AsyncClient) -> None:
    """P10: a new draft, an edited one, an unchanged one; and GET gives it back as it was written."""
    first = (await api.put(URL, json=ABANDONED)).json()
    again = (await api.put(URL, json=ABANDONED)).json()
    edited = (await api.put(URL, json={**ABANDONED, "name": "Renamed"})).json()
    assert [(saved["change"], saved["revision"]) for saved in (first, again, edited)] == [
        ("new", 1),
        ("unchanged", 1),
        ("edited", 2),
    ]
    campaign = (await api.get(URL)).json()
    assert (campaign["state"], campaign["newest_revision"], campaign["live_revision"]) == ("draft", 2, None)
    assert campaign["definition"] == {**ABANDONED, "name": "Renamed"}


async def test_what_publishing_will_be_refused_for(api: httpx.AsyncClient) -> None:
    """P7: saved all the same, with a warning; nothing is said once it is mended."""
    await api.put("/v1/campaigns/o", json=ORIGINAL)
    wrong = {**ABANDONED, "delivery": {**ABANDONED["delivery"], "eligible_again": {"after": "721 days"}}}
    saved = (await api.put(URL, json=wrong)).json()
    assert saved["change"] == "new"
    refused = "publishing f will be refused: delivery.eligible_again: its `eligible_again` is longer than 720 days"
    assert [note for note in saved["warnings"] if "refused" in note] == [
        f"{refused}, the limit; shorten it, or write never"
    ]
    mended = (await api.put(URL, json=ABANDONED)).json()["warnings"]
    assert [note for note in mended if "refused" in note] == []


async def test_a_draft_beside_what_is_live(api: httpx.AsyncClient, context: AppContext) -> None:
    """P10: saving changes nothing of what is live, and GET tells the two apart."""
    await Installation(context.database).publish(ORIGINAL, ABANDONED)
    await api.put(URL, json={**ABANDONED, "name": "Renamed"})
    campaign = (await api.get(URL)).json()
    assert (campaign["state"], campaign["newest_revision"], campaign["live_revision"]) == ("active", 2, 1)
    assert campaign["effective_at"].endswith("Z")
    assert [window["closed_at"] for window in campaign["windows"]] == [None]


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"dleivery": {}}, "dleivery"),
        ({"control_group": 101}, "control_group"),
        ({"messages": {"push": {"title": "{{ usr.name }}", "body": "b"}}}, "messages.push.title"),
    ],
)
async def test_faults_are_listed(api: httpx.AsyncClient, change: dict[str, Any], key: str) -> None:
    """422 names every key that is wrong, templates included, and nothing is saved."""
    answer = await api.put(URL, json={**ABANDONED, **change})
    assert answer.status_code == 422
    assert key in [fault["key"] for fault in answer.json()["error"]["details"]["faults"]]
    assert (await api.get(URL)).status_code == 404


@pytest.mark.parametrize("text", ["x" * 5_000_000, "{{ user.first_name }}" * 250_000, "{% if a %}" * 500_000])
async def test_a_template_of_5_mb_is_refused(api: httpx.AsyncClient, text: str) -> None:
    """Bad input: 422 that names the key and the most that it takes, without quoting the template; nothing is saved."""
    answer = await api.put(URL, json={**ABANDONED, "messages": {"email": {"subject": "Hi", "html": text}}})
    assert answer.status_code == 422
    [fault] = answer.json()["error"]["details"]["faults"]
    assert fault["key"] == "messages.email.html"
    assert "1000000" in answer.text
    assert len(answer.content) < 1000
    assert (await api.get(URL)).status_code == 404


async def test_the_body_may_leave_its_id_out_but_not_have_another(api: httpx.AsyncClient) -> None:
    """The path names the campaign."""
    without = {name: value for name, value in ABANDONED.items() if name != "campaign"}
    assert (await api.put(URL, json=without)).json()["id"] == ABANDONED["campaign"]
    assert (await api.put("/v1/campaigns/another", json=ABANDONED)).status_code == 422


async def test_a_card_has_its_own_kind(api: httpx.AsyncClient) -> None:
    """M5: cards share the ids; what is a card stays one."""
    card = {"card": "spring", "title": "Spring", "body": "Now"}
    assert (await api.put("/v1/campaigns/spring", json=card)).json()["change"] == "new"
    assert (await api.get("/v1/campaigns/spring")).json()["kind"] == "card"
    refused = await api.put("/v1/campaigns/spring", json={**ORIGINAL, "campaign": "spring"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "refused")
    assert "card already" in refused.json()["error"]["details"]["problems"][0]


@pytest.mark.parametrize("verb", ["publish", "stop", "resume", "archive"])
async def test_an_order_for_what_is_unknown(api: httpx.AsyncClient, verb: str) -> None:
    """404, before anybody is asked."""
    assert (await api.post(f"/v1/campaigns/nobody/{verb}")).status_code == 404


@pytest.mark.parametrize(
    ("verb", "options"),
    [("publish", {"with_follow_on": True}), ("publish", {"allow_missed": "yes"}), ("stop", {"with_follow_ons": True})],
)
async def test_options_that_an_order_does_not_have(api: httpx.AsyncClient, verb: str, options: dict[str, Any]) -> None:
    """A misspelt option must not publish less, or more, than was meant."""
    await api.put(URL, json=ABANDONED)
    answer = await api.post(f"{URL}/{verb}", json=options)
    assert answer.status_code == 422
    assert [fault["key"] for fault in answer.json()["error"]["details"]["faults"]] == list(options)


async def test_an_order_with_temporal_away(api: httpx.AsyncClient) -> None:
    """503 with words and a time to try again; nothing was changed."""
    await api.put(URL, json=ABANDONED)
    answer = await api.post(f"{URL}/publish")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "temporal_unavailable")
    assert answer.headers["Retry-After"].isdigit()
    assert (await api.get(URL)).json()["state"] == "draft"
