"""Why a user did or did not get a message: what is stored, put beside the catalogue, told in order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connector.app.context import AppContext
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.errors import ConnectorError
from connector.rules.model.users import suppressed_channels
from connector.rules.model.values import format_instant
from connector.rules.publishing.orders import suggest_id
from connector.store.engine.database import database_now
from connector.store.reporting.history import MOST_DECISIONS, Record, load_record, was_erased
from connector.store.users.users import StoredUser, UserErased, find_user
from starter.explain.decisions import ExplanationBuilder
from starter.explain.explanation import CampaignExplanation, Explanation, NoDecision
from starter.explain.no_decision import explain_no_decision, undecided_campaigns


class UnknownUser(ConnectorError):
    """Nobody told of a user with that id."""


class UnknownCampaign(ConnectorError):
    """No campaign or card has that id."""


async def explain_user(
    context: AppContext, user: str, campaign: str | None = None, *, most: int = MOST_DECISIONS
) -> Explanation:
    """Every decision about a user, of all campaigns or of one, and why nothing happened where nothing did.

    Args:
        most: how many decisions at most, the newest.

    Raises:
        UnknownUser; UnknownCampaign, with a near match; UserErased; StoreUnavailable.
    """
    async with context.database.read(context.workspace) as tx:
        as_of = await database_now(tx)
        stored = await find_user(tx, user)
        if stored is None:
            if await was_erased(tx, user):
                raise UserErased(f"the user {user} was erased; nothing that was decided leads to them any more")
            raise UnknownUser(f"the user {user} is not known: nobody described them or reported what they did")
        record = await load_record(tx, stored.user_key, campaign=campaign, most=most)
    # Read afterwards, so that everything that was decided is about something in it.
    catalogue = await context.cache.at_least(context.database)
    if campaign is not None and campaign not in catalogue.entries:
        raise UnknownCampaign(f"{campaign} is not known; {suggest_id(catalogue, campaign)}")
    return _explanation(stored, record, catalogue, as_of, campaign)


def _explanation(
    stored: StoredUser, record: Record, catalogue: Catalogue, as_of: datetime, campaign: str | None
) -> Explanation:
    decided = sorted({p.campaign for p in record.follow_ups} | {d.campaign for d in record.decided})
    teller = ExplanationBuilder(stored, record, catalogue, as_of)
    return Explanation(
        user=stored.user.id,
        as_of=format_instant(as_of),
        is_cut=record.is_cut,
        unreachable=list(suppressed_channels(stored.user, stored.unreachable)),
        campaigns=[_story(teller, catalogue, name) for name in decided],
        nothing_happened=_nothing(record, catalogue, [campaign] if campaign is not None else None),
    )


def _story(teller: ExplanationBuilder, catalogue: Catalogue, name: str) -> CampaignExplanation:
    entry = catalogue.entries[name]
    return CampaignExplanation(
        campaign=name,
        state=entry.state,
        first_published_at=format_instant(entry.first_effective_at),
        chapters=teller.chapters(name),
    )


def _nothing(record: Record, catalogue: Catalogue, asked: Sequence[str] | None) -> list[NoDecision]:
    """Of what was asked for by name; else of the live follow-ons that the user came near."""
    names = undecided_campaigns(record, catalogue) if asked is None else [n for n in asked if n not in record.campaigns]
    return [explain_no_decision(catalogue.entries[name], record, catalogue) for name in names]
