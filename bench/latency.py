"""Latency from a trigger without a delay to the provider's call: idle, and at half of what the installation can do.

The trigger is one request with one event to a real API; the provider is a webhook's receiver in the bench's process. It
is measured from the moment at which the request is sent to the moment at which the receiver is called.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from time import perf_counter

import httpx

from bench.figures import Figure, Row, Sample
from bench.installation import open_installation
from bench.receiver import Receiver, run_receiver
from bench.reporting import create_item, report
from bench.rounds import Bench
from connector.rules.model.campaigns import Campaign

ROWS = (
    Row("trigger to provider, idle, p50", "ms"),
    Row("trigger to provider, idle, p99", "ms"),
    Row("trigger to provider, half load, p50", "ms"),
    Row("trigger to provider, half load, p99", "ms"),
)
_WAIT_SECONDS = 120
_BURST, _UNDER_LOAD = 2, 2
"""The burst that finds the capacity, and those sent at half of it, in multiples of those sent while idle."""


async def measure(bench: Bench) -> list[Figure]:
    """Measure one trigger after the other, then the capacity, then triggers at half the capacity."""
    count = bench.sizes.latencies

    async def measure_round(_: int) -> Sequence[Sample]:
        async with open_installation(bench) as installed, run_receiver() as receiver:
            await installed.workspace.publish([_campaign(receiver.port)])
            async with (
                installed.run_worker(quiet=False, CONNECTOR_WEBHOOK_ALLOW_PRIVATE="true"),
                installed.run_api() as api,
            ):
                triggers = _Triggers(api, receiver)
                await triggers.sent_per_second(bench.sizes.warm_ups)
                idle = [await triggers.send_one() for _ in range(count)]
                capacity = await triggers.sent_per_second(count * _BURST)
                loaded = await triggers.send_at(capacity / 2, count * _UNDER_LOAD)
        return [(_percentile(sample, share), None) for sample in (idle, loaded) for share in (0.5, 0.99)]

    return await bench.repeat("latency", ROWS, measure_round)


class _Triggers:
    """Sends triggers, each for a user of its own."""

    def __init__(self, api: httpx.AsyncClient, receiver: Receiver) -> None:
        self._api, self._receiver, self._users = api, receiver, 0

    async def sent_per_second(self, count: int) -> float:
        """Send triggers all at once, and return how many messages per second the provider received."""
        users = [self._next_user() for _ in range(count)]
        started_at = perf_counter()
        await report(self._api, "go", users)
        await self._receiver.wait_for(self._users, _WAIT_SECONDS)
        return count / (perf_counter() - started_at)

    async def send_one(self) -> float:
        """Send a trigger, and return the milliseconds until the provider is called."""
        user, sent_at = await self._send()
        await self._receiver.wait_for(self._users, _WAIT_SECONDS)
        return self._milliseconds(user, sent_at)

    async def send_at(self, rate: float, count: int) -> list[float]:
        """Send triggers at a rate, whether or not earlier ones have arrived; return the milliseconds of each."""
        loop, sending = asyncio.get_running_loop(), []
        began_at = loop.time()
        for number in range(count):
            await asyncio.sleep(max(0.0, began_at + number / rate - loop.time()))
            sending.append(asyncio.create_task(self._send()))
        sent = await asyncio.gather(*sending)
        await self._receiver.wait_for(self._users, _WAIT_SECONDS)
        return [self._milliseconds(user, sent_at) for user, sent_at in sent]

    async def _send(self) -> tuple[str, float]:
        user, now = self._next_user(), datetime.now(UTC)  # noqa: TID251 - the time that a service would report
        body = json.dumps({"interactions": [create_item("go", user, now)]})
        sent_at = perf_counter()
        (await self._api.post("/v1/interactions", content=body)).raise_for_status()
        return user, sent_at

    def _next_user(self) -> str:
        self._users += 1
        return f"u-{self._users}"

    def _milliseconds(self, user: str, sent_at: float) -> float:
        return (self._receiver.called_at[f"/{user}"] - sent_at) * 1000


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _campaign(port: int) -> Campaign:
    delivery = {"type": "action_based", "trigger": [{"event": "go"}], "eligible_again": "always"}
    message = {"webhook": {"url": f"http://127.0.0.1:{port}/{{{{ user.id }}}}", "body": "{}"}}
    return Campaign.model_validate({"campaign": "at-once", "delivery": delivery, "messages": message})
