"""An operator who settles and resends messages of one installation, and the sender that its workflows would call."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.testing import ActivityEnvironment

from activities.send import Sender
from connector import names
from connector.app.context import AppContext, build_context
from connector.channels.keeping import KEEP_NOTHING, TextKeeper
from connector.channels.protocol import Accepted
from connector.provider_events.delivery_reports import apply_delivery_report
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.users import User
from connector.rules.provider_events.delivery_reports import DeliveryReport
from connector.settings.application import Settings
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import database_now
from connector.store.engine.transaction import Transaction
from connector.store.tables import deliveries, receipts
from connector.store.users.descriptions import save_user
from connector.wire import SendOutcome, SendRequest
from starter.operations.bulk import act_on_page
from starter.operations.bulk_actions import BulkAction
from starter.operations.follow_ups import Criteria
from starter.operations.resending import ResendResult, resend
from starter.operations.settling import Settled, resolve
from tests.support.actors import OPERATOR
from tests.support.builders import ORIGINAL, at, push
from tests.support.fake_channel import FakeChannel, Killed
from tests.support.installation import Installation


class RepairDesk:
    """Follow-ups of push and email on a real database, with providers whose answers a test decides."""

    def __init__(
        self, installation: Installation, channel: FakeChannel | None = None, *, keeper: TextKeeper = KEEP_NOTHING
    ) -> None:
        self.installation, self.channel = installation, channel or FakeChannel()
        channels = {"push": self.channel, "email": self.channel}
        self.sender = Sender(
            installation.database, installation.cache, installation.intake, channels, "default", keeper=keeper
        )
        self.context: AppContext = build_context(Settings(), installation.database)

    async def open(self, *definitions: dict[str, Any], user: str = "u") -> None:
        """Publish the definitions, and have one user trigger them half an hour before they are due."""
        await self.installation.publish(ORIGINAL, *definitions)
        await self.describe(user)
        await self.installation.ingest(push("e1", 0, user))

    async def describe(self, user: str, **fields: Any) -> None:
        """Describe a user who can be reached by push and email."""
        async with self.installation.database.write("default") as tx:
            known = User(id=user, **({"push_tokens": ("t",), "email": "u@example.com"} | fields))
            await save_user(tx, known, await database_now(tx))

    async def row(self, place: int = 0) -> Any:
        """Return a follow-up, oldest trigger first."""
        return (await self.installation.rows())[place]

    async def attempt(
        self,
        channel: str,
        answer: Any = None,
        *,
        when: datetime | None = None,
        place: int = 0,
        resends: int | None = None,
    ) -> Any:
        """Make one attempt, which the provider answers so; by default half an hour after the trigger.

        Args:
            resends: the number of the resend whose workflow makes it; None: the newest.
        """
        self.channel.answers = [Accepted("p-1") if answer is None else answer]
        row = await self.row(place)
        request = SendRequest(workspace="default", follow_up_id=row.id, campaign=row.campaign, channel=channel)
        number = row.resends if resends is None else resends
        workflow = names.follow_up_id("default", row.campaign, row.user_key, row.id, number)
        environment = _at(when or datetime.fromisoformat(at(30)), workflow)
        outcome: SendOutcome = await environment.run(self.sender.send, request)
        return outcome

    async def lose(self, channel: str, *, place: int = 0) -> None:
        """Hand a message over and die: a later attempt finds that its result is unknown (guarantee 4)."""
        with pytest.raises(Killed):
            await self.attempt(channel, Killed(), place=place)
        await self.attempt(channel, place=place)

    async def resolve(self, verdict: str, channel: str | None = None, *, note: str = "asked them") -> Settled:
        """Settle a message of the only follow-up: `sent` or `not_sent`."""
        row = await self.row()
        sent = verdict == "sent"
        return await resolve(self.context, OPERATOR, row.id, was_sent=sent, channel=channel, note=note)

    async def resend(self, channel: str | None = None) -> ResendResult:
        """Send the only follow-up again."""
        [result] = await resend(self.context, OPERATOR, [(await self.row()).id], channel=channel)
        return result

    async def report(self, channel: str, *, arrived: bool = True, fault: str | None = None) -> None:
        """Let the provider report on the first message of the only follow-up: by default, that it arrived."""
        report = DeliveryReport(f"{(await self.row()).id}.{channel}", None, arrived=arrived, fault=fault)

        async def apply(tx: Transaction, catalogue: Catalogue) -> bool:
            return await apply_delivery_report(tx, catalogue, self.context.intake, report, retention=timedelta(days=90))

        await with_current_catalogue(self.context.database, self.context.cache, "default", apply)

    async def act(
        self,
        verb: Any,
        *,
        to: Any = None,
        limit: int = 500,
        after: str | None = None,
        sent: bool | None = None,
        note: str | None = "outage",
        dry_run: bool = False,
        **criteria: Any,
    ) -> Any:
        """Carry out an action on a page of the follow-ups that match: by default of campaign `f`."""
        action = BulkAction(verb, Criteria(**{"campaign": "f", **criteria}), to, note, was_sent=sent)
        return await act_on_page(self.context, OPERATOR, action, after=after, limit=limit, dry_run=dry_run)

    async def stored(self, table: Any) -> Sequence[Any]:
        """Return all rows of a table."""
        async with self.installation.database.read("default") as tx:
            return (await tx.execute(select(table))).all()

    async def messages(self) -> list[tuple[str, str]]:
        """Return the deliveries, each as its id without the follow-up's, with its state."""
        return sorted((row.id.partition(".")[2], row.state) for row in await self.stored(deliveries))

    async def received(self) -> list[datetime]:
        """Return when the user received what counts as received."""
        return [row.received_at for row in await self.stored(receipts)]


def _at(instant: datetime, workflow_id: str) -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, started_time=instant, workflow_id=workflow_id)
    return environment
