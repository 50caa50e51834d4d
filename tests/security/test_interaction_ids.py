"""No caller uses up another user's interaction ids (M6): over HTTP, at every route that takes an id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_process import api_process, logged_ids
from tests.support.builders import at

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


@pytest.mark.parametrize("report", [_interaction, _track, _batch, _purchase_of_two_products])
async def test_another_users_report_uses_up_nobodys_id(report: Report, database_url: str, tmp_path: Path) -> None:
    """M6: Mallory reports Ann's order number first; Ann's purchase counts, and once, on whatever day it is repeated."""
    async with api_process(database_url, tmp_path / "api.log") as api:
        for user, minutes in (("mallory", 0), ("ann", 1), ("ann", -24 * 60)):
            route, body = report(user, minutes)
            (await api.client.post(route, json=body)).raise_for_status()
            logged = set((await logged_ids(database_url)).values())
            assert logged == ({1} if user == "mallory" else {2})
