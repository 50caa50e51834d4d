"""Lifecycle orders over HTTP: answered in the command line's words, and carried out once with an idempotency key."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from temporalio.testing import WorkflowEnvironment

from connector.app.context import AppContext, build_context
from connector.store.engine.database import Database
from connector.store.tables import orders
from connector.temporal.client import TemporalLink
from connector.temporal.registry_client import submit_order
from starter.api.access.scopes import Keys
from starter.operations import orders as operations
from tests.support.api import KEY, configured, open_client
from tests.support.builders import ORIGINAL
from tests.support.workspace import settings_for, working

OTHER_KEY = "another-key-that-only-the-tests-know"
STOP, PUBLISH = "/v1/campaigns/o/stop", "/v1/campaigns/o/publish"


@pytest.fixture
def context(environment: WorkflowEnvironment, sqlite_database: Database, sqlite_url: str, tmp_path: Path) -> AppContext:
    """The API's context, with Temporal but without a worker."""
    settings = settings_for(f"w-{tmp_path.name}", sqlite_url, tmp_path)
    return build_context(settings, sqlite_database, TemporalLink(environment.client))


@pytest.fixture
async def api(context: AppContext) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API, with the draft of an original."""
    async with open_client(context, keys=Keys(configured(KEY, OTHER_KEY))) as client:
        await client.put("/v1/campaigns/o", json=ORIGINAL)
        yield client


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API waits half a second for an order."""
    monkeypatch.setattr(operations, "submit_order", partial(submit_order, answer_timeout=timedelta(seconds=0.5)))


async def order(api: httpx.AsyncClient, url: str, key: str | None, *, caller: str = KEY) -> httpx.Response:
    headers = {"Authorization": f"Bearer {caller}"} | ({} if key is None else {"Idempotency-Key": key})
    return await api.post(url, headers=headers)


async def carried_out(context: AppContext) -> list[str]:
    async with context.database.read(context.workspace) as tx:
        return list((await tx.execute(select(orders.c.verb).order_by(orders.c.version))).scalars())


@pytest.mark.usefixtures("impatient")
async def test_an_order_without_a_worker_is_unanswered(
    api: httpx.AsyncClient, context: AppContext, environment: WorkflowEnvironment
) -> None:
    """504 that says what may happen; the same order with the same key, when a worker has come, is the same order."""
    for _ in range(3):
        answer = await order(api, PUBLISH, "k-1")
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "order_unanswered")
        assert "may still be carried out" in answer.json()["error"]["message"]
    with environment.with_time_skipping_disabled():
        async with working(environment, context.settings):
            receipts = [(await until_answered(api, PUBLISH, "k-1")).json() for _ in range(2)]
    assert receipts[0] == receipts[1]
    assert receipts[0]["changed"] == ["o"]
    assert await carried_out(context) == ["publish"]


async def test_a_key_belongs_to_one_order_of_one_caller(
    api: httpx.AsyncClient, context: AppContext, environment: WorkflowEnvironment
) -> None:
    """Another order with the key is refused, an equal key of another caller is another, and no worker is needed."""
    with environment.with_time_skipping_disabled():
        async with working(environment, context.settings):
            first = await order(api, PUBLISH, "k")
            await order(api, STOP, None)
            others = await order(api, PUBLISH, "k", caller=OTHER_KEY)
    assert (await order(api, PUBLISH, "k")).json() == first.json()
    assert others.json()["order_id"] != first.json()["order_id"]
    refused = await order(api, STOP, "k")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "refused")
    assert "belongs to another order, `publish o`" in refused.json()["error"]["message"]
    assert await carried_out(context) == ["publish", "stop", "publish"]


@pytest.mark.parametrize("key", ["", "with space", "k" * 256])
async def test_a_key_has_a_form(api: httpx.AsyncClient, key: str) -> None:
    """422 that names the header, before anything is ordered."""
    answer = await order(api, PUBLISH, key)
    assert answer.status_code == 422
    assert [fault["key"] for fault in answer.json()["error"]["details"]["faults"]] == ["Idempotency-Key"]


async def until_answered(api: httpx.AsyncClient, url: str, key: str) -> httpx.Response:
    """Repeat the order until it is answered, as a client does; the machine may be slow."""
    while (answer := await order(api, url, key)).status_code == 504:
        pass
    return answer
