"""`connector publish`, `stop`, `resume` and `archive`: idempotency keys, and errors while Temporal is down."""

import asyncio
import json
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.publish import Publisher
from connector.rules.model.campaigns import parse_definition
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import Database, database_now
from connector.wire import Order, OrderReceipt
from starter.operations.order_keys import OrderKey
from tests.support.api import NOWHERE, Connector
from tests.support.builders import ORIGINAL


async def publish_as_the_registry(database: Database, order_id: str) -> OrderReceipt:
    """Save a draft of the original, and carry out the order to publish it."""
    async with database.write("default") as tx:
        await save_drafts(tx, [parse_definition(ORIGINAL)], await database_now(tx))
    publisher = Publisher(database, CatalogueCache("default"), "default")
    order = Order(workspace="default", order_id=order_id, verb="publish", ids=("o",))
    receipt: OrderReceipt = await ActivityEnvironment().run(publisher.carry_out_order, order)
    return receipt


async def test_a_repeated_order_has_its_receipt(
    connector: Connector, caller: str, data: Path, sqlite_database: Database
) -> None:
    """An order that was carried out with the key is answered from the store; another one with the key is refused."""
    receipt = await publish_as_the_registry(sqlite_database, OrderKey("k", caller).order_id("default"))
    words = ("--idempotency-key", "k", "--json")
    code, out, _ = await asyncio.to_thread(connector, "publish", "o", *words)
    assert (code, json.loads(out)) == (0, receipt.model_dump(mode="json"))
    code, out, err = await asyncio.to_thread(connector, "stop", "o", *words)
    assert (code, out) == (1, "")
    assert "belongs to another order, `publish o`" in err


async def test_a_new_order_needs_temporal(connector: Connector, data: Path, sqlite_database: Database) -> None:
    """Exit code 1, and the address that was tried, with a key as without."""
    await publish_as_the_registry(sqlite_database, "first")
    for words in ((), ("--idempotency-key", "k")):
        code, out, err = await asyncio.to_thread(connector, "stop", "o", *words)
        assert (code, out) == (1, "")
        assert NOWHERE in err
    code, out, err = await asyncio.to_thread(connector, "stop", "oo")
    assert (code, out) == (1, "")
    assert err == "stop is refused, and nothing was changed:\n  oo is not known; did you mean o?\n"


@pytest.mark.store_only("it calls no operation")
def test_an_idempotency_key_has_a_form(connector: Connector, data: Path) -> None:
    """Exit code 2 for a key that HTTP would not take either."""
    for key in ("", "with space", "k" * 256):
        code, _, err = connector("stop", "nudge", "--idempotency-key", key)
        assert code == 2
        assert "1 to 255 visible ASCII" in " ".join(err.replace("\u2502", " ").split())
