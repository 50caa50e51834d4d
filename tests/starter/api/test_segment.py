"""Segment's protocol over HTTP: what is taken, what is refused with which status, and what it costs."""

import asyncio
import base64
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import func, select

from connector.app.configuration import SettingsWrong
from connector.app.context import AppContext, build_context
from connector.settings.application import Settings
from connector.store.engine.database import Database
from connector.store.tables import interactions
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from starter.api.openapi.segment_examples import SEGMENT_CALLS
from starter.api.routes.segment import MAX_BATCH_BYTES, MAX_FAULT_CHARACTERS, MAX_MESSAGE_BYTES, MAX_MESSAGES
from tests.support.api import KEY, configured, open_client
from tests.support.builders import ORIGINAL, PUSHED, at, follow_on
from tests.support.installation import Installation
from tests.support.polling import until

SINGLE = ("track", "identify", "page", "screen", "group", "alias")
WAITS = follow_on("f", PUSHED, delay={"after": "12 hours"}, exceptions=[{"event": "make_purchase"}])


def message(id: str, event: str = "e", minutes: float = 1, user: str = "u", **more: Any) -> dict[str, Any]:
    """A track as an SDK sends it."""
    return {"type": "track", "userId": user, "messageId": id, "event": event, "timestamp": at(minutes), **more}


PUSHED_BY = {"properties": {"campaign": {"name": "o"}}}
RECEIVED = "Push Notification Received"


async def send(api: httpx.AsyncClient, *messages: Any, path: str = "batch") -> dict[str, Any]:
    """One batch, which must be answered 200."""
    answer = await api.post(f"/v1/{path}", json={"batch": list(messages)})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert told["success"] is True
    return told


async def logged(context: AppContext) -> list[tuple[str, str]]:
    """(id, name or type) of all that is in the log, in the order of arrival."""
    async with context.database.read(context.workspace) as tx:
        rows = await tx.execute(select(interactions.c.id, interactions.c.topic).order_by(interactions.c.seq))
        return [(row.id, row.topic) for row in rows]


@pytest.fixture
async def installation(context: AppContext) -> Installation:
    """An original, and a follow-on of it that waits and has an exception."""
    installation = Installation(context.database)
    await installation.publish(ORIGINAL, WAITS)
    return installation


async def test_a_batch_triggers_and_excepts(
    api: httpx.AsyncClient, context: AppContext, installation: Installation
) -> None:
    """The way of an interaction, as for every other source."""
    await send(api, message("p", RECEIVED, 1, **PUSHED_BY), message("x", "cart_updated", 2))
    assert await installation.outcomes() == [("p", "waiting", None)]
    order = {"products": [{"product_id": "shoe-1", "price": 90}, {"sku": "hat"}]}
    await send(api, message("o", "Order Completed", 3, properties=order))
    assert await installation.outcomes() == [("p", "excepted", "o:1")]
    assert await logged(context) == [
        ("p", "receive_push"), ("x", "cart_updated"), ("o:1", "make_purchase"), ("o:2", "make_purchase"),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", SINGLE)
async def test_each_single_call(api: httpx.AsyncClient, context: AppContext, kind: str) -> None:
    """The examples of the documents, answered as Segment answers."""
    answer = await api.post(f"/v1/{kind}", json=SEGMENT_CALLS[kind])
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert len(await logged(context)) == (1 if kind in ("track", "page", "screen") else 0)


async def test_the_write_key_is_the_user_name(context: AppContext) -> None:
    """As Segment's SDKs send it, with an empty password; a wrong key is refused in their form."""
    async with open_client(context, given=None) as api:
        for key, status in ((KEY, 200), ("wrong", 401)):
            words = base64.b64encode(f"{key}:".encode()).decode()
            answer = await api.post("/v1/track", json=message("a"), headers={"Authorization": f"Basic {words}"})
            assert answer.status_code == status
        told = answer.json()
    assert (told["code"], told["message"]) == (told["error"]["code"], told["error"]["message"])


async def test_identify_before_track(api: httpx.AsyncClient, context: AppContext) -> None:
    """What is told of a user holds for what comes after it, in the same batch and across transactions."""
    installation = Installation(context.database)
    gold = {"attribute": "tier", "is": "gold"}
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 hour"}, audience=gold))
    identify = {"type": "identify", "userId": "u", "traits": {"tier": "gold"}}
    await send(api, *(message(f"e{n}") for n in range(1200)), identify, message("p", RECEIVED, **PUSHED_BY))
    assert await installation.outcomes() == [("p", "waiting", None)]


async def test_a_later_identify_does_not_hold_for_an_earlier_track(api: httpx.AsyncClient, context: AppContext) -> None:
    """What is judged stands as it would have been judged one by one."""
    installation = Installation(context.database)
    gold = {"attribute": "tier", "is": "gold"}
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "12 hours"}, audience=gold))
    tiers = [{"type": "identify", "userId": "u", "traits": {"tier": tier}} for tier in ("gold", "silver")]
    await send(api, tiers[0], message("p", RECEIVED, **PUSHED_BY), tiers[1])
    assert await installation.outcomes() == [("p", "waiting", None)]
    assert (await api.get("/v1/users/u")).json()["attributes"] == {"tier": "silver"}


async def consent_of(api: httpx.AsyncClient, user: str = "u") -> Any:
    """What the user agreed to; None for nobody."""
    return (await api.get(f"/v1/users/{user}")).json().get("consent")


async def test_consent_goes_with_its_message(api: httpx.AsyncClient) -> None:
    """A message that is rejected changes nothing, and one that is sent again does not take back what was said since."""
    old = {**message("old", "Unsubscribed"), "timestamp": "1970-01-01T00:00:00Z"}
    answer = await api.post("/v1/track", json=old)
    assert (answer.status_code, "stale" in answer.json()["message"]) == (400, True)
    assert not await consent_of(api)
    told = await send(api, message("x"), old, message("y"))
    assert [one["index"] for one in told["rejected"]] == [1]
    assert not await consent_of(api)

    new = message("new", "Unsubscribed")
    await send(api, new, new)
    assert await consent_of(api) == {"email": "unsubscribed"}
    again = {"state": "subscribed", "effective_at": datetime.now(UTC).isoformat()}  # noqa: TID251
    assert (await api.patch("/v1/users/u", json={"consent": {"email": again}})).status_code == 200
    await send(api, message("z"), new)
    assert (await api.post("/v1/track", json=new)).status_code == 200
    assert await consent_of(api) == {"email": "subscribed"}


async def test_consent_costs_as_many_statements_for_a_hundred(api: httpx.AsyncClient, context: AppContext) -> None:
    """Merged together, whoever says it."""
    counts = []
    for size, name in ((1, "warm"), (1, "a"), (100, "b")):
        with context.database.count_statements() as count:
            await send(api, *(message(f"{name}{n}", "Unsubscribed", user=f"{name}{n}") for n in range(size)))
        counts.append(len(count.statements))
    assert counts[1] == counts[2]
    assert await consent_of(api, "b99") == {"email": "unsubscribed"}


async def test_null_removes(api: httpx.AsyncClient) -> None:
    """A trait of null: a field is cleared, an attribute is gone."""
    for traits in ({"email": "a@b.c", "tier": "gold", "age": 7}, {"email": None, "tier": None}):
        assert (await api.post("/v1/identify", json={"userId": "u", "traits": traits})).status_code == 200
    user = (await api.get("/v1/users/u")).json()
    assert (user["email"], user["attributes"]) == (None, {"age": 7})


async def test_a_visitor_becomes_a_user_and_keeps_the_wait(
    api: httpx.AsyncClient, context: AppContext, installation: Installation
) -> None:
    """Alias: what the visitor waits for, the user's purchase ends; all in one batch too."""
    alias = {"type": "alias", "previousId": "visitor", "userId": "ann"}
    order = message("o", "Order Completed", 3, "ann", properties={"total": 5})
    visitor = {**message("p", RECEIVED, **PUSHED_BY), "userId": None, "anonymousId": "visitor"}
    assert await send(api, visitor, alias, order) == {"success": True}
    assert await installation.outcomes() == [("p", "excepted", "o")]
    assert await send(api, visitor, alias, order) == {"success": True}
    assert len(await logged(context)) == 2


async def test_a_user_is_shown_by_the_id_used_now(api: httpx.AsyncClient, installation: Installation) -> None:
    """Alias: not by the visitor's, though the alphabet has it first."""
    visitor = {**message("p", RECEIVED, **PUSHED_BY), "userId": None, "anonymousId": "0b6c-visitor"}

    async def shown() -> list[str]:
        return [one["user"] for one in (await api.get("/v1/follow-ups")).json()["follow_ups"]]

    await send(api, visitor)
    assert await shown() == ["0b6c-visitor"]
    await send(api, {"type": "alias", "previousId": "0b6c-visitor", "userId": "u-17"})
    assert await shown() == ["u-17"]


async def test_two_histories_are_not_merged(api: httpx.AsyncClient) -> None:
    """Alias of two users who both did something is refused with words; in a batch it stops nothing else."""
    await send(api, message("1", user="a"), message("2", user="b"))
    single = await api.post("/v1/alias", json={"previousId": "a", "userId": "b"})
    assert single.status_code == 400
    assert "two histories are not merged" in single.json()["message"]
    alias = {"type": "alias", "previousId": "a", "userId": "b", "messageId": "m"}
    told = await send(api, alias, message("x", user="a"))
    assert [(one["index"], one["messageId"]) for one in told["rejected"]] == [(0, "m")]


async def test_alias_after_identify(api: httpx.AsyncClient, context: AppContext, installation: Installation) -> None:
    """In the order of many: what the visitor did, who it is, and only then that both are one."""
    visitor = {**message("p", RECEIVED, **PUSHED_BY), "userId": None, "anonymousId": "visitor"}
    identify = {"type": "identify", "userId": "ann", "traits": {"email": "ann@shop.test", "tier": "gold"}}
    alias = {"type": "alias", "previousId": "visitor", "userId": "ann"}
    order = message("o", "Order Completed", 3, "ann", properties={"total": 5})
    assert await send(api, visitor, identify, alias, order) == {"success": True}
    assert await installation.outcomes() == [("p", "excepted", "o")]
    for user in ("visitor", "ann"):
        known = (await api.get(f"/v1/users/{user}")).json()
        assert (known["email"], known["attributes"]) == ("ann@shop.test", {"tier": "gold"})


async def test_who_was_erased_stays_erased(api: httpx.AsyncClient, context: AppContext) -> None:
    """By every kind of message; 400 and not 410, which SDKs would try again."""
    await api.post("/v1/identify", json={"userId": "u", "traits": {}})
    await api.post("/v1/alias", json={"previousId": "visitor", "userId": "u"})
    assert (await api.delete("/v1/users/visitor")).status_code == 204
    for kind in SINGLE:
        answer = await api.post(f"/v1/{kind}", json={**SEGMENT_CALLS[kind], "userId": "u"})
        assert answer.status_code == 400, kind
        assert "erased" in answer.json()["message"]
    assert await logged(context) == []
    told = await send(api, {"type": "identify", "userId": "u", "traits": {}}, message("x", user="other"))
    assert [one["index"] for one in told["rejected"]] == [0]


async def test_one_bad_message_stops_no_other(api: httpx.AsyncClient, context: AppContext) -> None:
    """All of these are told by their places; the good ones between them are taken."""
    bad: list[Any] = [
        5, None, "x", [], {}, {"type": "track"}, {"type": "merge", "userId": "u"},
        message("b1", event="e" * 256), message("b2", properties=[1]), message("b3", properties={"n": "\0"}),
        {**message("b4"), "timestamp": "1970-01-01T00:00:00Z"}, {**message("b5"), "userId": {"a": 1}},
        message("b6", properties={"a": "x" * MAX_MESSAGE_BYTES}), {**message("b7"), "event": {}},
        {"type": "identify", "userId": "u", "traits": {"a": "\0"}}, message("b8\0"),
        {"type": "group", "userId": "u"}, {"type": "alias", "userId": "u"},
    ]  # fmt: skip
    batch = [one for n, fault in enumerate(bad) for one in (message(f"good{n}"), fault)]
    told = await send(api, *batch)
    assert [one["index"] for one in told["rejected"]] == list(range(1, len(batch), 2))
    assert all(one["fault"] for one in told["rejected"])
    by_index = {one["index"]: one["fault"] for one in told["rejected"]}
    assert "stale" in by_index[21]
    assert f"larger than {MAX_MESSAGE_BYTES} bytes" in by_index[25]
    assert [id for id, _ in await logged(context)] == [f"good{n}" for n in range(len(bad))]


async def test_from_the_future_is_now(api: httpx.AsyncClient, context: AppContext) -> None:
    """M7."""
    await send(api, {**message("a"), "timestamp": "2070-01-01T00:00:00Z"})
    async with context.database.read(context.workspace) as tx:
        ((t, received_at),) = (await tx.execute(select(interactions.c.t, interactions.c.received_at))).all()
    assert t == received_at
    assert abs(t - datetime.now(UTC)) < timedelta(minutes=1)  # noqa: TID251


async def test_without_a_time_and_repeated(api: httpx.AsyncClient, context: AppContext) -> None:
    """It happened as it arrived, by the database's clock; a repeat within the day is recognised by its id."""
    plain = {"userId": "u", "event": "e", "messageId": "m"}
    for _ in range(2):
        assert (await api.post("/v1/track", json=plain)).status_code == 200
    assert len(await logged(context)) == 1


@pytest.mark.parametrize("kind", SINGLE)
@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"5", b"[]", b'"x"', b"{", b"{}", b"\xff", b'{"userId": "u", "a": NaN}', b"[" * 100_000,
        b'{"userId": "u", "x": ' + b"[" * 190 + b"]" * 190 + b', "event": 5}',
        b'{"userId": "u", "traits": {"x": 1e999}, "properties": {"x": 1e999}}',
        b'{"userId": "u", "x": "' + b"x" * MAX_MESSAGE_BYTES + b'"}',
        b'{"userId": [], "event": {}, "properties": 5, "traits": 5, "groupId": {}, "previousId": []}',
    ],
)  # fmt: skip
async def test_single_calls_that_cannot_be_taken(
    api: httpx.AsyncClient, context: AppContext, kind: str, body: bytes
) -> None:
    """400, which no SDK tries again, in our form and theirs; nothing is stored."""
    answer = await api.post(f"/v1/{kind}", content=body)
    told = answer.json()
    if kind in ("page", "screen", "identify") and answer.status_code == 200:
        assert b"190" in body or b"[[[" in body  # deep, but nothing that these look at
        return
    assert answer.status_code == 400, told
    assert (told["code"], told["message"]) == (told["error"]["code"], told["error"]["message"])
    assert await logged(context) == []


@pytest.mark.parametrize("path", ["batch", "import"])
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b'{"batch": {}}', b'{"batch": null}', b'{"batch": [', b'{"batch": [nan]}', b"[" * 1000]
)  # fmt: skip
async def test_batches_that_cannot_be_read(api: httpx.AsyncClient, path: str, body: bytes) -> None:
    """400 as a whole."""
    answer = await api.post(f"/v1/{path}", content=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


async def test_an_empty_batch(api: httpx.AsyncClient) -> None:
    """Nothing to do is no fault; an odd context is none either."""
    assert await send(api) == {"success": True}
    answer = await api.post("/v1/batch", json={"batch": [message("a")], "context": 5, "integrations": []})
    assert answer.json() == {"success": True}


@pytest.mark.parametrize("size", [MAX_BATCH_BYTES + 1, 10 << 20])
async def test_a_batch_has_a_bound(api: httpx.AsyncClient, size: int) -> None:
    """500 KB, as Segment's; 400 as there."""
    answer = await api.post("/v1/batch", content=b'{"batch": []}'.ljust(size))
    assert (answer.status_code, answer.json()["code"]) == (400, "too_large")
    assert (await api.post("/v1/batch", content=b'{"batch": []}'.ljust(MAX_BATCH_BYTES))).status_code == 200


async def test_packed_batches(api: httpx.AsyncClient, context: AppContext) -> None:
    """Gzip, as SDKs send it, measured unpacked; another encoding is 415."""
    packed = {"Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps({"batch": [message("a")]}).encode())
    assert (await api.post("/v1/batch", content=body, headers=packed)).json() == {"success": True}
    assert await logged(context) == [("a", "e")]
    bomb = gzip.compress(b" " * (50 << 20))
    answer = await api.post("/v1/batch", content=bomb, headers=packed)
    assert (answer.status_code, answer.json()["code"]) == (400, "too_large")
    answer = await api.post("/v1/batch", content=body, headers={"Content-Encoding": "br"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")


async def test_more_messages_than_a_batch_has(api: httpx.AsyncClient, context: AppContext) -> None:
    """Refused as a whole, in few words: half a kilobyte of zeros must not become megabytes of faults."""
    zeros = gzip.compress(('{"batch":[' + ",".join(["0"] * 255_000) + "]}").encode())
    packed = await api.post("/v1/batch", content=zeros, headers={"Content-Encoding": "gzip"})
    track = {"type": "track", "userId": "u", "event": "e"}
    one_more = await api.post("/v1/import", json={"batch": [track] * (MAX_MESSAGES + 1)})
    for answer in (packed, one_more):
        assert (answer.status_code, answer.json()["code"]) == (400, "too_many")
        assert len(answer.content) < 1000
    assert await logged(context) == []
    await send(api, *({**track, "messageId": str(n)} for n in range(MAX_MESSAGES)))
    assert len(await logged(context)) == MAX_MESSAGES


async def test_what_is_known_of_a_user_has_a_bound(api: httpx.AsyncClient) -> None:
    """256 KB of attributes: what would be more is rejected, and stops nothing else; it can be mended the same way."""
    traits = [{f"t{n}": "x" * 30_000} for n in range(10)]
    messages = [{"type": "identify", "userId": "u", "traits": one} for one in traits]
    told = await send(api, *messages, message("a"), {"type": "identify", "userId": "u", "traits": {"small": 1}})
    assert [one["index"] for one in told["rejected"]] == [8, 9]
    assert "at most 262144" in told["rejected"][0]["fault"]
    single = await api.post("/v1/identify", json={"userId": "u", "traits": traits[9]})
    assert (single.status_code, "at most 262144" in single.json()["message"]) == (400, True)
    assert await send(api, {**messages[0], "traits": {"t0": None, "t9": "x" * 30_000}}) == {"success": True}
    user = (await api.get("/v1/users/u")).json()
    assert user["attributes"].keys() == {"small", "t9", *(f"t{n}" for n in range(1, 8))}


async def test_faults_are_short(api: httpx.AsyncClient) -> None:
    """However much of the message they would quote."""
    long = {"properties": {"campaign_id": "o"}, "event": "Email Opened", "userId": "u", "messageId": "m" * 300}
    batch = [{"type": "track", **long, "properties": {"a": "\0" * 20_000}}, {"type": "x" * 20_000}]
    told = await send(api, *batch)
    assert len(told["rejected"]) == 2
    assert all(0 < len(one["fault"]) <= MAX_FAULT_CHARACTERS for one in told["rejected"])


async def test_our_own_names_in_their_properties(
    api: httpx.AsyncClient, context: AppContext, installation: Installation
) -> None:
    """A `message` of theirs is no message of a provider, by which three deliveries would be one."""
    theirs = {"campaign_id": "o", "message": "Your weekly digest", "delivery": "express", "robot": False}
    for n in range(3):
        await send(api, message(f"d{n}", "Email Delivered", n * 30, properties=theirs))
    assert await logged(context) == [(f"d{n}", "receive_email") for n in range(3)]
    async with context.database.read(context.workspace) as tx:
        kept = (await tx.execute(select(interactions.c.properties))).scalars().first()
    assert kept == {
        "campaign_id": "o", "their_message": "Your weekly digest", "their_delivery": "express", "robot": False,
    }  # fmt: skip


async def test_slow_bodies_of_refused_calls(context: AppContext) -> None:
    """Whoever has no key is answered in the end, however slowly the body comes."""
    server = uvicorn.Server(uvicorn.Config(create_app(context, Keys(configured(KEY))), port=0, log_config=None))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(30):
        await until(lambda: server.started, "the start of the server")
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /v1/track HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{")
        assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        writer.close()
        server.should_exit = True
        await serving


async def test_orders_have_a_bound_together(api: httpx.AsyncClient, context: AppContext) -> None:
    """A body of 400 KB must not become a hundred thousand items."""
    order = {"products": [{"sku": n} for n in range(500)]}
    batch = [message(str(n), "Order Completed", properties=order) for n in range(25)]
    batch[0] = message("0", "Order Completed", properties={"products": order["products"][:400]})
    told = await send(api, *batch, message("fits"), {"type": "identify", "userId": "after", "traits": {"a": 1}})
    assert [one["index"] for one in told["rejected"]] == [20, 21, 22, 23, 24], "only what does not fit"
    assert all("more than 10000 items" in one["fault"] for one in told["rejected"])
    async with context.database.read(context.workspace) as tx:
        assert (await tx.execute(select(func.count()).select_from(interactions))).scalar_one() == 9_901
    assert (await api.get("/v1/users/after")).json()["attributes"] == {"a": 1}


async def test_a_hundred_cost_as_many_statements_as_one(
    api: httpx.AsyncClient, context: AppContext, installation: Installation
) -> None:
    """One request, and a number of statements that does not grow; also where each identifies and begins a wait."""

    async def cost(size: int, name: str) -> int:
        batch = []
        for n in range(size):
            user = f"{name}{n}"
            batch += [
                {"type": "alias", "previousId": f"{user}-before", "userId": user},
                {"type": "identify", "userId": user, "traits": {"tier": "gold"}},
                message(f"{user}-p", RECEIVED, user=user, **PUSHED_BY),
                message(f"{user}-o", "Order Completed", 2, user=user, properties={"products": [{"sku": 1}] * 2}),
            ]
        with context.database.count_statements() as count:
            assert await send(api, *batch) == {"success": True}
        return len(count.statements)

    await cost(1, "warm")
    one, many = await cost(1, "a"), await cost(100, "b")
    assert one == many
    assert {state for _, state, _ in await installation.outcomes()} == {"excepted"}
    assert len(await installation.rows()) == 102

    async def tracks(size: int, name: str) -> int:
        with context.database.count_statements() as count:
            assert await send(api, *(message(f"{name}{n}") for n in range(size))) == {"success": True}
        return len(count.statements)

    await tracks(1, "warm")
    assert await tracks(1, "c") == await tracks(100, "d")


async def test_with_the_database_away_it_is_told_to_come_again() -> None:
    """503 with Retry-After, in the SDKs' form."""
    database = Database.open("postgresql://nobody:secret@127.0.0.1:1/nowhere")
    async with open_client(build_context(Settings(), database)) as api:
        for path, body in (("track", message("a")), ("batch", {"batch": [message("a")]})):
            answer = await api.post(f"/v1/{path}", json=body)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"].isdigit()
            assert answer.json()["code"] == "store_unavailable"
    await database.close()


async def test_what_is_rejected_is_counted(api: httpx.AsyncClient) -> None:
    """In the metrics, by kind; kinds that nobody knows are one."""
    await send(api, message("a"), {"type": "x" * 100}, {"type": "group", "userId": "u"})
    told = (await api.get("/metrics")).text
    assert 'connector_segment_messages_total{outcome="taken",type="track"}' in told
    assert 'connector_segment_messages_total{outcome="rejected",type="unknown"}' in told
    assert 'connector_segment_messages_total{outcome="rejected",type="group"}' in told
    assert "xxx" not in told


async def test_a_mapping_of_ones_own(context: AppContext, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """CONNECTOR_SEGMENT_MAPPING: taken up as the application is made; a wrong one ends it with words."""
    file = tmp_path / "mapping.yaml"
    file.write_text("events: {basket.changed: {event: cart_updated}, Heartbeat: ignore}")
    monkeypatch.setenv("CONNECTOR_SEGMENT_MAPPING", str(file))
    own = build_context(Settings(), context.database)
    async with open_client(own) as api:
        await send(api, message("a", "basket.changed"), message("b", "Heartbeat"))
    assert await logged(context) == [("a", "cart_updated")]
    file.write_text("events:\n  A: {evnt: x}\n")
    with pytest.raises(SettingsWrong, match=r"CONNECTOR_SEGMENT_MAPPING: .*mapping\.yaml:2: events\.A\.evnt: unknown"):
        create_app(own, Keys(configured(KEY)))


async def test_openapi_tells_every_call(api: httpx.AsyncClient) -> None:
    """With an example of the body, and every status."""
    paths = (await api.get("/openapi.json")).json()["paths"]
    for name in (*SINGLE, "batch", "import"):
        call = paths[f"/v1/{name}"]["post"]
        assert call["requestBody"]["content"]["application/json"]["example"]
        assert call["responses"].keys() == {"200", "400", "401", "403", "408", "415", "429", "503"}
        for status in ("429", "503"):
            assert call["responses"][status]["headers"].keys() == {"Retry-After"}
        assert call["responses"]["429"]["content"]["application/json"]["example"]["code"] == "rate_limited"
