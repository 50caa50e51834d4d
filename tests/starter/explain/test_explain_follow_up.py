"""One follow-up by its id, or by the id of its workflow in Temporal: at the command line and over HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import update

from connector.app.context import AppContext
from connector.names import parse_follow_up_id
from connector.store.erasure import erase_user
from connector.store.tables import follow_ups
from starter.explain.explain import explain_user
from tests.support.api import Connector
from tests.support.builders import ABANDONED, BASE, ORIGINAL, buy, push
from tests.support.installation import Installation

URL = "/v1/follow-ups"


@pytest.fixture
async def shown(context: AppContext, api: httpx.AsyncClient) -> dict[str, Any]:
    """Ben's follow-up, which a purchase cancelled, as a list shows it."""
    installation = Installation(context.database)
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("p-ann", 1, "ann"), push("p-ben", 2, "ben"), buy("b-ben", 3, "ben"))
    [ben] = (await api.get(URL, params={"user": "ben"})).json()["follow_ups"]
    return dict(ben)


async def _read(api: httpx.AsyncClient, id: str) -> httpx.Response:
    return await api.get(f"{URL}/{quote(id, safe='')}")


async def test_by_id_and_by_workflow(shown: dict[str, Any], api: httpx.AsyncClient, context: AppContext) -> None:
    """Either id shows the follow-up as lists do, with the same decision as the explanation of its user."""
    by_id, by_workflow = [(await _read(api, shown[name])).json() for name in ("id", "workflow_id")]
    assert by_id == by_workflow
    [chapter] = (await explain_user(context, "ben")).campaigns[0].chapters
    assert by_id == {**shown, "decision": chapter.model_dump(mode="json"), "texts": []}
    assert chapter.workflow_id == shown["workflow_id"]
    assert chapter.reason == "exception"


async def test_a_user_by_key(shown: dict[str, Any], api: httpx.AsyncClient) -> None:
    """The key that Temporal shows leads to the user, and the explanation of a user has the key."""
    by_id, by_key = [(await api.get(f"/v1/users/{id}/explain")).json() for id in ("ben", shown["user_key"])]
    assert by_id["user_key"] == shown["user_key"]
    assert {**by_id, "as_of": ""} == {**by_key, "as_of": ""}


async def test_the_command_says_the_same(
    shown: dict[str, Any], api: httpx.AsyncClient, connector: Connector, data: Path
) -> None:
    """In words: whose it is, its workflow, its end and the evidence; as JSON, what the API answers."""
    words = ("explain", "--follow-up", shown["workflow_id"])
    code, out, err = await asyncio.to_thread(connector, *words)
    first, *rest = out.splitlines()
    assert (code, err) == (0, "")
    assert first == f"follow-up {shown['id']} of f for ben, user key {shown['user_key']}"
    assert f"    workflow {shown['workflow_id']}" in rest
    assert any("cancelled at" in line for line in rest)
    _, out, _ = await asyncio.to_thread(connector, *words, "--json")
    assert json.loads(out) == (await _read(api, shown["id"])).json()


async def test_of_an_erased_user(
    shown: dict[str, Any], api: httpx.AsyncClient, context: AppContext, connector: Connector, data: Path
) -> None:
    """State, reason and times are left; the old id leads on to the follow-ups of the user key, and names no user."""
    async with context.database.write(context.workspace) as tx:
        await tx.execute(update(follow_ups).values(started_at=BASE, signalled_at=BASE))  # Temporal knows the end
        await erase_user(tx, "ben", BASE)
    old = await _read(api, shown["workflow_id"])
    assert old.status_code == 404
    assert f"connector follow-ups --user {shown['user_key']}" in old.json()["error"]["message"]
    [left] = (await api.get(URL, params={"user": shown["user_key"]})).json()["follow_ups"]
    found = (await _read(api, left["id"])).json()
    assert (found["user"], found["decision"], found["state"]) == (None, None, "excepted")
    code, out, _ = await asyncio.to_thread(connector, "explain", "--follow-up", left["id"])
    assert (code, "a user who was erased" in out, "ben" in out) == (0, True, False)
    assert (await api.get(f"/v1/users/{shown['user_key']}/explain")).status_code == 410


@pytest.mark.parametrize(
    ("id", "message"),
    [
        ("nothing", "there is no follow-up nothing; `connector follow-ups` lists them"),
        ("follow-up/default/f/k/nothing", "`connector follow-ups --user k`"),
        ("follow-up/shop/f/k/x", "that workflow is of the workspace shop, and this is default"),
        ("registry/default", "there is no follow-up registry/default"),
    ],
)
async def test_unknown(api: httpx.AsyncClient, id: str, message: str) -> None:
    """404 says where the ids are."""
    answer = await _read(api, id)
    assert answer.status_code == 404
    assert message in answer.json()["error"]["message"]


@pytest.mark.store_only("it calls no operation")
@pytest.mark.parametrize("words", [[], ["u", "--follow-up", "x"], ["--follow-up", "x", "--campaign", "f"]])
def test_wrong_words(connector: Connector, words: list[str]) -> None:
    """A user or a follow-up, not both."""
    assert connector("explain", *words)[0] == 2


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("follow-up/default/cart/k/f1", ("default", "f1")),
        ("follow-up/default/a/b/k/f1", ("default", "f1")),
        ("follow-up/default/cart/k/f1.2", ("default", "f1")),  # sent again
        ("f1", (None, "f1")),
        ("launch/default/cart/l", (None, "launch/default/cart/l")),
        ("follow-up/f1", (None, "follow-up/f1")),
    ],
)
def test_a_workflow_id_is_taken_apart(text: str, parsed: tuple[str | None, str]) -> None:
    """Ids of campaigns may have slashes; a follow-up's own id has none."""
    assert parse_follow_up_id(text) == parsed


async def test_the_note_of_an_operator_is_shown(
    shown: dict[str, Any], api: httpx.AsyncClient, connector: Connector, data: Path
) -> None:
    """Why one was postponed and cancelled stands with its decision, without who did it; of another user's, nothing."""
    asked = {"campaign": shown["campaign"], "note": "the shop is down"}
    assert (await api.post(f"{URL}/postpone", json={**asked, "by": "2 hours"})).json()["done"]
    assert (await api.post(f"{URL}/cancel", json={**asked, "note": "wrong price"})).json()["done"]
    [ann] = (await api.get(URL, params={"user": "ann"})).json()["follow_ups"]
    decision = (await _read(api, ann["id"])).json()["decision"]
    notes = [one for one in decision["looked_at"] if one["name"] == "operator_note"]
    assert [one["value"] for one in notes] == ["the shop is down", "wrong price"]
    assert notes[1]["words"].startswith("an operator cancelled it at 2")
    assert "env-1" not in json.dumps(decision)
    code, out, _ = await asyncio.to_thread(connector, "explain", "ann")
    assert (code, "with the note: wrong price" in out) == (0, True)
    assert "operator" not in (await _read(api, shown["id"])).text
