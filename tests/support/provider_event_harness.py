"""Provider events about the messages that an installation sent."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select

from connector.channels.protocol import Accepted
from connector.provider_events.intake import ProviderEventIntake
from connector.rules.model.users import User
from connector.rules.provider_events.events import EventKind, ProviderEvent
from connector.store.provider_events.events import load_unmatched
from connector.store.tables import interactions
from connector.store.users.descriptions import save_user
from connector.store.users.users import find_user
from connector.tracking.tokens import OwnLinks, Tokens
from tests.support.builders import BASE, PUSHED, at, follow_on, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.send_harness import SendHarness

URL = "https://t.shop.test"
TOKENS = Tokens(["a secret that only the tests know, and long"], "default", lifetime=timedelta(days=30))
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
LINKS, RETENTION = OwnLinks(TOKENS, URL), timedelta(days=90)
MAIL = follow_on(
    "f", PUSHED, messages={"email": {"subject": "Hi", "text": "there"}}, delay={"after": "30 minutes"},
    eligible_again="always",
)  # fmt: skip
OPENED = follow_on("g", {"interaction": "open_email", "campaign": "f"}, delay={"after": "1 day"})
RECEIVED = follow_on("h", {"interaction": "receive_email", "campaign": "f"}, delay={"after": "1 day"})
ADA = User(id="u", email="Ada@Shop.test", phone="+49 170 1")


class ProviderEventHarness:
    """Ingests events of the messages that an installation sent."""

    def __init__(self, installation: Installation, links: OwnLinks = LINKS, retention: timedelta = RETENTION) -> None:
        self.installation, self.outcomes, self.reasons = installation, Counter[str](), Counter[str]()
        self.sending = SendHarness(installation, FakeChannel(Accepted("<f.email@shop.test>")))
        self.intake = ProviderEventIntake(
            installation.database,
            installation.cache,
            installation.intake,
            "default",
            links=links,
            retention=retention,
            counted=lambda provider, outcome, number: self.outcomes.update({outcome: number}),
            unmatched=lambda provider, reason: self.reasons.update([reason]),
        )

    async def ingest(self, *events: ProviderEvent) -> dict[str, int]:
        """Return how many events had each outcome."""
        self.outcomes.clear()
        await self.intake.ingest(events)
        return dict(self.outcomes)

    async def send_mail(self, answer: Accepted | Exception | None = None) -> str:
        """Trigger the campaign and send its mail; return the id of the delivery."""
        await self.installation.ingest(push("e1", 0))
        if answer is not None:
            self.sending.channel.answers = [answer]
        await self.sending.send(minutes=30, channel="email")
        return str((await self.sending.deliveries())[0].id)

    async def load_log(self, *topics: str) -> list[Any]:
        async with self.installation.database.read("default") as tx:
            found = select(interactions).order_by(interactions.c.t, interactions.c.seq)
            return [row for row in await tx.execute(found) if not topics or row.topic in topics]

    async def find_user(self, id: str = "u") -> Any:
        async with self.installation.database.read("default") as tx:
            return await find_user(tx, id)

    async def save_users(self, *users: User) -> None:
        async with self.installation.database.write("default") as tx:
            for user in users:
                await save_user(tx, user, BASE)

    async def load_unmatched(self) -> list[tuple[str, str]]:
        async with self.installation.database.read("default") as tx:
            return [(one.event.id, one.reason.value) for one in await load_unmatched(tx, limit=1000)]


def event(
    happened: EventKind = EventKind.OPENED,
    id: str = "e",
    minutes: float = 60,
    *,
    provider: str = "sendgrid",
    **fields: Any,
) -> ProviderEvent:
    moment = datetime.fromisoformat(at(minutes)).astimezone(UTC)
    return ProviderEvent(provider, id, happened, moment, **{"agent": CHROME, **fields})


def ours(delivery: str) -> dict[str, Any]:
    return {"arguments": {"delivery": delivery}}


THEIRS = {"arguments": {"campaign": "o", "user": "u"}, "message_id": "m"}


UNMATCHED_EVENTS: list[tuple[ProviderEvent, str]] = [
    (event(id="no campaign", recipient="ada@shop.test"), "no_campaign"),
    (event(id="unknown campaign", arguments={"campaign": "later", "user": "u"}), "unknown_campaign"),
    (event(id="unknown user", arguments={"campaign": "o"}, recipient="nobody@shop.test"), "unknown_user"),
    (event(id="ambiguous", arguments={"campaign": "o"}, recipient="two@shop.test"), "ambiguous_user"),
    (event(id="delivery", arguments={"delivery": "x.email"}), "unknown_delivery"),
    (event(EventKind.BOUNCED, "bounce", permanent=True, recipient="nobody@shop.test"), "unknown_user"),
]
