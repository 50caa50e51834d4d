"""The activity `record_interactions`, called by name and in plain JSON from a workflow that is none of ours."""

import asyncio
import dataclasses
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment
from temporalio.worker import Worker

from activities.record import Recorder
from connector.ingest.batches import MAX_ITEMS
from connector.ingest.intake import Intake
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database
from connector.store.tables import interactions, user_aliases
from connector.temporal.codec import ENCODING
from tests.support.builders import ABANDONED, ORIGINAL, PUSHED, buy, follow_on, now, push
from tests.support.installation import Installation
from tests.support.payloads import NEW, connect_with, payloads_in
from tests.support.polling import until
from tests.support.temporal_server import until_event
from tests.support.workspace import LATER, Workspace

STARTED = {"user": "u", "type": "start_session"}
ADDRESS = "ada@shop.example"


@dataclasses.dataclass
class Call:
    """What the caller's workflow is to say to which queue, and how often."""

    queue: str
    said: list[Any]
    attempts: int = 0


@workflow.defn(name="Caller", sandboxed=False)
class Caller:
    """A workflow as others write them: it knows a name, a queue and JSON."""

    @workflow.run
    async def run(self, call: Call) -> Any:
        return await workflow.execute_activity(
            "record_interactions",
            args=call.said,
            task_queue=call.queue,
            start_to_close_timeout=timedelta(seconds=20),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=50), maximum_attempts=call.attempts),
        )


class Service:
    """Somebody else's program: the SDK's own converter, and workflows of its own."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def start(self, queue: str, *said: Any, attempts: int = 0) -> WorkflowHandle[Any, Any]:
        call = Call(queue, list(said), attempts)
        return await self.client.start_workflow("Caller", call, id=uuid4().hex, task_queue="theirs")

    async def call(self, queue: str, *said: Any, attempts: int = 0) -> Any:
        return await (await self.start(queue, *said, attempts=attempts)).result()

    async def fails(self, queue: str, *said: Any, attempts: int = 0) -> tuple[ApplicationError, str]:
        """The activity's failure, and the caller's history without what the caller put there."""
        handle = await self.start(queue, *said, attempts=attempts)
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, ActivityError)
        assert isinstance(failed.value.cause.cause, ApplicationError)
        return failed.value.cause.cause, await failures_of(handle)


async def failures_of(handle: WorkflowHandle[Any, Any]) -> str:
    events = (await handle.fetch_history()).events
    return "".join(str(event) for event in events if "FAILED" in EventType.Name(event.event_type))


@pytest.fixture
async def service(environment: WorkflowEnvironment) -> AsyncIterator[Service]:
    config = environment.client.service_client.config
    client = await Client.connect(config.target_host, namespace=environment.client.namespace)
    with environment.with_time_skipping_disabled():
        async with Worker(client, task_queue="theirs", workflows=[Caller]):
            yield Service(client)


@asynccontextmanager
async def recording(
    environment: WorkflowEnvironment, recorder: Recorder, client: Client | None = None
) -> AsyncIterator[str]:
    """A queue on which only this recorder works, with the environment's client or with this one."""
    queue = uuid4().hex
    async with Worker(client or environment.client, task_queue=queue, activities=[recorder.record_interactions]):
        yield queue


def recorder_of(database: Database, changed: Callable[[], None] = lambda: None) -> Recorder:
    intake = Intake(database, CatalogueCache("default"), "default", retention=timedelta(days=90))
    return Recorder(intake, changed=changed)


async def logged(database: Database) -> list[Any]:
    async with database.read("default") as tx:
        return list((await tx.execute(select(interactions).order_by(interactions.c.seq))).mappings())


async def test_from_a_workflow_by_name(workspace: Workspace, service: Service) -> None:
    """What HTTP takes and answers, on the queue of the workspace; the follow-up that it triggers begins at once."""
    await workspace.open(ORIGINAL, LATER)
    queue = f"connector-{workspace.name}"
    received = {"id": "e1", "user": "u", "type": "receive_push", "campaign": "o", "occurred_at": now().isoformat()}
    body = {"interactions": [received, {"user": "u", "type": "nonsense"}, STARTED, received], "users": [{"id": "v"}]}
    answer = await service.call(queue, body)
    assert [one["status"] for one in answer["results"]] == ["accepted", "invalid", "accepted", "duplicate"]
    assert answer["results"][0] == {"id": "e1", "status": "accepted"}
    assert "is unknown" in answer["results"][1]["fault"]
    assert answer["users"] == [{"id": "v", "status": "accepted"}]
    waiting = workspace.workflow_of(await workspace.becomes("later", "waiting"))
    bought = {"id": "p1", "user": "u", "type": "make_purchase", "occurred_at": now().isoformat()}
    assert await service.call(queue, {"interactions": [bought]}) == {"results": [{"id": "p1", "status": "accepted"}]}
    assert (await waiting.result()).state == "excepted"


@pytest.mark.parametrize("encrypted", [True, False])
async def test_the_answer_has_the_form_of_the_call(
    environment: WorkflowEnvironment, sqlite_database: Database, encrypted: bool
) -> None:
    """A worker with codec keys answers a call in clear in clear, a refusal too: others' workers need no keys."""
    ours = await connect_with(environment, NEW)
    theirs = await connect_with(environment, *([NEW] if encrypted else []))
    with environment.with_time_skipping_disabled():
        async with (
            recording(environment, recorder_of(sqlite_database), ours) as queue,
            Worker(theirs, task_queue="theirs", workflows=[Caller]),
        ):
            caller = Service(theirs)
            handle = await caller.start(queue, {"interactions": [STARTED]})
            assert [one["status"] for one in (await handle.result())["results"]] == ["accepted"]
            failure, _ = await caller.fails(queue, "nonsense")
    assert failure.type == "InvalidInteractions"
    payloads = [one for event in (await handle.fetch_history()).events for one in payloads_in(event)]
    assert {one.metadata["encoding"] for one in payloads} == {ENCODING if encrypted else b"json/plain"}


async def test_users_hold_before_the_items(
    environment: WorkflowEnvironment, service: Service, sqlite_database: Database
) -> None:
    """The audience at the trigger sees what the same call tells of the user."""
    installation = Installation(sqlite_database)
    gold = {"attribute": "tier", "is": "gold"}
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "12 hours"}, audience=gold))
    body = {"interactions": [push("a", 1)], "users": [{"id": "u", "attributes": {"tier": "gold"}}]}
    async with recording(environment, recorder_of(sqlite_database)) as queue:
        await service.call(queue, body)
    assert await installation.outcomes() == [("a", "waiting", None)]


async def test_an_attempt_that_fails_after_its_commit(
    environment: WorkflowEnvironment, service: Service, sqlite_database: Database
) -> None:
    """At most once in effect: without ids and times too, the second attempt finds everything there already."""
    attempts: list[None] = []

    def changed() -> None:
        attempts.append(None)
        if len(attempts) == 1:
            raise ConnectionResetError(f"while telling {ADDRESS}")

    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, ABANDONED)
    items = [STARTED, {"user": "u", "type": "receive_push", "campaign": "o"}, {**STARTED, "id": "mine"}]
    async with recording(environment, recorder_of(sqlite_database, changed)) as queue:
        handle = await service.start(queue, {"interactions": items})
        answer = await handle.result()
    assert len(attempts) == 2
    assert [one["status"] for one in answer["results"]] == ["duplicate"] * 3
    rows = await logged(sqlite_database)
    assert [row["id"] for row in rows] == [one["id"] for one in answer["results"]]
    assert await installation.outcomes() == [(rows[1]["id"], "waiting", None)]
    assert {row["t"] for row in rows} == {await scheduled_at(handle)}


async def scheduled_at(handle: WorkflowHandle[Any, Any]) -> datetime:
    events = (await handle.fetch_history()).events
    kind = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    [scheduled] = [event.event_time for event in events if event.event_type == kind]
    return scheduled.ToDatetime(UTC)


def raw(text: str) -> Any:
    return RawValue(Payload(metadata={"encoding": b"json/plain"}, data=text.encode()))


WRONG = [
    ([], "must be"),
    ([{"interactions": [STARTED]}, 5], "2 arguments are more than one"),
    ([{"interactions": [STARTED]}, {"users": [ADDRESS]}, None], "3 arguments are more than one"),
    ([None], "must be"),
    ([[STARTED]], "must be"),
    ([ADDRESS], "must be"),
    ([{}], "must be"),
    ([{"interactions": {ADDRESS: STARTED}}], "must be"),
    ([{"interactions": [], ADDRESS: 1}], "must be"),
    ([{"interactions": [], "users": None}], "must be"),
    ([{"interactions": [STARTED] * (MAX_ITEMS + 1)}], "1001 interactions are more than 1000"),
    ([{"interactions": [], "users": [{"id": ADDRESS}] * (MAX_ITEMS + 1)}], "1001 users are more than 1000"),
]


async def test_what_is_no_batch_fails_for_good(
    environment: WorkflowEnvironment, service: Service, sqlite_database: Database
) -> None:
    """Not retried, with a type to catch, in words that quote nothing; and nothing was taken."""
    async with recording(environment, recorder_of(sqlite_database)) as queue:
        for said, words in WRONG:
            failure, told = await service.fails(queue, *said)
            assert (failure.type, failure.non_retryable) == ("InvalidInteractions", True), said
            assert words in failure.message
            assert ADDRESS not in told
    assert await logged(sqlite_database) == []
    async with sqlite_database.read("default") as tx:
        assert (await tx.execute(select(func.count()).select_from(user_aliases))).scalar_one() == 0


async def test_a_payload_that_is_not_in_the_clear(sqlite_database: Database) -> None:
    """What a caller's codec encrypted cannot be read: told at once, and not tried for ever."""
    encrypted = RawValue(Payload(metadata={"encoding": b"binary/encrypted"}, data=b"x"))
    with pytest.raises(ApplicationError, match="json/plain") as failed:
        await ActivityEnvironment().run(recorder_of(sqlite_database).record_interactions, encrypted)
    assert (failed.value.type, failed.value.non_retryable) == ("InvalidInteractions", True)


async def test_bad_items_stop_no_other(
    environment: WorkflowEnvironment, service: Service, sqlite_database: Database
) -> None:
    """Null characters, 1970, a number beyond all numbers, a user without an id: each has its fault."""
    bad = [
        {**STARTED, "id": "a\0"},
        {**STARTED, "occurred_at": "1970-01-01T00:00:00Z"},
        {**STARTED, "occurred_at": 5},
        {"type": "start_session"},
        7,
    ]
    body = {"interactions": [*bad, {**STARTED, "occurred_at": "2070-01-01T00:00:00Z"}], "users": [{"email": "x"}]}
    async with recording(environment, recorder_of(sqlite_database)) as queue:
        answer = await service.call(queue, body)
    assert [one["status"] for one in answer["results"]] == ["invalid"] * len(bad) + ["accepted"]
    assert [one["status"] for one in answer["users"]] == ["invalid"]
    [row] = await logged(sqlite_database)
    assert row["t"] <= now(), "M7: it did not happen later than it became known"


async def test_with_the_database_away_it_is_tried_again(
    environment: WorkflowEnvironment, service: Service, sqlite_url: str, tmp_path: Path
) -> None:
    """An ordinary failure without the database's own words; once the database is there, the call goes through."""
    place = tmp_path / "away" / "connector.db"
    database = Database.open(f"sqlite:///{place}")
    place.mkdir()
    async with recording(environment, recorder_of(database)) as queue:
        failure, told = await service.fails(queue, {"interactions": [STARTED]}, attempts=2)
        assert (failure.type, failure.non_retryable) == ("StoreUnavailable", False)
        assert failure.message == "the database cannot be used now"
        assert ("sqlite3" in told, str(tmp_path) in told) == (False, False)
        handle = await service.start(queue, {"interactions": [STARTED]})

        async def is_tried_again() -> bool:
            pending = (await handle.describe()).raw_description.pending_activities
            return bool(pending) and pending[0].attempt >= 3

        await until(is_tried_again, "a third attempt")
        place.rmdir()
        shutil.copy(sqlite_url.removeprefix("sqlite+aiosqlite:///"), place)
        answer = await handle.result()
    assert [one["status"] for one in answer["results"]] == ["accepted"]
    await database.close()


async def test_without_a_worker_it_waits_for_one(
    environment: WorkflowEnvironment, service: Service, sqlite_database: Database
) -> None:
    """Nothing is lost meanwhile, and what has no time of its own happened when it was reported."""
    queue = uuid4().hex
    handle = await service.start(queue, {"interactions": [STARTED]})
    await until_event(handle, "ACTIVITY_TASK_SCHEDULED")
    recorder = recorder_of(sqlite_database)
    async with Worker(environment.client, task_queue=queue, activities=[recorder.record_interactions]):
        answer = await handle.result()
    assert [one["status"] for one in answer["results"]] == ["accepted"]
    [row] = await logged(sqlite_database)
    assert row["t"] == await scheduled_at(handle)


async def test_an_answer_that_always_fits(
    environment: WorkflowEnvironment, service: Service, sqlite_database: Database
) -> None:
    """It comes after the commit: one that Temporal does not take would be tried again for ever."""
    bad = [{"id": "i" * 250 + str(n), "type": "x" * 380} for n in range(MAX_ITEMS - 1)]
    users = [{"id": "i" * 250 + str(n), "k" * 980: 1} for n in range(MAX_ITEMS)]
    async with recording(environment, recorder_of(sqlite_database)) as queue:
        body = {"interactions": [{**STARTED, "id": "good"}, *bad], "users": users}
        answer = await asyncio.wait_for(service.call(queue, body, attempts=2), 60)
    assert answer["results"][0] == {"id": "good", "status": "accepted"}
    assert [len(answer[part]) for part in ("results", "users")] == [MAX_ITEMS, MAX_ITEMS]
    assert all(one["fault"] for one in (*answer["results"][1:], *answer["users"]))


async def test_a_call_is_one_transaction_of_few_statements(installation: Installation) -> None:
    """As many statements for 200 items and users as for two: what intake itself takes, and none besides."""
    await installation.publish(ORIGINAL, ABANDONED)
    recorder, counts = Recorder(installation.intake), []
    await attempt(recorder, {"interactions": [STARTED]})  # which reads the catalogue
    for number in (2, 200):
        items = [push(f"{number}-{place}", 1, f"u{number}-{place}") for place in range(number)]
        items += [buy(f"b{number}-{place}", 2, f"u{number}-{place}") for place in range(number)]
        users = [{"id": f"u{number}-{place}", "attributes": {"tier": "gold"}} for place in range(number)]
        with installation.database.count_statements() as count:
            answer = await attempt(recorder, {"interactions": items, "users": users})
        assert {one["status"] for one in answer["results"]} == {"accepted"}
        counts.append(count.statements)
    assert len(counts[0]) == len(counts[1])
    assert sum(statement.startswith("INSERT INTO interactions") for statement in counts[1]) == 1
    assert sum("pg_advisory" in statement or "BEGIN IMMEDIATE" in statement for statement in counts[1]) == 1


async def attempt(recorder: Recorder, body: Any) -> Any:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, scheduled_time=datetime.now(UTC))  # noqa: TID251
    return await environment.run(recorder.record_interactions, raw(json.dumps(body)))
