"""M7: without `occurred_at`, an item happens when it arrives; one later than the arrival does, too.

Sources: behaviour.md, M7; Segment's specification, "Timestamp overview" (a message without a time gets that of its
receipt).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.ingest.parsing import UnreadableItem, ensure_id, parse_item, read_item, settle_arrival, with_time
from connector.rules.model.interactions import Event, create_log_entry
from connector.rules.targeting.client_reports import own_id, set_apart
from tests.support.builders import ORIGINAL, PUSHED, follow_on
from tests.support.playing import play_short
from tests.support.stories import begin, did, push

NOW = datetime(2026, 3, 2, 12, 0, 0, 741_000, tzinfo=UTC)
LOOKED: dict[str, Any] = {"user": "u", "type": "event", "name": "looked"}


def arrived(data: dict[str, Any], now: datetime = NOW) -> Event:
    item = settle_arrival(read_item(data), now)
    assert isinstance(item, Event)
    return item


@pytest.mark.parametrize(
    ("more", "t"),
    [
        ({}, NOW),
        ({"occurred_at": None}, NOW),
        ({"occurred_at": "2026-03-02T12:00:00.741Z"}, NOW),
        ({"occurred_at": "2026-03-02T12:00:00Z"}, NOW.replace(microsecond=0)),
        ({"occurred_at": "2026-03-02T13:00:00+01:00"}, NOW.replace(microsecond=0)),
        ({"occurred_at": "2026-03-02T12:00:01Z"}, NOW),
        ({"occurred_at": "9999-12-31T23:59:59.999999Z"}, NOW),
        ({"occurred_at": "2026-03-01T12:00:00Z"}, NOW.replace(microsecond=0) - timedelta(days=1)),
    ],
)
def test_time(more: dict[str, Any], t: datetime) -> None:
    """M7: the time is the earlier of the reported time and the arrival."""
    assert create_log_entry(arrived({**LOOKED, **more}), 1, NOW).t == t


@pytest.mark.parametrize("time", ["", "now", "2026-03-02", "2026-03-02T12:00:00", 1772452800, True, [], {}])
def test_invalid_times_are_invalid(time: Any) -> None:
    """M7: a wrong time is a mistake of the sender, not a missing time."""
    assert isinstance(read_item({**LOOKED, "occurred_at": time}), UnreadableItem)


def test_an_id_is_made_on_arrival() -> None:
    """M6: the second is that of the arrival; a given id is kept."""
    first, again, later = (arrived(LOOKED, NOW + timedelta(seconds=s)) for s in (0, 0.2, 1))
    assert first.id == again.id != later.id
    timed = ensure_id(parse_item({**LOOKED, "occurred_at": "2026-03-02T12:00:00Z"}))
    assert first.id == timed.id
    assert arrived({**LOOKED, "id": "e1"}).id == "e1"


def test_a_clients_item_stays_set_apart() -> None:
    """M6: a client cannot take up the id of a server's report by leaving out its time."""
    client = settle_arrival(set_apart(ensure_id(parse_item(LOOKED))), NOW)
    assert not isinstance(client, UnreadableItem)
    assert client.id == f"client:{arrived(LOOKED).id}"
    assert own_id(client.id) == arrived(LOOKED).id
    named = settle_arrival(set_apart(ensure_id(parse_item({**LOOKED, "id": "e1"}))), NOW)
    assert not isinstance(named, UnreadableItem)
    assert named.id == "client:e1"


def test_with_time() -> None:
    """M7: a source that knows when an item was reported sets that time for items without a time."""
    assert (
        with_time(LOOKED, "then")
        == with_time({**LOOKED, "occurred_at": None}, "then")
        == {**LOOKED, "occurred_at": "then"}
    )
    assert with_time({**LOOKED, "occurred_at": "t"}, "then")["occurred_at"] == "t"


def test_a_timeline() -> None:
    """M7: the time of a line is the arrival."""
    f = follow_on("f", PUSHED, eligible_again="always")
    story = [did("10:00", "p", "receive_push", campaign="o", occurred_at=None), push("10:10", "later", "11:00")]
    assert play_short(ORIGINAL, f, begin("o", "f"), story) == ["10:00 f u p sent push", "10:10 f u later sent push"]
