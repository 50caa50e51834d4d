"""What services and operators do during a campaign: they report, and order, and repeat what was not answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random  # noqa: TID251 - the seed names the campaign; no rule draws anything
from typing import Any

import httpx
from sqlalchemy import func, select

from connector.store.engine.database import StoreUnavailable
from connector.store.tables import follow_ups
from tests.chaos.system import WORKSPACE, System
from tests.support.builders import BOUGHT, PUSHED, external, follow_on, now

_REPORTS: Sequence[dict[str, Any]] = (
    {"type": "receive_push", "campaign": "o"},
    {"type": "receive_push", "campaign": "o"},
    {"type": "view_in_app_message", "campaign": "o"},
    {"type": "make_purchase"},
    {"type": "event", "name": "looked"},
    {"type": "event", "name": "cart"},
    {"type": "event", "name": "planned"},
)
_SKUS = ("A", "B")
_USERS_OF_A_REPORTER = 4
_BATCHES_OF_A_USER = 12
"""Then another user takes the place, so that no log grows long."""
_STOPPED = "paused"
_PATIENCE_SECONDS = 300
_MAX_DUE = 40


def campaigns(hook: str) -> list[dict[str, Any]]:
    """Return the campaigns: every kind of wait, chained, stopped and resumed; each sends to this URL."""
    again = {"eligible_again": "always"}
    looked, cart, planned = {"event": "looked"}, {"event": "cart"}, {"event": "planned"}
    same = {**BOUGHT, "same": ["sku"]}
    received = {"interaction": "receive_webhook", "campaign": "waits"}
    viewed = {"interaction": "view_in_app_message", "campaign": "o"}
    defined = [
        follow_on("at-once", looked, **again),
        follow_on("waits", PUSHED, delay={"after": "4 seconds"}, exceptions=[BOUGHT], **again),
        follow_on("debounced", cart, delay={"after": "3 seconds"}, exceptions=[cart], retrigger="restart", **again),
        follow_on("by-product", looked, delay={"after": "5 seconds"}, exceptions=[same], key="properties.sku", **again),
        follow_on("once", viewed, delay={"after": "2 seconds"}),
        follow_on("chained", received, delay={"after": "2 seconds"}, **again),
        follow_on(_STOPPED, looked, cart, delay={"after": "6 seconds"}, **again),
        follow_on("planned", planned, delay={"after": "10 seconds"}, exceptions=[BOUGHT], **again),
    ]
    webhook = {"webhook": {"url": hook, "body": "{{ user.id }}"}}
    return [external(), *({**one, "messages": webhook} for one in defined)]


@dataclass
class Load:
    """Reporters and an operator. `accepted` has the ids of the items that were acknowledged.

    `has_room` is clear while more is due than the system should have to do; no service reports then.
    """

    system: System
    seed: int
    accepted: set[str] = field(default_factory=set)
    refused: list[Any] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    _ended_at: float | None = None
    has_room: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self) -> None:
        """Save and publish every campaign."""
        [client, *_] = self.system.clients
        defined = campaigns(self.system.hook)
        for one in defined:
            (await client.put(f"/v1/campaigns/{one['campaign']}", json=one)).raise_for_status()
        for one in reversed(defined):  # follow-ons before what they listen to
            answer = await client.post(f"/v1/campaigns/{one['campaign']}/publish", json={})
            assert answer.is_success, answer.text

    async def run(self, reporters: int) -> None:
        """Report and order until `end`; what has begun is repeated until it is answered."""
        async with asyncio.TaskGroup() as group:
            for number in range(reporters):
                group.create_task(self._report(number))
            group.create_task(self._order())
            group.create_task(self._watch_backlog())

    def end(self) -> None:
        """Begin nothing new."""
        self._ended_at = time.monotonic()

    async def _report(self, number: int) -> None:
        random = Random(f"reporter {self.seed} {number}")
        batch = 0
        while self._ended_at is None:
            users = [
                f"u{number}-{place}-{(batch + place * 3) // _BATCHES_OF_A_USER}"
                for place in range(_USERS_OF_A_REPORTER)
            ]
            items = [
                _item(random, f"{number}-{batch}-{place}", random.choice(users))
                for place in range(random.randint(1, 4))
            ]
            await self.has_room.wait()
            await self._repeat_until_answered(random, items)
            if random.random() < 0.1:  # a service that reports what it has reported
                await self._repeat_until_answered(random, items)
            await asyncio.sleep(random.uniform(0.05, 0.5))
            batch += 1

    async def _repeat_until_answered(self, random: Random, items: list[dict[str, Any]]) -> None:
        while True:
            answer = await self._post(random, "/v1/interactions", {"interactions": items})
            if answer is not None and answer.status_code == 200:
                break
            await self._pause(random)
        for item, result in zip(items, answer.json()["results"], strict=True):
            if result["status"] in ("accepted", "duplicate"):
                self.accepted.add(item["id"])
            else:
                self.refused.append(result)

    async def _watch_backlog(self) -> None:
        """Let no service report while much is due: a slow machine gets less to do."""
        table = follow_ups.c
        due = select(func.count()).select_from(follow_ups)
        due = due.where(table.state.in_(("waiting", "sending")), table.due_at < func.now())
        while self._ended_at is None:
            with suppress(StoreUnavailable):
                async with self.system.database.read(WORKSPACE) as tx:
                    is_little = (await tx.execute(due)).scalar_one() < _MAX_DUE
                (self.has_room.set if is_little else self.has_room.clear)()
            await asyncio.sleep(0.5)
        self.has_room.set()

    async def _order(self) -> None:
        """Stop and resume one campaign again and again; it ends resumed."""
        random = Random(f"operator {self.seed}")
        number, verbs = 0, ("stop", "resume")
        while self._ended_at is None or number % 2 == 1:
            await asyncio.sleep(random.uniform(1.0, 5.0))
            await self._order_until_answered(random, verbs[number % 2], f"order-{number}")
            number += 1

    async def _order_until_answered(self, random: Random, verb: str, key: str) -> None:
        while True:
            answer = await self._post(random, f"/v1/campaigns/{_STOPPED}/{verb}", {}, key)
            if answer is not None and answer.status_code == 200:
                return
            if answer is not None and answer.status_code < 500:
                self.refused.append(answer.text)
                return
            await self._pause(random)

    async def _pause(self, random: Random) -> None:
        """Wait before a repetition. Raises TimeoutError if what began before the peace is still not answered."""
        if self._ended_at is not None and time.monotonic() > self._ended_at + _PATIENCE_SECONDS:
            raise TimeoutError("a request was not answered although there were no faults any more")
        await asyncio.sleep(random.uniform(0.2, 0.6))

    async def _post(self, random: Random, path: str, body: Any, key: str | None = None) -> httpx.Response | None:
        """Ask one of the APIs; None: no answer."""
        client = random.choice(self.system.clients)
        try:
            answer = await client.post(path, json=body, headers={"Idempotency-Key": key} if key else {})
        except httpx.TransportError as error:
            self.requests[type(error).__name__] += 1
            return None
        self.requests[str(answer.status_code)] += 1
        return answer


def _item(random: Random, name: str, user: str) -> dict[str, Any]:
    """Return something that a user did within the last seconds."""
    happened_at = now() - timedelta(seconds=random.choice((0, 0, 0, 0.2, 1, 3)))
    report = {"id": f"e-{name}", "user": user, "occurred_at": happened_at.isoformat(), **random.choice(_REPORTS)}
    return {**report, "properties": {"sku": random.choice(_SKUS)}}
