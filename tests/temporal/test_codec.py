"""The payload codec: the ring of keys, and workflows whose histories it encrypts."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer

from connector import names
from connector.rules.model.errors import OrderRefused
from connector.temporal.client import connector_plugin
from connector.temporal.codec import ENCODING, EncryptionCodec, PayloadUnreadable
from connector.temporal.registry_client import submit_order
from connector.wire import FollowUpResult
from tests.support.payloads import NEW, OLD, codec_key, connect_with, payloads_in
from tests.support.polling import until
from tests.support.temporal_server import events_of, until_event
from tests.support.workflow_harness import SENT, FakeActivities, WorkflowHarness, held
from workflows.follow_up import FollowUpWorkflow
from workflows.launch import LaunchWorkflow
from workflows.registry import RegistryWorkflow

CLEAR = Payload(metadata={"encoding": b"json/plain"}, data=b'{"user_key": "u-17"}')
WORKFLOWS = [FollowUpWorkflow, LaunchWorkflow, RegistryWorkflow]


def test_a_payload_is_encrypted_and_back() -> None:
    """Its metadata too; the same payload never looks the same twice."""
    codec = EncryptionCodec([NEW])
    first, second = codec.encrypt([CLEAR, CLEAR])
    assert first.metadata["encoding"] == ENCODING
    assert first.metadata["encryption-key-id"] == b"2026-11"
    assert first.data != second.data
    assert b"u-17" not in first.SerializeToString()
    assert b"json" not in first.SerializeToString()
    assert codec.decrypt([first, CLEAR, second]) == [CLEAR] * 3


def test_rotation() -> None:
    """The first key encrypts, every listed one decrypts, in any order of steps that leaves no gap."""
    before = EncryptionCodec([OLD]).encrypt([CLEAR])
    steps = [EncryptionCodec([OLD, NEW]), EncryptionCodec([NEW, OLD])]
    written = [*before, *(step.encrypt([CLEAR])[0] for step in steps)]
    assert [one.metadata["encryption-key-id"] for one in written] == [b"2026-10", b"2026-10", b"2026-11"]
    for step in steps:
        assert step.decrypt(written) == [CLEAR] * 3


@pytest.mark.parametrize(
    "ring", [[], [NEW], [codec_key("2026-10", "x")]], ids=["no keys", "another id", "the same id, another key"]
)
def test_without_the_key(ring: list[Any]) -> None:
    """The message names the variable and the key's id, so that an operator knows what is missing."""
    [sealed] = EncryptionCodec([OLD]).encrypt([CLEAR])
    with pytest.raises(PayloadUnreadable, match=r"2026-10.*CONNECTOR_CODEC_KEYS"):
        EncryptionCodec(ring).decrypt([sealed])


@pytest.mark.parametrize("changed", ["data", "nonce", "short", "empty", "key id", "no key id"])
def test_a_changed_payload(changed: str) -> None:
    """Whoever can write to Temporal's database cannot change a payload, or name another key for it."""
    twin = codec_key("twin", "n")  # the same key under another id
    [sealed] = EncryptionCodec([NEW]).encrypt([CLEAR])
    flipped = bytes([sealed.data[-1] ^ 1])
    data = {"data": sealed.data[:-1] + flipped, "nonce": flipped + sealed.data[1:], "short": b"abc", "empty": b""}
    forged = Payload(metadata=dict(sealed.metadata), data=data.get(changed, sealed.data))
    if changed.endswith("key id"):
        del forged.metadata["encryption-key-id"]
    if changed == "key id":
        forged.metadata["encryption-key-id"] = b"twin"
    with pytest.raises(PayloadUnreadable):
        EncryptionCodec([NEW, twin]).decrypt([forged])


def test_without_keys_nothing_changes() -> None:
    """Encryption is off until a key is listed."""
    assert EncryptionCodec().encrypt([CLEAR]) == [CLEAR] == EncryptionCodec().decrypt([CLEAR])


def encodings(history: WorkflowHistory) -> set[bytes]:
    return {payload.metadata["encoding"] for event in history.events for payload in payloads_in(event)}


async def _story(harness: WorkflowHarness) -> list[WorkflowHandle[Any, Any]]:
    """Everything that writes into Temporal: waits, holds, failures, signals, updates, launches, with their texts."""
    exception = {"type": "event", "name": "bought", "id": "e-1"}
    harness.activities.answers["push"][:] = [held(timedelta(seconds=1)), SENT]
    harness.activities.failures = 1
    sent = await harness.follow_up(delay=timedelta(seconds=1))
    excepted = await harness.follow_up(delay=timedelta(days=1))
    await excepted.signal(names.EXCEPTION, exception)
    launch = await harness.launch()
    await submit_order(harness.client, harness.order("publish", "cart"))
    with pytest.raises(OrderRefused, match="refuse-me"):
        await submit_order(harness.client, harness.order("publish", "refuse-me"))
    await sent.result()
    await launch.result()
    await until(lambda: harness.activities.reported, "the exception")
    return [sent, excepted, launch, harness.registry]


async def test_histories_hold_no_clear_payload(environment: WorkflowEnvironment) -> None:
    """Inputs, results, signals, updates, failures, summaries and details: all encrypted, and no event more."""
    kinds: list[list[list[str]]] = []
    for keys in ((), (NEW,)):
        harness = WorkflowHarness(environment, FakeActivities(push=[]), await connect_with(environment, *keys))
        async with harness.workers():
            handles = await _story(harness)
            histories = [await handle.fetch_history() for handle in handles]
        kinds.append([await events_of(handle) for handle in (handles[0], handles[2])])
        if keys:
            assert {frozenset(encodings(history)) for history in histories} == {frozenset({ENCODING})}
            replayer = Replayer(workflows=WORKFLOWS, plugins=[connector_plugin(keys=[NEW])])
            await replayer.replay_workflows(_each(histories))
        else:
            assert ENCODING not in set().union(*map(encodings, histories))
    assert kinds[0] == kinds[1]


async def _each(histories: Sequence[WorkflowHistory]) -> AsyncIterator[WorkflowHistory]:
    for history in histories:
        yield history


async def test_a_worker_without_the_key(environment: WorkflowEnvironment) -> None:
    """It names the variable and sends nothing; the follow-up goes on once a worker has the key."""
    with_key = WorkflowHarness(environment, FakeActivities(push=[SENT]), await connect_with(environment, NEW))
    without = WorkflowHarness(environment, with_key.activities, await connect_with(environment))
    without.workspace = with_key.workspace
    handle = await with_key.follow_up()
    async with without.workers():
        await until(lambda: _failed_tasks(handle), "a failed workflow task")
    assert with_key.activities.sent == []
    [message, *_] = await _failed_tasks(handle)
    assert "'2026-11', which CONNECTOR_CODEC_KEYS does not list" in message
    async with with_key.workers():
        assert (await handle.result()).state == "sent"


async def _failed_tasks(handle: WorkflowHandle[Any, Any]) -> list[str]:
    events = (await handle.fetch_history()).events
    failed = [event.workflow_task_failed_event_attributes for event in events]
    return [one.failure.message for one in failed if one.HasField("failure")]


@pytest.mark.parametrize(("before", "after"), [((), (NEW,)), ((OLD, NEW), (NEW, OLD))], ids=["switched on", "rotated"])
async def test_keys_change_while_a_follow_up_waits(
    environment: WorkflowEnvironment, before: tuple[Any, ...], after: tuple[Any, ...]
) -> None:
    """It was started, and has waited, with the keys of before; workers that have the new ones too end it."""
    first = WorkflowHarness(environment, FakeActivities(push=[SENT]), await connect_with(environment, *before))
    second = WorkflowHarness(environment, first.activities, await connect_with(environment, *after))
    second.workspace = first.workspace
    handle = await first.follow_up(delay=timedelta(seconds=4))
    async with first.workers():
        await until_event(handle, "TIMER_STARTED")
    async with second.workers():
        assert (await second.client.get_workflow_handle(handle.id, result_type=FollowUpResult).result()).state == "sent"
    ids = {payload.metadata.get("encryption-key-id") for event in (await handle.fetch_history()).events
           for payload in payloads_in(event)}  # fmt: skip
    assert ids == {before[0].id.encode() if before else None, after[0].id.encode()}


async def test_an_order_from_a_process_without_the_key(environment: WorkflowEnvironment) -> None:
    """Its answer cannot be read; the error gives the reason, and the order was carried out."""
    harness = WorkflowHarness(environment, FakeActivities(push=[]), await connect_with(environment, NEW))
    async with harness.workers():
        with pytest.raises(PayloadUnreadable, match="CONNECTOR_CODEC_KEYS"):
            await submit_order(await connect_with(environment), harness.order("publish", "cart"))
    assert [order.ids for order in harness.activities.orders] == [("cart",)]


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_service_reports(environment: WorkflowEnvironment, encrypted: bool) -> None:
    """Signals of a service are read whether it has the keys or not: programs in other languages need not have them."""
    harness = WorkflowHarness(environment, FakeActivities(push=[SENT]), await connect_with(environment, NEW))
    service = await connect_with(environment, *([NEW] if encrypted else []))
    async with harness.workers():
        waiting = await harness.follow_up(delay=timedelta(days=1))
        exception = {"type": "event", "name": "bought", "id": "e-1"}
        await service.get_workflow_handle(waiting.id).signal(names.EXCEPTION, exception)
        await until(lambda: harness.activities.reported, "the exception")
    assert [reported.item["id"] for reported in harness.activities.reported] == ["e-1"]
