"""The `exception` signal, whoever sends it: real workflow, real intake; what is wrong harms nothing and is logged."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from connector import names
from connector.app.logs import configure_logs
from connector.store.tables import interactions, user_aliases
from tests.support.builders import ORIGINAL, now
from tests.support.polling import until
from tests.support.temporal_server import events_of
from tests.support.workspace import LATER, Workspace

ADDRESS = "ada@shop.example"
BOUGHT = {"type": "make_purchase", "id": "p1"}
STARTED = {"type": "start_session"}


def raw(data: bytes, encoding: bytes = b"json/plain") -> RawValue:
    return RawValue(Payload(metadata={"encoding": encoding}, data=data))


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What the worker logs from here on, as it does in production: one JSON object a line."""
    root = logging.getLogger()
    before, level, stream = list(root.handlers), root.level, io.StringIO()
    configure_logs("json", stream=stream)
    root.handlers[0].filters.clear()  # the filter that passes one line of each kind in five minutes

    class Lines(list[dict[str, Any]]):
        def __iter__(self) -> Iterator[dict[str, Any]]:
            return map(json.loads, stream.getvalue().splitlines())

    yield Lines()
    root.handlers[:], root.level = before, level
    structlog.reset_defaults()


async def waiting(workspace: Workspace) -> Any:
    await workspace.open(ORIGINAL, LATER)
    await workspace.receive_push()
    return workspace.workflow_of(await workspace.becomes("later", "waiting"))


NO_OBJECT = "reported_exception_is_dropped"
UNREADABLE = "Failed deserializing signal input"
DROPPED = [
    ([], NO_OBJECT),
    ([BOUGHT, BOUGHT], NO_OBJECT),
    (["make_purchase"], NO_OBJECT),
    ([5], NO_OBJECT),
    ([None], NO_OBJECT),
    ([[BOUGHT]], NO_OBJECT),
    ([raw(b"x", b"binary/plain")], NO_OBJECT),
    ([{**BOUGHT, "name": "x" * 2_050_000}], NO_OBJECT),
    ([raw(b'{"type": "make_purchase')], UNREADABLE),
    ([raw(b'{"type": "make_purchase", "id": "\\ud83d", "email": "%s"}' % ADDRESS.encode())], UNREADABLE),
    ([raw(b"[" * 100_000)], UNREADABLE),
    ([raw(b"{}", b"json/unheard-of")], UNREADABLE),
]


async def test_what_is_no_object_is_dropped_and_logged(workspace: Workspace, lines: list[dict[str, Any]]) -> None:
    """No task fails, nothing is handed to intake, the log names each and quotes none; the next right one counts."""
    handle = await waiting(workspace)

    def count(words: str) -> int:
        """Count the lines of an event of ours, or of a text of the SDK's."""
        return sum(line["event"] == words or words in line.get("text", "") for line in lines)

    for said, words in DROPPED:
        known = count(words)
        await handle.signal(names.EXCEPTION, args=said)
        await until(lambda: count(words) == known + 1)  # noqa: B023 - at once
    assert "ACTIVITY_TASK_SCHEDULED" not in await events_of(handle)
    await handle.signal(names.EXCEPTION, BOUGHT)
    assert (await handle.result()).state == "excepted"
    assert "WORKFLOW_TASK_FAILED" not in await events_of(handle)
    assert ADDRESS not in json.dumps(list(lines))
    [named] = {line["temporal_workflow"]["workflow_id"] for line in lines if line["event"] == NO_OBJECT}
    assert named == handle.id


INVALID = [
    ({}, "type"),
    ({"interactions": [BOUGHT]}, "type"),
    ({"type": f"bought by {ADDRESS}"}, "type"),
    ({**STARTED, ADDRESS: True}, "unknown"),
    ({**STARTED, "id": "a\0b"}, "id"),
    ({**STARTED, "properties": {"note": "\0"}}, "properties"),
    ({**STARTED, "properties": {"note": "x" * 1_000_000}}, "properties"),
    ({**STARTED, "occurred_at": "1970-01-01T00:00:00Z"}, "stale"),
    ({**STARTED, "occurred_at": []}, "occurred_at"),
    ({**STARTED, "occurred_at": f"when {ADDRESS} came"}, "occurred_at"),
    ({"type": "open_push", "campaign": "unheard-of"}, "campaign"),
]


async def test_an_invalid_item_is_logged_and_refused(workspace: Workspace, lines: list[dict[str, Any]]) -> None:
    """Intake refuses the item, the log line names the place and quotes no value, and the wait continues."""
    handle = await waiting(workspace)
    for item, _ in INVALID:
        await handle.signal(names.EXCEPTION, item)
    await until(lambda: sum(line["event"] == "reported_exception_is_invalid" for line in lines) == len(INVALID))
    places = [line["place"] for line in lines if line["event"] == "reported_exception_is_invalid"]
    assert places == [place for _, place in INVALID]
    assert ADDRESS not in json.dumps(list(lines))
    await handle.signal(names.EXCEPTION, BOUGHT)
    assert (await handle.result()).state == "excepted"


async def test_another_user_in_it_counts_for_nothing(workspace: Workspace, lines: list[dict[str, Any]]) -> None:
    """A signal is about the user of the follow-up: logged as theirs, of nobody else's, and a line says so."""
    handle = await waiting(workspace)
    await handle.signal(names.EXCEPTION, {**BOUGHT, "user": "somebody-else"})
    assert (await handle.result()).state == "excepted"
    async with workspace.database.read("default") as tx:
        users = set((await tx.execute(select(user_aliases.c.external_id))).scalars())
        logged = (await tx.execute(select(interactions.c.id, interactions.c.user_key))).all()
    assert users == {"u"}
    assert {user_key for _, user_key in logged} == {handle.id.split("/")[3]}
    assert "reported_exception_names_a_user" in [line["event"] for line in lines]
    assert "somebody-else" not in json.dumps(list(lines))


@pytest.mark.parametrize("offset", [None, timedelta(days=44 * 365)])
async def test_when_it_happened(workspace: Workspace, offset: timedelta | None) -> None:
    """Without a time: when it was handed over; from 2070: now, which is when it became known (M7)."""
    handle = await waiting(workspace)
    before = now()
    time = {} if offset is None else {"occurred_at": (before + offset).isoformat()}
    await handle.signal(names.EXCEPTION, {**BOUGHT, **time})
    assert (await handle.result()).state == "excepted"
    async with workspace.database.read("default") as tx:
        [t] = (await tx.execute(select(interactions.c.t).where(interactions.c.id == "p1"))).scalars()
    assert before - timedelta(seconds=1) <= t <= now() + timedelta(seconds=1)
