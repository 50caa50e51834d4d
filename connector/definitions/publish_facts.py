"""Gather the facts that an order is checked against: from the store, from templates, and from the settings (P4, P8)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from types import MappingProxyType

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import Campaign
from connector.rules.model.errors import Source
from connector.rules.publishing.facts import PublishFacts, Variable
from connector.rules.publishing.orders import publish_questions
from connector.store.engine.database import Database
from connector.store.engine.outages import StoreUnavailable
from connector.store.engine.transaction import Transaction
from connector.store.reporting.publish_facts import load_publish_facts
from connector.templating.threads import run_in_thread
from connector.templating.variables import used_variables

_FACTS_SECONDS = 5.0
"""The deadline of the look-up: no order waits longer for its warnings."""
_MAX_ANALYSED = 50
"""The maximum number of campaigns of an order whose templates are analysed."""
_NOT_LOOKED_UP = (
    "the database did not answer in time: nothing was compared with what was reported and with what is known of users"
)
NO_SOURCES: Mapping[str, Source] = MappingProxyType({})


async def gather_facts(
    tx: Transaction,
    catalogue: Catalogue,
    ids: Sequence[str],
    *,
    with_follow_ons: bool = False,
    providers: Collection[str] | None = None,
    sources: Mapping[str, Source] = NO_SOURCES,
) -> PublishFacts:
    """Return the facts about a publication of these ids, or of drafts with them, as of a snapshot of the store.

    Args:
        catalogue: the catalogue with the drafts.
        providers: the channels that have a provider; None: not known.
        sources: where definitions were read from, by id.
    """
    questions = publish_questions(catalogue, ids, with_follow_ons=with_follow_ons)
    facts = await load_publish_facts(tx, questions, catalogue.workspace.robots)
    variables = await run_in_thread(partial(_variables, questions.campaigns))
    return replace(facts, providers=providers, sources=sources, variables=variables)


async def gather_facts_in_time(
    database: Database,
    workspace: str,
    catalogue: Catalogue,
    ids: Sequence[str],
    *,
    with_follow_ons: bool = False,
    providers: Collection[str] | None = None,
    sources: Mapping[str, Source] = NO_SOURCES,
) -> PublishFacts:
    """Return the facts as `gather_facts` does; those of the definitions alone if the store does not answer in time."""
    try:
        async with database.read(workspace, seconds=_FACTS_SECONDS) as tx:
            return await gather_facts(
                tx, catalogue, ids, with_follow_ons=with_follow_ons, providers=providers, sources=sources
            )
    except StoreUnavailable:
        return PublishFacts(providers=providers, sources=sources, unknown=_NOT_LOOKED_UP)


def _variables(campaigns: Sequence[Campaign]) -> dict[str, list[Variable]]:
    return {campaign.id: list(used_variables(campaign)) for campaign in islice(campaigns, _MAX_ANALYSED)}
