"""One bad item of a batch is refused alone, on every route that takes batches and in every provider's webhook."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from connector.app.context import AppContext, build_context
from connector.ingest.batch_text import read_batch_text
from connector.ingest.parsing import UnreadableItem, read_item
from connector.rules.model.values import MAX_DEPTH
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.webhooks.protocol import BodyInvalid
from tests.support.api import open_client
from tests.support.builders import at
from tests.support.webhook_senders import SENDERS, samples

BAD_VALUES: list[tuple[str, bytes, str]] = [
    # name, the bytes of a property's value, source
    ("high surrogate", rb'"\ud83d"', "RFC 8259, section 8.2"),
    ("low surrogate", rb'"\ude00"', "RFC 8259, section 8.2"),
    ("surrogates reversed", rb'"\ude00\ud83d"', "RFC 3629, section 3"),
    ("high surrogate in capitals", rb'"\uD83D."', "RFC 8259, section 7"),
    ("surrogate in a name", rb'{"\ud83d": 1}', "RFC 8259, section 8.2"),
    ("surrogate in a list", rb'["a", ["\udbff"]]', "RFC 8259, section 8.2"),
    ("text cut within an emoji", rb'"thanks \ud83d\u0020\ude00"', "RFC 3629, section 3"),
    ("Latin-1 byte", b'"M\xfcller"', "RFC 3629, section 4"),
    ("byte that is never UTF-8", b'"\xff"', "RFC 3629, section 1"),
    ("continuation byte alone", b'"\x80"', "RFC 3629, section 4"),
    ("overlong slash", b'"\xc0\xaf"', "RFC 3629, section 10"),
    ("surrogate in UTF-8 (CESU-8)", b'"\xed\xa0\xbd"', "RFC 3629, section 3"),
    ("beyond the last code point", b'"\xf4\x90\x80\x80"', "RFC 3629, section 3"),
    ("sequence cut short", b'"\xe2\x82"', "RFC 3629, section 4"),
    ("null character", rb'"a\u0000b"', "PostgreSQL 17, section 8.14"),
    ("null byte", b'"a\x00b"', "RFC 8259, section 7"),
    ("null character in a name", rb'{"a\u0000": 1}', "PostgreSQL 17, section 8.14"),
    ("NaN", b"NaN", "RFC 8259, section 6"),
    ("Infinity", b"Infinity", "RFC 8259, section 6"),
    ("minus Infinity", b"[-Infinity]", "RFC 8259, section 6"),
    ("1e400", b"1e400", "IEEE 754, binary64"),
    ("minus 1e400", b"-1e400", "IEEE 754, binary64"),
    ("5,000 digits", b"1" * 5000, "CPython, sys.set_int_max_str_digits"),
    ("201 levels of lists", b"[" * 201 + b"]" * 201, "RFC 8259, section 9"),
    ("201 levels of objects", b'{"a":' * 201 + b"1" + b"}" * 201, "RFC 8259, section 9"),
    ("500 levels", b"[" * 500 + b"]" * 500, "RFC 8259, section 9"),
    ("100,000 levels", b"[" * 100_000 + b"]" * 100_000, "RFC 8259, section 9"),
    ("escape cut short", rb'"\ud83"', "RFC 8259, section 7"),
    ("escape that does not exist", rb'"\x41"', "RFC 8259, section 7"),
    ("escape of an apostrophe", rb'"it\'s \'quoted\'"', "RFC 8259, section 7"),
]
GOOD_VALUES: list[tuple[str, bytes, Any]] = [
    ("surrogate pair", rb'"\ud83d\ude00"', "\U0001f600"),
    ("replacement character", rb'"\ufffd"', "\ufffd"),
    ("emoji as it is", '"😀"'.encode(), "😀"),
    ("noncharacter", rb'"\uffff"', "\uffff"),
    ("repeated name, the last counts", b'{"a": 1, "a": 2}', {"a": 2}),
    ("1e308", b"1e308", 1e308),
    ("tiny number", b"1e-400", 0.0),
    ("4,000 digits", b"1" * 4000, int("1" * 4000)),
    ("100 levels", b"[" * 100 + b"]" * 100, None),
    ("escaped backslash before a u", rb'"C:\\ud83d"', "C:\\ud83d"),
]
BAD = pytest.mark.parametrize(("value", "source"), [row[1:] for row in BAD_VALUES], ids=[row[0] for row in BAD_VALUES])


def item(id: str, value: bytes = b"1", template: str = "interaction") -> bytes:
    """An interaction, or a track of Segment's, whose property has this value."""
    made: dict[str, Any] = {"id": id, "user": "u", "type": "event", "name": "n", "occurred_at": at(1)}
    if template == "track":
        made = {"messageId": id, "userId": "u", "type": "track", "event": "n", "timestamp": at(1)}
    return json.dumps({**made, "properties": {"p": "VALUE"}}).encode().replace(b'"VALUE"', value)


@pytest.fixture
async def api(sqlite_database: Database) -> AsyncIterator[tuple[httpx.AsyncClient, AppContext]]:
    """The API with a key."""
    context = build_context(Settings(), sqlite_database)
    async with open_client(context) as client:
        yield client, context


@BAD
def test_a_bad_value_spoils_one_item(value: bytes, source: str) -> None:
    """The batch and the items around the bad item are read, and the fault names the bad item's problem."""
    batch = read_batch_text(b'{"interactions": [' + b",".join([item("a"), item("b", value), item("c")]) + b"]}")
    first, bad, last = map(read_item, batch["interactions"])
    assert isinstance(bad, UnreadableItem), source
    assert (bad.id, bad.fault.startswith("properties: properties must not")) == ("b", True), bad.fault
    assert [getattr(first, "id", None), getattr(last, "id", None)] == ["a", "c"]
    assert not isinstance(first, UnreadableItem)
    assert not isinstance(last, UnreadableItem)


@pytest.mark.parametrize(("value", "read"), [row[1:] for row in GOOD_VALUES], ids=[row[0] for row in GOOD_VALUES])
def test_an_unusual_value_is_read_beside_a_bad_one(value: bytes, read: Any) -> None:
    """The tolerant reader reads valid texts as the strict reader does."""
    [_, good] = read_batch_text(b"[" + item("a", rb'"\ud83d"') + b"," + item("b", value) + b"]")
    assert not isinstance(read_item(good), UnreadableItem)
    assert good == read_batch_text(item("b", value))
    assert read is None or good["properties"]["p"] == read


@pytest.mark.parametrize("body", [b"[1,", b"{", b"nonsense", b"[1 2]", b'{"a": tru}', b'["a]', b"[" * 3000, b"\xff"])
def test_invalid_json_is_refused_as_a_whole(body: bytes) -> None:
    """If the boundaries of the items are unknown, no item is guessed."""
    with pytest.raises(ValueError, match=r"is not JSON, at line 1|nested"):
        read_batch_text(body)


def test_a_byte_order_mark_is_ignored() -> None:
    """RFC 8259, section 8.1: a reader may ignore it."""
    assert read_batch_text(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.serial
@pytest.mark.parametrize(
    "filler", [b'"' + b"\\q" * 500_000 + b'"', b"[{}," * 100_000, b"1" * 1_000_000, b"[]," * 300_000]
)
def test_hostile_bodies_take_little_time(filler: bytes) -> None:
    """Every pass is linear."""
    began = time.process_time()
    with contextlib.suppress(ValueError):
        read_batch_text(b"[" + b"[" * 1000 + b"]" * 1000 + b"," + filler + rb',"\ud83d"]')
    assert time.process_time() - began < 2


async def test_the_four_tracks_of_an_sdk(api: tuple[httpx.AsyncClient, AppContext]) -> None:
    """Segment's batch: every bad track is listed, every other is stored."""
    messages, names = [item("first", template="track")], [name for name, *_ in BAD_VALUES]
    for number, (_, value, _) in enumerate(BAD_VALUES):
        messages += [item(f"bad-{number}", value, "track"), item(f"good-{number}", template="track")]
    answer = await api[0].post("/v1/batch", content=b'{"batch": [' + b",".join(messages) + b"]}")
    assert answer.status_code == 200, answer.text
    rejected = [one["messageId"] for one in answer.json()["rejected"]]
    assert rejected == [f"bad-{number}" for number in range(len(names))]


async def test_a_batch_of_interactions_and_users(api: tuple[httpx.AsyncClient, AppContext]) -> None:
    """Every bad item and description is invalid, every other is accepted; ids with half a pair are answered too."""
    items = [item("first"), item("last"), *(item(f"bad-{n}", value) for n, (_, value, _) in enumerate(BAD_VALUES))]
    users = [b'{"id": "u1", "attributes": {"a": ' + value + b"}}" for _, value, _ in BAD_VALUES]
    ids = [rb'{"id": "x\ud83d", "user": "u", "type": "start_session"}', rb'{"user": "\ud83d", "type": "\ud83d"}']
    body = b'{"interactions": [%s], "users": [%s, {"id": "v"}]}' % (b",".join([*items, *ids]), b",".join(users))
    answer = await api[0].post("/v1/interactions", content=body)
    assert answer.status_code == 200, answer.text
    results, described = answer.json()["results"], answer.json()["users"]
    assert [one["status"] for one in results] == ["accepted"] * 2 + ["invalid"] * (len(BAD_VALUES) + 2)
    assert [one["status"] for one in described] == ["invalid"] * len(BAD_VALUES) + ["accepted"]
    assert results[-2]["id"] == "x?"


@pytest.mark.parametrize("path", ["track", "identify", "page", "group"])
async def test_a_single_bad_call_is_answered_400(api: tuple[httpx.AsyncClient, AppContext], path: str) -> None:
    """Half a pair in the user's id or the traits is the call's fault, never the server's."""
    for message in (
        rb'{"userId": "\ud83d", "event": "e", "groupId": "g"}',
        rb'{"userId": "u", "event": "e\ud83d", "groupId": "\ud83d", "properties": {"a": "\ud83d"}, '
        rb'"traits": {"firstName": "\ud83d"}, "name": "\ud83d"}',
    ):
        answer = await api[0].post(f"/v1/{path}", content=message)
        assert answer.status_code == 400, (message, answer.text)


async def test_an_order_of_products_without_an_id(api: tuple[httpx.AsyncClient, AppContext]) -> None:
    """Ids that are derived from the content are derived from half a pair, too: the message is refused, not lost."""
    products = rb'{"products": [{"sku": "\ud83d"}]}'
    order = rb'{"type": "track", "userId": "u", "event": "Order Completed", "properties": %s}' % products
    answer = await api[0].post("/v1/batch", content=b'{"batch": [' + order + b"," + item("a", template="track") + b"]}")
    assert (answer.status_code, [one["index"] for one in answer.json()["rejected"]]) == (200, [0])


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
async def test_a_provider_with_a_bad_field(sender: Any) -> None:
    """An unreadable value in a field that is not used leaves every other field of the event readable."""
    provider, bodies = sender.provider(), samples(sender.name)
    event = next(body for body in bodies.values() if "MessageSid" not in body)  # a form is no JSON
    expected = [provider.normalise(one) for one in await provider.parse(sender.call(event))]
    call = sender.call({**event, "unused": "VALUE"})
    for name, value, _ in BAD_VALUES:
        quoted, spoilt = b'"VALUE"', value
        if sender.name == "ses":  # JSON in a text of JSON
            quoted, spoilt = b'\\"VALUE\\"', value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        items = await provider.parse(replace(call, body=call.body.replace(quoted, spoilt)))
        assert [provider.normalise(one) for one in items] == expected, name


async def test_a_provider_with_no_json_at_all() -> None:
    """A body that is no JSON is refused, so that the provider sends it again."""
    for sender in SENDERS:
        if sender.name not in ("twilio", "ses"):
            with pytest.raises(BodyInvalid):
                await sender.provider().parse(replace(sender.call({}), body=b"{"))


def test_depth_as_documented() -> None:
    """An item of exactly the allowed depth is taken, and one of a level more is not."""
    deepest = read_batch_text(item("a", b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1)))
    deeper = read_batch_text(item("a", b"[" * MAX_DEPTH + b"]" * MAX_DEPTH))
    assert not isinstance(read_item(deepest), UnreadableItem)
    assert isinstance(read_item(deeper), UnreadableItem)
