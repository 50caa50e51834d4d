"""`/v1/follow-ups/…/resolve` and `resend`, and actions on many: the answers of each, and what they refuse."""

from typing import Any

import httpx
import pytest

from connector.app.context import AppContext
from connector.channels.protocol import OutcomeUnknown
from connector.names import follow_up_id
from tests.support.builders import ABANDONED, buy, push
from tests.support.installation import Installation
from tests.support.repair_desk import RepairDesk

URL = "/v1/follow-ups"


@pytest.fixture
async def desk(context: AppContext) -> RepairDesk:
    """One follow-up whose push may have gone out, and two that wait."""
    desk = RepairDesk(Installation(context.database))
    await desk.open(ABANDONED)
    await desk.attempt("push", OutcomeUnknown("timeout"))
    await desk.installation.ingest(push("e2", 1, "v"), push("e3", 2, "w"))
    return desk


async def test_settle_and_send_again(desk: RepairDesk, api: httpx.AsyncClient) -> None:
    """Guarantee 4: 409 while it is unknown; settled as not sent it is sent again; repeated, nothing changes."""
    id = (await desk.row()).id
    refused = await api.post(f"{URL}/{id}/resend")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "refused")
    asked = {"sent": False, "note": "they have no such message"}
    settled = [(await api.post(f"{URL}/{id}/resolve", json=asked)).json() for _ in range(2)]
    expected = {"id": id, "channel": "push", "state": "failed", "reason": "send_failed"}
    assert settled == [{**expected, "changed": True}, {**expected, "changed": False}]
    assert (await api.post(f"{URL}/{id}/resolve", json={**asked, "sent": True})).status_code == 409
    answers = [(await api.post(f"{URL}/{id}/resend", json={"dry_run": one})).json() for one in (True, False, False)]
    assert [one["outcome"] for one in answers] == ["resent", "resent", "unchanged"]
    assert [one["dry_run"] for one in answers] == [True, False, False]
    listed = (await api.get(URL, params={"user": "u"})).json()["follow_ups"]
    assert (listed[0]["state"], listed[0]["workflow_id"].endswith(f"/{id}.2")) == ("waiting", True)


async def test_many_page_by_page(desk: RepairDesk, api: httpx.AsyncClient) -> None:
    """Each request is a page; the cursor belongs to its action; a dry run changes nothing."""
    asked = {"campaign": "f", "limit": 1}
    pages = [(await api.post(f"{URL}/cancel", json={**asked, "dry_run": True})).json()]
    while pages[-1]["has_more"]:
        pages.append((await api.post(f"{URL}/cancel", json={**asked, "after": pages[-1]["next"]})).json())
    assert [len(page["done"]) for page in pages] == [1, 1]
    moved = await api.post(f"{URL}/postpone", json={**asked, "by": "2 hours", "after": pages[0]["next"]})
    assert (moved.status_code, "cursor" in moved.json()["error"]["message"]) == (422, True)
    again = (await api.post(f"{URL}/cancel", json={"campaign": "f"})).json()
    assert (len(again["done"]), again["has_more"]) == (1, False)
    assert (await api.post(f"{URL}/resend", json={"campaign": "f"})).json()["done"] == []


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("nobody/resolve", {"sent": True, "note": "n"}, 404, "no follow-up 'nobody'"),
        ("nobody/resend", {}, 404, "no follow-up 'nobody'"),
        ("nobody/send-now", {}, 404, "no follow-up 'nobody'"),
        ("nobody/cancel", {"note": "n"}, 404, "no follow-up 'nobody'"),
        ("nobody/postpone", {"by": "2 hours"}, 404, "no follow-up 'nobody'"),
        ("nobody/postpone", {}, 422, "either until or by"),
        ("nobody/postpone", {"by": "2 hours", "until": "2027-01-01T00:00:00Z"}, 422, "either until or by"),
        ("nobody/postpone", {"by": "soon"}, 422, "by"),
        ("nobody/send-now", {"reason": "r"}, 422, "reason"),
        ("nobody/cancel", {"note": "x" * 201}, 422, "note"),
        ("nobody/resolve", {"sent": True}, 422, "note"),
        ("nobody/resolve", {"sent": "yes", "note": "n"}, 422, "sent"),
        ("cancel", {}, 422, "name the campaign or the user"),
        ("cancel", {"campaign": "f", "stat": "held"}, 422, "stat"),
        ("send-now", {"campaign": "f", "state": "failed"}, 422, "has ended"),
        ("postpone", {"campaign": "f"}, 422, "either until or by"),
        ("postpone", {"campaign": "f", "until": "2026-01-01T00:00:00Z"}, 422, "has passed"),
        ("resend", {"campaign": "f", "state": "waiting"}, 422, "only what failed"),
        ("resend", {"campaign": "f", "limit": 501}, 422, "limit"),
        ("resolve", {"campaign": "f", "note": "n"}, 422, "sent"),
        ("resolve", {"campaign": "f", "sent": None, "note": "n"}, 422, "sent"),
        ("resolve", {"campaign": "f", "sent": True}, 422, "note"),
        ("resolve", {"sent": True, "note": "n"}, 422, "name the campaign or the user"),
        ("resolve", {"campaign": "f", "sent": True, "note": "n", "state": "sent"}, 422, "only what failed"),
        ("resolve", {"campaign": "f", "sent": True, "note": "n", "limit": 501}, 422, "limit"),
    ],
)
async def test_refused_requests(api: httpx.AsyncClient, path: str, body: Any, status: int, words: str) -> None:
    """The status, and a sentence that names what is wrong."""
    answer = await api.post(f"{URL}/{path}", json=body)
    assert (answer.status_code, words in answer.json()["error"]["message"]) == (status, True), answer.text


async def test_many_are_settled(desk: RepairDesk, api: httpx.AsyncClient) -> None:
    """The response has the form of the other bulk actions; follow-ups that wait are left alone."""
    id = (await desk.row()).id
    asked = {"campaign": "f", "sent": True, "note": "all of them are in the provider's log"}
    answers = [
        (await api.post(f"{URL}/resolve", json={**asked, "dry_run": one})).json() for one in (True, False, False)
    ]
    assert [(one["done"], one["dry_run"], one["has_more"]) for one in answers] == [
        ([id], True, False), ([id], False, False), ([], False, False),
    ]  # fmt: skip
    again = (await api.post(f"{URL}/resolve", json={"ids": [id], "sent": True, "note": "n"})).json()
    assert again["unchanged"] == [id]


async def test_acts_on_one_say_what_is_wrong(desk: RepairDesk, api: httpx.AsyncClient) -> None:
    """Without Temporal they can be repeated; the id of the workflow names one too; what has ended is refused."""
    waiting = await desk.row(1)
    workflow = follow_up_id("default", waiting.campaign, waiting.user_key, waiting.id).replace("/", "%2F")
    for id in (waiting.id, workflow):
        away = await api.post(f"{URL}/{id}/cancel")
        assert (away.status_code, away.json()["error"]["code"]) == (503, "temporal_unavailable")
        assert away.headers["Retry-After"]
    await desk.installation.ingest(buy("b2", 3, "v"))
    for act, body in (("send-now", {}), ("postpone", {"by": "1 hour"}), ("cancel", {})):
        ended = await api.post(f"{URL}/{waiting.id}/{act}", json=body)
        assert (ended.status_code, ended.json()["error"]["message"]) == (409, "it has ended: excepted (exception)")


async def test_acts_on_chosen_ones(desk: RepairDesk, api: httpx.AsyncClient) -> None:
    """A page of ids needs no filter; the same ids again change nothing."""
    ids = [(await desk.row(place)).id for place in (1, 2)]
    answers = [(await api.post(f"{URL}/cancel", json={"ids": ids, "dry_run": one})).json() for one in (True, False)]
    assert [answer["done"] for answer in answers] == [ids, ids]
    assert (await api.post(f"{URL}/cancel", json={"ids": []})).status_code == 422
    assert (await api.post(f"{URL}/cancel", json={"ids": ["x"] * 501})).status_code == 422
