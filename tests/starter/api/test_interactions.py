"""`POST /v1/interactions`: a result an item, bounds, and what happens while a part is away."""

from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from connector.app.context import AppContext, build_context
from connector.ingest.batches import MAX_ITEMS
from connector.rules.model.campaigns import parse_definition
from connector.settings.application import Settings
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import Database, database_now
from connector.store.tables import follow_ups, interactions
from starter.api.requests.body import MAX_BODY_BYTES
from tests.support.api import open_client
from tests.support.builders import ABANDONED, ORIGINAL, PUSHED, at, follow_on, push
from tests.support.installation import Installation

URL = "/v1/interactions"


async def count(context: AppContext, table: Any) -> int:
    """How many rows a table has."""
    async with context.database.read(context.workspace) as tx:
        return int((await tx.execute(select(func.count()).select_from(table))).scalar_one())


@pytest.fixture(autouse=True)
async def _original(context: AppContext) -> None:
    """The campaign that the interactions are with, as a draft."""
    async with context.database.write("default") as tx:
        await save_drafts(tx, [parse_definition(ORIGINAL)], await database_now(tx))


async def test_each_item_is_judged_on_its_own(api: httpx.AsyncClient, context: AppContext) -> None:
    """One bad item stops no other; its result says what was wrong with which field."""
    naive = {**push("bad", 1), "occurred_at": "2026-03-02T12:00:00"}
    answer = await api.post(URL, json={"interactions": [push("a", 1), naive, 5, push("a", 1), push("b", 2)]})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [(r["id"], r["status"]) for r in results] == [
        ("a", "accepted"),
        ("bad", "invalid"),
        (None, "invalid"),
        ("a", "duplicate"),
        ("b", "accepted"),
    ]
    assert "needs a time zone, like" in results[1]["fault"]
    assert [("fault" in r) for r in results] == [False, True, True, False, False]
    assert await count(context, interactions) == 2


async def test_a_repeated_request_changes_nothing(api: httpx.AsyncClient, context: AppContext) -> None:
    """M6: what was accepted once is a duplicate for ever after."""
    body = {"interactions": [push("a", 1), push("b", 2)]}
    await api.post(URL, json=body)
    again = (await api.post(URL, json=body)).json()["results"]
    assert [result["status"] for result in again] == ["duplicate", "duplicate"]
    assert await count(context, interactions) == 2


@pytest.mark.parametrize(
    "occurred_at",
    ["2026-03-02T12:00:00", "yesterday", 1764000000, "", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"],
)
async def test_a_time_that_cannot_be_is_one_items_fault(api: httpx.AsyncClient, occurred_at: Any) -> None:
    """A time without a zone, of no form or beyond the calendar is invalid, and the rest of the batch is taken."""
    body = {"interactions": [{**push("bad", 1), "occurred_at": occurred_at}, push("good", 1)]}
    bad, good = (await api.post(URL, json=body)).json()["results"]
    assert (bad["status"], good["status"]) == ("invalid", "accepted")
    assert "occurred_at" in bad["fault"]


async def test_a_number_beyond_all_numbers_is_one_items_fault(database: Database) -> None:
    """1e400 is JSON and is read as infinity, which PostgreSQL stores in no JSON: told, and not a server's error."""
    context = build_context(Settings(), database)
    endless = '{"id": "e", "user": "u", "type": "start_session", "occurred_at": "%s", "properties": {"n": [1e400]}}'
    body = f'{{"interactions": [{endless % at(1)}], "users": [{{"id": "v", "attributes": {{"n": -1e400}}}}]}}'
    async with open_client(context) as api:
        answer = await api.post(URL, content=body)
        patched = await api.patch("/v1/users/u", content='{"attributes": {"n": 1e400}}')
    assert answer.status_code == 200, answer.text
    [item], [user] = answer.json()["results"], answer.json()["users"]
    assert ("too large" in item["fault"], "too large" in user["fault"]) == (True, True)
    assert (patched.status_code, "too large" in patched.text) == (422, True)


async def test_what_is_quoted_is_cut(api: httpx.AsyncClient) -> None:
    """An answer does not grow by quoting endlessly what was sent."""
    huge = "x" * 100_000
    answer = await api.post(URL, json={"interactions": [{"id": huge, "type": huge}] * 10})
    assert len(answer.content) < 20_000


@pytest.mark.parametrize(
    ("content", "status", "code", "words"),
    [
        ('{"interactions": [', 400, "invalid_json", "line 1, column 18"),
        ('{"interactions":\n [nan]}', 400, "invalid_json", "line 2"),
        ("", 422, "invalid", "must be a JSON object"),
        ("[]", 422, "invalid", "must be a JSON object"),
        ("{}", 422, "invalid", "interactions"),
        ('{"interactions": {}}', 422, "invalid", "interactions"),
        ('{"interactions": [], "more": 1}', 422, "invalid", "no other key"),
        ("[" * 100_000, 400, "invalid_json", "nested"),
    ],
)
async def test_a_body_of_the_wrong_shape(
    api: httpx.AsyncClient, content: str, status: int, code: str, words: str
) -> None:
    """Broken JSON is told by its place, and a wrong shape by what would be right."""
    answer = await api.post(URL, content=content)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert words in error["message"]


async def test_a_thousand_at_once_and_not_one_more(api: httpx.AsyncClient, context: AppContext) -> None:
    """1,001 are refused as a whole; 1,000 are taken."""
    items = [push(f"e{n}", 1, f"u{n % 50}") for n in range(MAX_ITEMS + 1)]
    refused = await api.post(URL, json={"interactions": items})
    assert refused.status_code == 413
    assert refused.json()["error"]["code"] == "too_many_interactions"
    assert await count(context, interactions) == 0
    taken = await api.post(URL, json={"interactions": items[1:]})
    assert {result["status"] for result in taken.json()["results"]} == {"accepted"}
    assert await count(context, interactions) == MAX_ITEMS


async def test_a_body_has_a_bound(api: httpx.AsyncClient) -> None:
    """More than 10 MB is not read to its end."""
    answer = await api.post(URL, content=b" " * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


async def test_with_temporal_away_all_is_accepted(api: httpx.AsyncClient, context: AppContext) -> None:
    """Guarantee 5 and 6: what is accepted is stored, its follow-up waits to be started."""
    await Installation(context.database).publish(ORIGINAL, ABANDONED)
    answer = await api.post(URL, json={"interactions": [push("a", 1)]})
    assert answer.json()["results"] == [{"id": "a", "status": "accepted"}]
    async with context.database.read(context.workspace) as tx:
        (row,) = (await tx.execute(select(follow_ups.c.state, follow_ups.c.started_at))).all()
    assert tuple(row) == ("waiting", None)


async def test_with_the_database_away_nothing_is_accepted() -> None:
    """503 with a time to try again, and no word of the database's own."""
    database = Database.open("postgresql://nobody:secret@127.0.0.1:1/nowhere")
    async with open_client(build_context(Settings(), database)) as api:
        answer = await api.post(URL, json={"interactions": [push("a", 1)]})
    await database.close()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"].isdigit()
    assert answer.json()["error"]["code"] == "store_unavailable"
    assert "secret" not in answer.text


async def test_attributes_of_the_same_request_apply_first(api: httpx.AsyncClient, context: AppContext) -> None:
    """At the trigger: the audience as it stands before the event, attributes of the same request included."""
    gold = {"attribute": "tier", "is": "gold"}
    await Installation(context.database).order("publish", "o")
    await Installation(context.database).publish(follow_on("f", PUSHED, delay={"after": "12 hours"}, audience=gold))
    null = {"id": "x", "attributes": {"note": ["\x00"]}}
    users = [{"id": "u", "attributes": {"tier": "gold"}}, {"id": "v", "time_zone": "Mars"}, {"id": "w"}, 5, null]
    items = [push("a", 0), push("b", 0, user="v"), push("c", 0, user="w")]
    answer = (await api.post(URL, json={"users": users, "interactions": items})).json()
    assert [(one["id"], one["status"]) for one in answer["users"]] == [
        ("u", "accepted"),
        ("v", "invalid"),
        ("w", "accepted"),
        (None, "invalid"),
        ("x", "invalid"),
    ]
    assert "null characters" in answer["users"][4]["fault"]
    assert "time_zone" in answer["users"][1]["fault"]
    assert [result["status"] for result in answer["results"]] == ["accepted"] * 3
    assert await Installation(context.database).outcomes() == [("a", "waiting", None)]
    told_of = (await api.get("/v1/users/u")).json()
    assert told_of["attributes"] == {"tier": "gold"}
    more = {"users": [{"id": "u", "attributes": {"age": 7}}, {"id": "u", "attributes": {"age": 8}}], "interactions": []}
    await api.post(URL, json=more)
    assert (await api.get("/v1/users/u")).json()["attributes"] == {"tier": "gold", "age": 8}
