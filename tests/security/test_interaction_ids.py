"""No caller uses up another user's interaction ids (M6): over HTTP, at every route that takes an id."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.support.api_process import ApiProcess, api_process, logged_ids
from tests.support.builders import at
from tests.support.databases import forget_users

ID = "order-777"
Report = Callable[[str, float], tuple[str, dict[str, Any]]]


def _interaction(user: str, minutes: float) -> tuple[str, dict[str, Any]]:
    item = {"id": ID, "user": user, "type": "make_purchase", "occurred_at": at(minutes)}
    return "/v1/interactions", {"interactions": [item]}


def _track(user: str, minutes: float) -> tuple[str, dict[str, Any]]:
    return "/v1/track", {"userId": user, "event": "bought", "messageId": ID, "timestamp": at(minutes)}


def _batch(user: str, minutes: float) -> tuple[str, dict[str, Any]]:
    return "/v1/batch", {"batch": [{"type": "track", **_track(user, minutes)[1]}]}


def _purchase_of_two_products(user: str, minutes: float) -> tuple[str, dict[str, Any]]:
    route, message = _track(user, minutes)
    products = [{"product_id": "a", "price": 1}, {"product_id": "b", "price": 2}]
    return route, {**message, "event": "Order Completed", "properties": {"order_id": ID, "products": products}}


@pytest.fixture(scope="module")
async def api(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiProcess]:
    """The API as a process of its own, one for all tests of this module on each kind of database."""
    async with api_process(module_database_url, tmp_path_factory.mktemp("ids") / "api.log") as served:
        yield served


@pytest.mark.parametrize("report", [_interaction, _track, _batch, _purchase_of_two_products])
async def test_another_users_report_uses_up_nobodys_id(
    report: Report, api: ApiProcess, module_database_url: str
) -> None:
    """M6: Mallory reports Ann's order number first; Ann's purchase counts, and once, on whatever day it is repeated."""
    await forget_users(module_database_url)
    for user, minutes in (("mallory", 0), ("ann", 1), ("ann", -24 * 60)):
        route, body = report(user, minutes)
        (await api.client.post(route, json=body)).raise_for_status()
        logged = set((await logged_ids(module_database_url)).values())
        assert logged == ({1} if user == "mallory" else {2})
