"""Segment's SDKs for browsers and phones: their paths, the device's clock and zone, and the traits of a profile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connector.app.context import AppContext, build_context
from connector.rules.model.users import REMOVED
from connector.rules.targeting.client_reports import ClientReports
from connector.segment.mapping import read_mapping
from connector.segment.translation import Translation, translate
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.requests.paths import SDK_PATHS
from starter.operations.segment import _bind
from tests.support.api import KEY, open_client

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPEC = "segment.com/docs/connections/spec/common"

TIMES: list[tuple[dict[str, Any], Any, datetime, str]] = [
    # times of the message, the batch's sentAt, the time of the event, source
    (
        {"timestamp": "2026-03-02T11:00:00Z"}, None, NOW - timedelta(hours=1),
        "timestamp alone: " + SPEC,
    ),
    (
        {"timestamp": "2026-03-02T11:00:00Z", "sentAt": "2026-03-02T11:00:10Z"}, None, NOW - timedelta(seconds=10),
        "receivedAt - (sentAt - originalTimestamp): " + SPEC,
    ),
    (
        {"timestamp": "2026-03-02T15:30:00.500Z"}, "2026-03-02T15:30:02.500Z", NOW - timedelta(seconds=2),
        "a device three hours ahead, analytics-next batched-dispatcher.ts (sentAt of the batch)",
    ),
    (
        {"timestamp": "1970-01-01T00:00:05Z", "sentAt": "1970-01-01T00:01:05Z"}, None, NOW - timedelta(minutes=1),
        "a device whose clock was never set: " + SPEC,
    ),
    (
        {"timestamp": "2026-02-01T12:00:00Z"}, "2026-03-02T12:00:00Z", NOW - timedelta(days=29),
        "an old event sent later, as a backfill does: segment-analytics-python client.py (sentAt per request)",
    ),
    (
        {"originalTimestamp": "2026-03-02T15:00:00Z", "sentAt": "2026-03-02T15:01:00Z"}, None,
        NOW - timedelta(minutes=1),
        "RudderStack's SDKs send originalTimestamp: rudderstack.com/docs/event-spec/standard-events/common-fields",
    ),
    (
        {
            "originalTimestamp": "2026-03-02T15:00:00Z", "timestamp": "2026-03-02T11:58:00Z",
            "sentAt": "2026-03-02T15:01:00Z", "receivedAt": "2026-03-02T11:59:00Z",
        },
        None, NOW - timedelta(minutes=2),
        "corrected already by whoever forwards it: " + SPEC,
    ),
    (
        {"timestamp": "2026-03-02T12:00:00+02:00", "sentAt": "2026-03-02T10:00:30Z"}, None, NOW - timedelta(seconds=30),
        "other zones: " + SPEC,
    ),
    ({"timestamp": "2026-03-02T11:00:00Z", "sentAt": "soon"}, None, NOW - timedelta(hours=1), "sentAt is no time"),
    ({"timestamp": "2026-03-02T11:00:00Z", "sentAt": 17}, None, NOW - timedelta(hours=1), "sentAt is no text"),
    ({"sentAt": "2026-03-02T11:00:00Z"}, None, NOW, "no time of its own: the arrival"),
    (
        {"timestamp": "2026-03-02T11:00:00Z", "sentAt": "2026-03-02T11:30:00Z", "messageId": None}, None,
        NOW - timedelta(hours=1), "without a messageId the id is made of the time: behaviour M6",
    ),
    (
        {"timestamp": "0001-01-01T00:00:00Z", "sentAt": "9999-12-31T23:59:59Z"}, None,
        datetime.min.replace(tzinfo=UTC), "before the calendar begins",
    ),
]  # fmt: skip
IDENTIFIES: list[tuple[dict[str, Any], dict[str, Any], int, str]] = [
    # message, changes beside the id, warnings, source
    ({"context": {"timezone": "Europe/Berlin"}}, {"time_zone": "Europe/Berlin"}, 0, SPEC + "#context"),
    (
        {"context": {"timezone": "Europe/Berlin"}, "traits": {"timezone": "Asia/Tokyo"}},
        {"time_zone": "Asia/Tokyo"}, 0,
        "a trait is more specific",
    ),
    ({"context": {"timezone": "GMT+02:00"}}, {}, 0, "analytics-kotlin: TimeZone.getDefault().id may be no IANA name"),
    ({"context": {"timezone": 7}}, {}, 0, "no text"),
    ({"traits": {"email": "Ada@Straße.example"}}, {"email": "Ada@Straße.example"}, 0, "stored by UTS 46"),
    ({"traits": {"email": "nonsense"}}, {"email": "nonsense"}, 1, "behaviour: a warning"),
    ({"traits": {"phone": "0151 123", "plan": "gold"}}, {"phone": "0151 123", "attributes": {"plan": "gold"}}, 1,
     "ITU-T E.164"),
    ({"traits": {"phone": 4915112345678}}, {"phone": "4915112345678"}, 1, "a number is its text; no plus"),
    ({"traits": {"email": ""}}, {}, 1, "a form that was left empty"),
    ({"traits": {"email": None, "plan": None}}, {"email": None, "attributes": {"plan": REMOVED}}, 0, "null clears"),
    ({"traits": {"email": {"home": "a@b.example"}}}, {}, 1, "no text: behaviour A1, no attribute has this name"),
    ({"traits": {"email": ["a@b.example"]}}, {}, 1, "no text: behaviour A1"),
    ({"traits": {"firstName": "Ada", "lastName": "L"}}, {"first_name": "Ada", "attributes": {"lastName": "L"}}, 0,
     "segment.com/docs/connections/spec/identify#traits"),
    ({"traits": {"firstName": 7}}, {"first_name": "7"}, 0, "a number is its text"),
    ({"traits": {"firstName": True}}, {"attributes": {"firstName": True}}, 1, "no text"),
    ({"traits": {"first_name": ["Ada"]}}, {}, 1, "behaviour A1"),
    ({"traits": {"timezone": "CET+1"}}, {"attributes": {"timezone": "CET+1"}}, 1, "not an IANA zone"),
    ({"traits": {"time_zone": "Mars/Base"}}, {}, 1, "behaviour A1"),
    ({"traits": {"id": "u-2", "username": "ada"}}, {"attributes": {"username": "ada"}}, 1, "behaviour A1"),
    ({"traits": {"address": {"city": "Köln", "postalCode": "50667"}}},
     {"attributes": {"address": {"city": "Köln", "postalCode": "50667"}}}, 0,
     "segment.com/docs/connections/spec/identify#traits"),
    ({"traits": {"birthday": "1990-01-01T00:00:00Z", "age": 36, "vip": False}},
     {"attributes": {"birthday": "1990-01-01T00:00:00Z", "age": 36, "vip": False}}, 0,
     "segment.com/docs/connections/spec/identify#traits"),
    ({"context": {"traits": {"email": "a@b.example"}}}, {"email": "a@b.example"}, 0, "RudderStack's SDKs"),
]  # fmt: skip


def of(kind: str, message: dict[str, Any], sent_at: Any = None) -> Translation:
    """Translate one message that arrives at noon."""
    raw = {"type": kind, "userId": "u", "messageId": "m", **message}
    return translate(raw, kind, read_mapping(), lambda *_: True, arrived_at=NOW, shared={}, sent_at=sent_at)


@pytest.mark.parametrize(("times", "sent_at", "at", "source"), TIMES)
def test_the_clock_of_the_device_is_corrected(times: dict[str, Any], sent_at: Any, at: datetime, source: str) -> None:
    """As Segment does, by the difference between the device's clock and the arrival."""
    [item] = of("track", {"event": "e", **times}, sent_at).items
    assert item["occurred_at"] == at, source


def test_a_product_keeps_its_id_at_every_attempt() -> None:
    """Ids that are made of the content do not depend on `sentAt`."""
    order = {"event": "Order Completed", "timestamp": "2026-03-02T11:00:00Z", "messageId": None}
    order |= {"properties": {"products": [{"sku": "A"}, {"sku": "B"}]}}
    first, again = ([item["id"] for item in of("track", order, sent).items] for sent in (None, "2026-03-02T11:30:00Z"))
    assert first == again


@pytest.mark.parametrize(("message", "changes", "warnings", "source"), IDENTIFIES)
def test_an_identify(message: dict[str, Any], changes: dict[str, Any], warnings: int, source: str) -> None:
    """Traits that are fields keep the rules of the profile; a trait that is left out or unreachable has a warning."""
    translation = of("identify", message)
    assert translation.changes == {"id": "u", **changes}, source
    assert len(translation.warnings) == warnings, translation.warnings


@pytest.mark.parametrize("kind", ["track", "page", "screen"])
def test_the_zone_of_other_messages_changes_nothing(kind: str) -> None:
    """Only an `identify` describes the user."""
    assert of(kind, {"event": "e", "context": {"timezone": "Europe/Berlin"}}).changes is None


@pytest.mark.parametrize(("attributes", "zone"), [((), None), (("theme",), None), (("time_zone",), "Europe/Berlin")])
def test_a_client_keeps_its_zone_to_itself(attributes: tuple[str, ...], zone: str | None) -> None:
    """Every SDK sends the zone: a client that may not change it is not refused for that."""
    limits = ClientReports("u", attributes)
    message = {"context": {"timezone": "Europe/Berlin", "locale": "de"}, "anonymousId": "a", "traits": {}}
    changes = of("identify", _bind(message, limits)).changes
    assert changes is not None
    limits.check_changes(changes)
    assert changes.get("time_zone") == zone


@pytest.fixture
async def api(sqlite_database: Database) -> AsyncIterator[tuple[httpx.AsyncClient, AppContext]]:
    """The API with a key."""
    context = build_context(Settings(), sqlite_database)
    async with open_client(context) as client:
        yield client, context


MESSAGES: dict[str, dict[str, Any]] = {
    "t": {"type": "track", "event": "e"},
    "i": {"type": "identify", "traits": {"email": "ada@shop.example"}},
    "p": {"type": "page", "name": "Home"},
    "s": {"type": "screen", "name": "Home"},
    "g": {"type": "group", "groupId": "g"},
}


async def test_the_paths_of_the_sdks(api: tuple[httpx.AsyncClient, AppContext]) -> None:
    """analytics-next posts to `/t`, `/i`, … with Basic and text/plain; batched to `/b`, as phones' SDKs do."""
    client = api[0]
    del client.headers["Authorization"]
    for path, message in MESSAGES.items():
        body = {"userId": "u", "messageId": path, "writeKey": KEY, "sentAt": "2026-03-02T12:00:00Z", **message}
        answer = await client.post(f"/v1/{path}", json=body, auth=(KEY, ""), headers={"Content-Type": "text/plain"})
        assert (answer.status_code, answer.json()) == (200, {"success": True}), path
    batch = [{"userId": "u", "messageId": f"b-{path}", **message} for path, message in MESSAGES.items()]
    answer = await client.post("/v1/b", json={"writeKey": KEY, "batch": batch}, auth=(KEY, ""))
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    shown = (await client.get("/v1/users/u", auth=(KEY, ""))).json()
    assert (shown["email"], shown["attributes"]["group_id"]) == ("ada@shop.example", "g")


@pytest.mark.parametrize("path", sorted(SDK_PATHS))
async def test_a_short_path_has_the_rights_of_the_long_one(
    api: tuple[httpx.AsyncClient, AppContext], path: str
) -> None:
    """A request without a key, or with a wrong one, is refused as under the long name; a key in the body does not
    count."""
    client = api[0]
    client.headers["Authorization"] = "Bearer wrong"
    for headers in ({}, {"Authorization": ""}):
        short = await client.post(path, json={"writeKey": KEY, "userId": "u"}, headers=headers)
        long = await client.post(SDK_PATHS[path], json={"writeKey": KEY, "userId": "u"}, headers=headers)
        assert (short.status_code, long.status_code) == (401, 401)
    assert (await client.get(path)).status_code == (await client.get(SDK_PATHS[path])).status_code


async def test_warnings_are_answered(api: tuple[httpx.AsyncClient, AppContext]) -> None:
    """Of a single call as a list, of a batch by the place of the message; a rejected message has none."""
    client, bad = api[0], {"userId": "u", "traits": {"email": "nonsense", "plan": "gold"}}
    single = (await client.post("/v1/identify", json=bad)).json()
    assert single["success"] is True
    assert [one.split(":")[0] for one in single["warnings"]] == ["email"]
    batch = [{"type": "track", "userId": "u", "event": "e"}, {"type": "identify", "messageId": "m", **bad}]
    answer = (await client.post("/v1/batch", json={"batch": batch})).json()
    assert [(one["index"], one["messageId"], len(one["warnings"])) for one in answer["warnings"]] == [(1, "m", 1)]
    shown = (await client.get("/v1/users/u")).json()
    assert (shown["email"], shown["attributes"]) == ("nonsense", {"plan": "gold"})
