"""One batch of providers' events in one transaction: resolve → plan → apply, in a fixed number of statements.

Only delivery reports cost statements of their own: those that settle a message, or report that a text arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from connector.ingest.intake import Intake
from connector.provider_events.delivery_reports import apply_delivery_report
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.provider_events.attribution import (
    AttributionLookup,
    possible_delivery_ids,
    possible_provider_ids,
)
from connector.rules.provider_events.consent import EventWithEffect
from connector.rules.provider_events.effects import interpret_event
from connector.rules.provider_events.events import USER, EventKey
from connector.rules.provider_events.planning import EventBatch, EventOutcome, EventPlan, Statement
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_deliveries_by_id, save_faults
from connector.store.provider_events.attribution import (
    find_by_provider,
    find_holders,
)
from connector.store.provider_events.events import (
    apply_statements,
    delete_unmatched,
    mark_applied,
    save_unmatched,
    update_unmatched_reasons,
)
from connector.store.users.marks import find_erased
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


async def resolve_batch(tx: Transaction, catalogue: Catalogue, batch: EventBatch) -> AttributionLookup:
    """Look up everything that a batch names, in at most five statements.

    Args:
        catalogue: the current one, whose campaigns events may name.
    """
    events = batch.current
    delivery_ids = {key: set(possible_delivery_ids(event, batch.linked_delivery(key))) for key, event in events.items()}
    deliveries = await load_deliveries_by_id(tx, set[str]().union(*delivery_ids.values()))
    others = [event for key, event in events.items() if not delivery_ids[key] & deliveries.keys()]
    by_provider = await find_by_provider(tx, {id for event in others for id in possible_provider_ids(event)})
    others = [event for event in others if not any(id in by_provider for id in possible_provider_ids(event))]
    users = {user for event in others if (user := event.arguments.get(USER))}
    about_address = [event for event in events.values() if interpret_event(event).is_about_address]
    holders: dict[tuple[str, str], list[str]] = {}
    for channel in ("email", "sms"):
        addresses = {e.recipient for e in (*others, *about_address) if e.recipient and e.channel == channel}
        holders |= await find_holders(tx, channel, addresses)
    campaigns = {id for id, entry in catalogue.entries.items() if not entry.is_card}
    erased = await find_erased(tx, users, {(e.channel, e.recipient) for e in others if e.recipient})
    return AttributionLookup(deliveries, by_provider, campaigns, *erased, holders)


async def apply_plan(
    tx: Transaction,
    catalogue: Catalogue,
    plan: EventPlan,
    *,
    intake: Intake,
    retention: timedelta,
    retried: frozenset[EventKey] = frozenset(),
) -> BatchResult:
    """Apply a plan, in a transaction of `with_current_catalogue`.

    Args:
        catalogue: the current one.
        retention: how long the log is kept; reports on older messages are ignored.
        retried: the events that were kept as unmatched, and are deleted unless they are unmatched or refused again.
    """
    outcomes, has_changes = dict(plan.outcomes), False
    if plan.users:
        user_keys = await resolve_and_lock(tx, sorted(plan.users), tx.now, anonymous=plan.stored_users)
        for key, report in plan.reports.items():
            if await apply_delivery_report(tx, catalogue, intake, report, retention=retention):
                outcomes[key], has_changes = EventOutcome.ACCEPTED, True
        await save_faults(tx, plan.faults)
        if plan.interactions:
            items, stored_users = list(plan.interactions.values()), plan.stored_users
            ingested = await intake.ingest_in_transaction(tx, catalogue, items, anonymous=stored_users)
            has_changes = has_changes or ingested.changed
            for key, result in zip(plan.interactions, ingested.results, strict=True):
                is_invalid = result.status == "invalid"
                outcomes[key] = EventOutcome.REFUSED if is_invalid else EventOutcome(result.status)
        outcomes |= await _apply_statements(tx, plan.statements, user_keys)
    newly_unmatched = await _keep_unmatched(tx, plan, outcomes, retried)
    return BatchResult(outcomes, newly_unmatched, has_changes)


async def _apply_statements(
    tx: Transaction,
    statements: Mapping[EventKey, Statement],
    user_keys: Mapping[str, str],
) -> dict[EventKey, EventOutcome]:
    """Apply the new statements to all users concerned, whose rows are locked."""
    new = await mark_applied(tx, statements.keys(), tx.now)
    by_user: dict[str, list[EventWithEffect]] = {}
    for key, statement in statements.items():
        for user in statement.users & user_keys.keys() if key in new else ():
            by_user.setdefault(user_keys[user], []).append((statement.event, statement.effect))
    await apply_statements(tx, by_user, tx.now)
    return {key: EventOutcome.APPLIED if key in new else EventOutcome.DUPLICATE for key in statements}


async def _keep_unmatched(
    tx: Transaction,
    plan: EventPlan,
    outcomes: Mapping[EventKey, EventOutcome],
    retried: frozenset[EventKey],
) -> list[tuple[str, str]]:
    """Keep the unmatched events, or delete those among the retried that are not; return those that are new."""
    if not retried:
        new = await save_unmatched(tx, plan.unmatched, tx.now)
        return [(key[0], plan.unmatched[key][1].value) for key in sorted(new)]
    refused = {key for key, outcome in outcomes.items() if outcome is EventOutcome.REFUSED}
    await delete_unmatched(tx, retried - plan.unmatched.keys() - refused)
    await update_unmatched_reasons(tx, {key: reason for key, (_, reason) in plan.unmatched.items()})
    return []
