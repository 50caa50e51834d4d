"""Campaigns for which nothing was decided about a user: what came nearest, and why it did not count."""

from __future__ import annotations

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.explaining.near_miss_wording import describe_near_miss
from connector.rules.explaining.near_misses import listens_to_any, nearest_miss, subjects_of
from connector.rules.explaining.wording import describe_condition
from connector.rules.model.campaigns import Campaign, Scheduled
from connector.store.reporting.history import Record
from starter.explain.explanation import NoDecision
from starter.explain.interaction import interaction_view


def undecided_campaigns(record: Record, catalogue: Catalogue) -> list[str]:
    """The live follow-ons whose targets the user interacted with, and for which nothing was ever decided."""
    subjects = subjects_of(record.items.values())
    return sorted(
        entry.id
        for entry in catalogue.entries.values()
        if entry.state == "active" and entry.id not in record.campaigns and listens_to_any(entry, subjects)
    )


def explain_no_decision(entry: Entry, record: Record, catalogue: Catalogue) -> NoDecision:
    """Why nothing happened for this one, by what of the user is still logged."""
    miss = nearest_miss(entry, record.items.values(), catalogue)
    if miss is None:
        words, shortfall, name, wanted, had, item = _without_near(entry), None, None, None, None, None
    else:
        words, shortfall, name = describe_near_miss(miss, entry, catalogue), miss.shortfall.value, miss.name
        wanted, had, item = miss.wanted, miss.had, miss.logged
    return NoDecision(
        campaign=entry.id,
        state=entry.state,
        nearest=interaction_view(item) if item is not None else None,
        shortfall=shortfall,
        name=name,
        wanted=wanted,
        had=had,
        words=words,
    )


def _without_near(entry: Entry) -> str:
    definition = (entry.live or entry.newest).definition
    if not isinstance(definition, Campaign):
        return f"{entry.id} is a card, which no interaction starts"
    if definition.follow_on is None:
        how = "goes to its audience" if isinstance(definition.delivery, Scheduled) else "is sent by another system"
        return f"{entry.id} has no trigger: it {how}, and no interaction starts it"
    wanted = " or ".join(map(describe_condition, definition.follow_on.trigger))
    return f"the trigger asks for {wanted}, and nothing that is logged of the user comes near it"
