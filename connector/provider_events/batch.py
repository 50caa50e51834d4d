"""One batch of providers' events in one transaction: resolve → plan → apply, in a fixed number of statements.

Only delivery reports cost statements of their own: those that settle a message, or report that a text arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from connector.ingest.intake import Intake
from connector.provider_events.delivery_reports import DeliveryReports
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.provider_events.attribution import (
    AttributionLookup,
    possible_delivery_ids,
    possible_provider_ids,
)
from connector.rules.provider_events.consent import EventWithEffect
from connector.rules.provider_events.effects import effect_of
from connector.rules.provider_events.events import USER, EventKey
from connector.rules.provider_events.planning import EventBatch, EventOutcome, EventPlan, Statement
from connector.store.catalogue.versions import Head
from connector.store.provider_events.attribution import (
    find_by_provider,
    find_erased,
    find_holders,
    find_matched_deliveries,
)
from connector.store.provider_events.delivery_reports import note_faults
from connector.store.provider_events.events import (
    change_holders,
    change_reasons,
    delete_applied_events,
    delete_unmatched_events,
    keep_unmatched,
    mark_applied,
)
from connector.store.users.users import resolve_and_lock


@dataclass(frozen=True)
class BatchResult:
    """The result of one batch.

    Args:
        outcomes: by event.
        newly_unmatched: the provider and the reason of each event that is kept from now on.
        has_changes: whether follow-ups may have changed.
    """

    outcomes: Mapping[EventKey, EventOutcome]
    newly_unmatched: Sequence[tuple[str, str]]
    has_changes: bool

    def counts(self) -> Counter[tuple[str, EventOutcome]]:
        """Return the number of events by (provider, outcome)."""
        return Counter((provider, outcome) for (provider, _), outcome in self.outcomes.items())


async def resolve_batch(
    c: AsyncConnection, workspace: str, catalogue: Catalogue, batch: EventBatch
) -> AttributionLookup:
    """Look up everything that a batch names, in at most five statements.

    Args:
        catalogue: the current one, whose campaigns events may name.
    """
    events = batch.current
    delivery_ids = {key: set(possible_delivery_ids(event, batch.linked_delivery(key))) for key, event in events.items()}
    deliveries = await find_matched_deliveries(c, workspace, set[str]().union(*delivery_ids.values()))
    others = [event for key, event in events.items() if not delivery_ids[key] & deliveries.keys()]
    by_provider = await find_by_provider(c, workspace, {id for event in others for id in possible_provider_ids(event)})
    others = [event for event in others if not any(id in by_provider for id in possible_provider_ids(event))]
    users = {user for event in others if (user := event.arguments.get(USER))}
    nameless = [event for event in others if not event.arguments.get(USER)]
    about_address = [event for event in events.values() if effect_of(event).is_about_address]
    holders: dict[tuple[str, str], list[str]] = {}
    for channel in ("email", "sms"):
        addresses = {e.recipient for e in (*nameless, *about_address) if e.recipient and e.channel == channel}
        holders |= await find_holders(c, workspace, channel, addresses)
    campaigns = {id for id, entry in catalogue.entries.items() if not entry.is_card}
    return AttributionLookup(deliveries, by_provider, campaigns, await find_erased(c, workspace, users), holders)


async def apply_plan(
    c: AsyncConnection,
    workspace: str,
    catalogue: Catalogue,
    head: Head,
    plan: EventPlan,
    *,
    intake: Intake,
    reports: DeliveryReports,
    now: datetime,
    retention: timedelta,
    retried: frozenset[EventKey] = frozenset(),
) -> BatchResult:
    """Apply a plan.

    Args:
        catalogue: with `head`, the current one.
        now: the database's time, UTC.
        retention: how long applied and unmatched events are kept.
        retried: the events that were kept as unmatched, and are deleted unless they are unmatched or refused again.
    """
    outcomes, has_changes = dict(plan.outcomes), False
    if plan.users:
        user_keys = await resolve_and_lock(c, workspace, sorted(plan.users), now)
        for key, report in plan.reports.items():
            if await reports.ingest_in_transaction(c, catalogue, head, report) == "received":
                outcomes[key], has_changes = EventOutcome.ACCEPTED, True
        await note_faults(c, workspace, plan.faults)
        if plan.interactions:
            ingested = await intake.ingest_in_transaction(c, catalogue, head, list(plan.interactions.values()))
            has_changes = has_changes or ingested.changed
            for key, result in zip(plan.interactions, ingested.results, strict=True):
                is_invalid = result.status == "invalid"
                outcomes[key] = EventOutcome.REFUSED if is_invalid else EventOutcome(result.status)
        outcomes |= await _apply_statements(c, workspace, plan.statements, user_keys, now)
    newly_unmatched = await _keep_unmatched(c, workspace, plan, outcomes, retried, now)
    if plan.unmatched or EventOutcome.APPLIED in outcomes.values():
        await delete_applied_events(c, workspace, now - retention)
    return BatchResult(outcomes, newly_unmatched, has_changes)


async def _apply_statements(
    c: AsyncConnection,
    workspace: str,
    statements: Mapping[EventKey, Statement],
    user_keys: Mapping[str, str],
    now: datetime,
) -> dict[EventKey, EventOutcome]:
    """Apply the new statements to all users concerned, whose rows are locked."""
    new = await mark_applied(c, workspace, [statement.event for statement in statements.values()], now)
    by_user: dict[str, list[EventWithEffect]] = {}
    for key, statement in statements.items():
        for user in statement.users & user_keys.keys() if key in new else ():
            by_user.setdefault(user_keys[user], []).append((statement.event, statement.effect))
    await change_holders(c, workspace, by_user, now)
    return {key: EventOutcome.APPLIED if key in new else EventOutcome.DUPLICATE for key in statements}


async def _keep_unmatched(
    c: AsyncConnection,
    workspace: str,
    plan: EventPlan,
    outcomes: Mapping[EventKey, EventOutcome],
    retried: frozenset[EventKey],
    now: datetime,
) -> list[tuple[str, str]]:
    """Keep the unmatched events, or delete those among the retried that are not; return those that are new."""
    if not retried:
        new = await keep_unmatched(c, workspace, plan.unmatched, now)
        return [(key[0], plan.unmatched[key][1].value) for key in sorted(new)]
    refused = {key for key, outcome in outcomes.items() if outcome is EventOutcome.REFUSED}
    await delete_unmatched_events(c, workspace, retried - plan.unmatched.keys() - refused)
    await change_reasons(c, workspace, {key: reason for key, (_, reason) in plan.unmatched.items()})
    return []
