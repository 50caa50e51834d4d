"""A shop after two weeks: campaigns, users and what they did, for pictures of the console and for people who try it.

Everything goes through the program itself: items are ingested, and the send activity sends what is due, at the time
at which it was due. Only the publications are dated back.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.send import Sender
from connector.channels.protocol import Accepted, OutcomeUnknown, OutgoingMessage, Rejected
from connector.definitions import read_definitions
from connector.rules.model.users import User
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import Database, database_now
from connector.store.users.descriptions import save_user
from connector.wire import SendRequest
from tests.support.installation import Installation

DEFINITIONS = Path(__file__).with_name("shop.yaml")
DAYS = 14
_NAMES = ("Ada", "Ben", "Chloe", "Dan", "Eva", "Finn", "Grace", "Hugo", "Ines", "Jon", "Kim", "Lea", "Max", "Nora")
_ZONES = ("Europe/Berlin", "Europe/Lisbon", "America/New_York", "Asia/Tokyo")
_STEP = timedelta(hours=6)
_DRAFTS = frozenset({"spring-banner", "spring-follow-up"})
_STOPPED = "loyalty"


class ShopChannel:
    """A provider that refuses one message in 25 and loses one answer in 60."""

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Accept, refuse or lose a message, by its user."""
        share = _share(message.address.user_id, "channel")
        if share < 1 / 25:
            raise Rejected("http_400", "the payload is not valid")
        if share > 1 - 1 / 60:
            raise OutcomeUnknown("timeout")
        return Accepted(f"p-{message.address.user_id}")

    async def close(self) -> None:
        """Close nothing."""


def _share(*words: object) -> float:
    """Return a number from 0 to 1 that the words determine."""
    digest = hashlib.sha256(" ".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


async def fill_shop(database: Database, *, users: int = 240) -> None:
    """Publish the shop's campaigns as of two weeks ago, create its users, and play what they did until now.

    Args:
        users: how many users there are, `u-1` and so on.
    """
    shop = Installation(database)
    async with database.write("default", lock="exclusive") as tx:
        now = await database_now(tx)
        definitions = read_definitions(DEFINITIONS).all
        await save_drafts(tx, definitions, now)
        for number in range(1, users + 1):
            await save_user(tx, _user(number), now)
    await shop.order("publish", *(one.id for one in definitions if hasattr(one, "id") and one.id not in _DRAFTS))
    await shop.date_back(now - timedelta(days=DAYS + 1))
    channels = dict.fromkeys(("push", "email"), ShopChannel())
    sender = Sender(database, shop.cache, shop.intake, channels, "default")
    items = [item for number in range(1, users + 1) for item in _items(number, now - timedelta(days=DAYS))]
    at = now - timedelta(days=DAYS)
    while at < now:
        end = min(at + _STEP, now)
        some = sorted((item for item in items if at <= item["occurred_at"] < end), key=lambda item: item["occurred_at"])
        if some:
            await shop.ingest(*({**item, "occurred_at": item["occurred_at"].isoformat()} for item in some))
        await _send_due(shop, sender, end)
        at = end
    await shop.order("stop", _STOPPED)


async def _send_due(shop: Installation, sender: Sender, until: datetime) -> None:
    """Send what is due, each at its due time; a message may trigger another one that is due too."""
    tried: set[str] = set()
    while due := [
        row
        for row in await shop.rows()
        if row.state in ("waiting", "held") and row.next_at <= until and row.id not in tried
    ]:
        for row in sorted(due, key=lambda one: one.next_at):
            tried.add(row.id)
            environment = ActivityEnvironment()
            environment.info = dataclasses.replace(environment.info, started_time=row.next_at, attempt=1)
            [channel] = row.channels
            request = SendRequest(workspace="default", follow_up_id=row.id, campaign=row.campaign, channel=channel)
            await environment.run(sender.send, request)


def _user(number: int) -> User:
    id = f"u-{number}"
    has_device, is_subscribed = _share(id, "device") > 0.06, _share(id, "consent") > 0.08
    return User(
        id=id,
        email=f"{_NAMES[number % len(_NAMES)].lower()}.{number}@shop.example",
        push_tokens=(f"token-{number}",) if has_device else (),
        first_name=_NAMES[number % len(_NAMES)],
        time_zone=_ZONES[number % len(_ZONES)],
        attributes={"tier": "staff" if _share(id, "tier") < 0.04 else "gold" if number % 5 == 0 else "silver"},
        consent={"push": "subscribed" if is_subscribed else "unsubscribed"},
    )


def _items(number: int, since: datetime) -> Iterator[dict[str, Any]]:
    """Return what a user does in two weeks, in wire form, with the times as `datetime`."""
    user = f"u-{number}"

    def item(prefix: str, at: datetime, **kind: Any) -> dict[str, Any]:
        return {"id": f"{prefix}-{number}", "user": user, "occurred_at": at, **kind}

    if _share(user, "cart") < 0.75:
        left = since + timedelta(days=DAYS) * _share(user, "cart at")
        sku = f"shoe-{number % 7}"
        yield item("cart", left, type="event", name="cart_abandoned", properties={"sku": sku})
        opens, buys = _share(user, "opens"), _share(user, "buys")
        if opens < 0.2:
            yield item("open-1", left + timedelta(hours=20 * opens + 0.1), type="open_push", campaign="abandoned-cart")
        elif opens < 0.55:
            yield item("open-2", left + timedelta(hours=24.2 + 9 * opens), type="open_push", campaign="cart-reminder")
        if buys < 0.15 or 0.8 < buys < 0.97:
            hours = 60 * buys + 0.5 if buys < 0.15 else 24.5 + 30 * (buys - 0.8)
            bought = {"product": sku, "price": 90, "currency": "EUR"}
            yield item("buy", left + timedelta(hours=hours), type="make_purchase", properties=bought)
    if _share(user, "welcome") < 0.6:
        opened = since + timedelta(days=DAYS) * _share(user, "welcome at")
        yield item("welcome", opened, type="open_email", campaign="welcome", properties={"opens": "human"})
    if _share(user, "loyalty") < 0.12:
        joined = since + timedelta(days=DAYS) * _share(user, "loyalty at")
        yield item("join", joined, type="click_email_alias", campaign="loyalty", properties={"alias": "join"})
