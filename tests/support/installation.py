"""An installation for tests: definitions published in a real database, and items as services report them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select, update

from connector.ingest.intake import Intake, ItemResult
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.errors import OrderRefused
from connector.rules.publishing.orders import PLANNERS, plan_publish
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.drafts import save_drafts
from connector.store.catalogue.orders import VersionMoved, commit_order, next_instant
from connector.store.engine.database import Database
from connector.store.tables import decisions, entries, follow_ups, publications, revisions

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Installation:
    """Saves, publishes and ingests, each in its own transaction, as the API and the command line do."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.cache = CatalogueCache("default")
        self.intake = Intake(database, self.cache, "default", retention=timedelta(days=90))

    async def publish(self, *definitions: dict[str, Any], since: datetime | None = LONG_AGO) -> None:
        """Save these definitions and publish them together, as if at `since`; None: now."""
        parsed = [parse_definition(definition) for definition in definitions]
        async with self.database.write("default", lock="exclusive") as tx:
            await save_drafts(tx, parsed, await next_instant(tx))
        await self.order("publish", *[d.id for d in parsed if hasattr(d, "id")])
        if since is not None:
            await self.date_back(since)

    async def date_back(self, since: datetime) -> None:
        """Make every publication have taken effect at `since`."""
        async with self.database.write("default", lock="exclusive") as tx:
            await tx.execute(update(publications).values(opened_at=since))
            await tx.execute(update(revisions).where(revisions.c.effective_at.is_not(None)).values(effective_at=since))
            await tx.execute(update(entries).values(first_effective_at=since))

    async def order(self, verb: str, *ids: str) -> datetime:
        """Carry out an order and return the instant at which it took effect."""
        catalogue = await self.cache.at_least(self.database)
        async with self.database.write("default", lock="exclusive") as tx:
            now = await next_instant(tx)
            plan = plan_publish(catalogue, ids, now=now) if verb == "publish" else PLANNERS[verb](catalogue, ids)
            await commit_order(tx, catalogue, plan, order_id=uuid4().hex, verb=verb, ids=ids, effective_at=now)
        return now

    async def order_until_done(self, verb: str, *ids: str) -> None:
        """Repeat an order while others are committed before it; it may be refused."""
        while True:
            try:
                await self.order(verb, *ids)
            except VersionMoved:
                continue
            except OrderRefused:
                pass
            return

    async def ingest(self, *items: dict[str, Any]) -> list[ItemResult]:
        """Ingest one batch."""
        return await self.intake.ingest(items)

    async def rows(self) -> Sequence[Any]:
        """Return every follow-up, oldest trigger first."""
        async with self.database.read("default") as tx:
            return (await tx.execute(select(follow_ups).order_by(follow_ups.c.triggered_at, follow_ups.c.id))).all()

    async def outcomes(self) -> list[tuple[str, str, str | None]]:
        """Return (trigger, state, exception or reason) of every follow-up, oldest trigger first."""
        return [(row.trigger_id, row.state, row.exception_id or row.reason) for row in await self.rows()]

    async def refusals(self) -> list[tuple[str, str, str]]:
        """Return (campaign, interaction, reason) of every refusal and note."""
        async with self.database.read("default") as tx:
            found = (await tx.execute(select(decisions).order_by(decisions.c.seq))).all()
        return [(row.campaign, row.interaction_id, row.reason) for row in found]
