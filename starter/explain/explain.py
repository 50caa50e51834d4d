"""Explain the decisions about one user: load the record and the catalogue, and describe each decision in order.

ConnectorError
├── UnknownUser      no user with that id was ever reported or described
└── UnknownCampaign  no campaign or card has that id
"""

from __future__ import annotations

from datetime import datetime

from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.explaining.near_misses import describe_near_miss, listens_to_any, nearest_miss, subjects_of
from connector.rules.explaining.wording import describe_condition
from connector.rules.model.campaigns import Campaign, Scheduled
from connector.rules.model.errors import ConnectorError
from connector.rules.model.users import suppressed_channels
from connector.rules.model.values import format_instant
from connector.rules.publishing.orders import suggest_id
from connector.store.engine.database import database_now
from connector.store.engine.transaction import Transaction
from connector.store.reporting.history import MAX_DECISIONS, UserRecord, load_user_record
from connector.store.users.marks import find_erased_ids
from connector.store.users.users import StoredUser, UserErased, find_key, find_user, load_users
from starter.explain.decisions import ExplanationBuilder, interaction_view
from starter.explain.explanation import CampaignExplanation, Explanation, NoDecision


class UnknownUser(ConnectorError):
    """No user with that id was ever reported or described."""


class UnknownCampaign(ConnectorError):
    """No campaign or card has that id."""


async def explain_user(
    context: StoreContext, user: str, campaign: str | None = None, *, most: int = MAX_DECISIONS
) -> Explanation:
    """Explain every decision about a user, of all campaigns or of one, and why others made none.

    Args:
        user: any id of the user, or the `user_key`.
        most: how many decisions at most, the newest.

    Raises:
        UnknownUser, UserErased, StoreUnavailable.
        UnknownCampaign: the message names the nearest id.
    """
    async with context.database.read(context.workspace) as tx:
        as_of = await database_now(tx)
        stored = await load_known_user(tx, user)
        record = await load_user_record(tx, stored.user_key, campaign=campaign, limit=most)
    # Loaded after the record, so that it contains every entry that the record refers to.
    catalogue = await context.cache.at_least(context.database)
    if campaign is not None and campaign not in catalogue.entries:
        raise UnknownCampaign(f"{campaign} is not known; {suggest_id(catalogue, campaign)}")
    builder = ExplanationBuilder(context.workspace, stored, record, catalogue, as_of)
    return _explanation(builder, stored, record, catalogue, as_of, campaign)


async def load_known_user(tx: Transaction, user: str) -> StoredUser:
    """Load a user by any id or by the user key. Raises UnknownUser, UserErased."""
    stored = await find_user(tx, user) or (await load_users(tx, [user])).get(user)
    if stored is not None:
        return stored
    if await find_erased_ids(tx, [user]) or await find_key(tx, user):
        raise UserErased(f"the user {user} was erased; no decision names them any more")
    raise UnknownUser(f"the user {user} is not known: no report and no description names them")


def _explanation(
    builder: ExplanationBuilder,
    stored: StoredUser,
    record: UserRecord,
    catalogue: Catalogue,
    as_of: datetime,
    campaign: str | None,
) -> Explanation:
    decided = sorted({p.campaign for p in record.follow_ups} | {d.campaign for d in record.decided})
    if campaign is None:
        undecided = _undecided_near_misses(record, catalogue)
    else:
        undecided = [] if campaign in record.campaigns else [campaign]
    return Explanation(
        user=stored.user.id,
        user_key=stored.user_key,
        as_of=format_instant(as_of),
        is_cut=record.is_cut,
        unreachable=list(suppressed_channels(stored.user, stored.unreachable)),
        campaigns=[_campaign_explanation(builder, catalogue.entries[name]) for name in decided],
        nothing_happened=[_explain_no_decision(catalogue.entries[name], record, catalogue) for name in undecided],
    )


def _campaign_explanation(builder: ExplanationBuilder, entry: Entry) -> CampaignExplanation:
    return CampaignExplanation(
        campaign=entry.id,
        state=entry.state,
        first_published_at=format_instant(entry.first_effective_at),
        chapters=builder.decisions(entry.id),
    )


def _undecided_near_misses(record: UserRecord, catalogue: Catalogue) -> list[str]:
    """Return the live follow-ons without a decision that listen to something that the user interacted with."""
    subjects = subjects_of(record.items.values())
    return sorted(
        entry.id
        for entry in catalogue.entries.values()
        if entry.state == "active" and entry.id not in record.campaigns and listens_to_any(entry, subjects)
    )


def _explain_no_decision(entry: Entry, record: UserRecord, catalogue: Catalogue) -> NoDecision:
    """Explain why a campaign made no decision, from what is still logged of the user."""
    miss = nearest_miss(entry, record.items.values(), catalogue)
    return NoDecision(
        campaign=entry.id,
        state=entry.state,
        nearest=interaction_view(miss.logged) if miss and miss.logged else None,
        shortfall=miss.shortfall.value if miss else None,
        name=miss.name if miss else None,
        wanted=miss.wanted if miss else None,
        had=miss.had if miss else None,
        words=describe_near_miss(miss, entry, catalogue) if miss else _describe_no_near_miss(entry),
    )


def _describe_no_near_miss(entry: Entry) -> str:
    definition = (entry.live or entry.newest).definition
    if not isinstance(definition, Campaign):
        return f"{entry.id} is a card, which no interaction starts"
    if definition.follow_on is None:
        how = "goes to its audience" if isinstance(definition.delivery, Scheduled) else "is sent by another system"
        return f"{entry.id} has no trigger: it {how}, and no interaction starts it"
    triggers = " or ".join(map(describe_condition, definition.follow_on.trigger))
    return f"the trigger requires {triggers}, and no logged interaction of the user comes near it"
