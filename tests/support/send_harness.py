"""The send activity, run at the times that a test chooses."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from temporalio.testing import ActivityEnvironment

from activities.send import Sender
from connector.rules.model.users import User
from connector.store.tables import deliveries
from connector.store.users.descriptions import save_user
from connector.wire import SendOutcome, SendRequest
from tests.support.builders import at, now
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation

REACHABLE = User(id="u", push_tokens=("t",), email="u@example.com", first_name="Ada")


class SendHarness:
    """Sends the waiting follow-ups of an installation, as Temporal would, at a time that the test chooses."""

    def __init__(self, installation: Installation, channel: FakeChannel, *, rates: Mapping[str, float] = {}) -> None:
        self.installation, self.channel = installation, channel
        self.activity = Sender(
            installation.database,
            installation.cache,
            installation.intake,
            {"push": channel, "email": channel},
            "default",
            rates=rates,
        )

    async def save_user(self, user: User = REACHABLE) -> None:
        async with self.installation.database.write("default") as tx:
            await save_user(tx, user, now())

    async def send(self, *, minutes: float, attempt: int = 1, channel: str = "push", place: int = -1) -> SendOutcome:
        row = (await self.installation.rows())[place]
        request = SendRequest(workspace="default", follow_up_id=row.id, campaign=row.campaign, channel=channel)
        environment = ActivityEnvironment()
        environment.info = dataclasses.replace(
            environment.info, started_time=datetime.fromisoformat(at(minutes)), attempt=attempt
        )
        return await environment.run(self.activity.send, request)

    async def deliveries(self) -> Sequence[Any]:
        async with self.installation.database.read("default") as tx:
            return (await tx.execute(select(deliveries))).all()
