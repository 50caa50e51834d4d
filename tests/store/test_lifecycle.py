"""An order changes the catalogue in the store exactly as the pure function of the rules says."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.catalogue.lifecycle import apply_order
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.errors import OrderRefused
from connector.rules.publishing.drafting import draft
from connector.rules.publishing.orders import PLANNERS, plan_publish
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import database_now
from tests.support.builders import ABANDONED, ORIGINAL
from tests.support.installation import Installation

CARD = {"card": "c", "title": "Spring", "body": "it's here"}
EDITED = {**ABANDONED, "name": "edited"}

STORIES = {
    "P9: stopped, resumed, stopped again": ["publish o f", "stop f", "resume f", "stop o f", "publish f"],
    "P10: edited while live": ["publish o f", "edit", "publish f", "publish f"],
    "P10: edited while stopped, resumed as it was": ["publish f o", "stop f", "edit", "resume f", "publish f"],
    "P10: edited and edited back": ["publish f o", "edit", "publish f", "edit back", "stop f", "publish f"],
    "P9: archived from every state": ["publish f", "archive o c f", "archive c"],
    "P1: cards live the same life": ["publish c", "stop c", "stop c", "resume c", "archive c"],
}


def compared(catalogue: Catalogue) -> Sequence[object]:
    """What must be equal; ids of windows differ."""
    return [
        (
            entry.id,
            entry.state,
            [(revision.number, revision.definition, revision.effective_at) for revision in entry.published],
            entry.newest.number,
            [(window.opened_at, window.closed_at) for window in entry.windows],
        )
        for entry in sorted(catalogue.entries.values(), key=lambda entry: entry.id)
    ]


def carried_out(catalogue: Catalogue, verb: str, ids: Sequence[str], at: datetime) -> Catalogue:
    """The catalogue after the order, by the rules alone."""
    plan = plan_publish(catalogue, ids, now=at) if verb == "publish" else PLANNERS[verb](catalogue, ids)
    return apply_order(catalogue, verb, plan.sequence, at)


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
async def test_store_and_rules_carry_an_order_out_alike(installation: Installation, story: list[str]) -> None:
    """P1, P2, P5, P9, P10: windows, revisions and states after every step."""

    async def save(*definitions: object) -> None:
        nonlocal catalogue
        parsed = [parse_definition(definition) for definition in definitions]
        async with installation.database.write("default") as tx:
            await save_drafts(tx, parsed, await database_now(tx))
        catalogue = draft(catalogue, parsed).catalogue

    catalogue = Catalogue()
    await save(ORIGINAL, ABANDONED, CARD)
    for step in story:
        verb, *ids = step.split()
        if verb == "edit":
            await save(ABANDONED if ids == ["back"] else EDITED)
        else:
            at = await installation.order(verb, *ids)
            catalogue = carried_out(catalogue, verb, ids, at)
        assert compared(catalogue) == compared(await installation.cache.at_least(installation.database))


async def test_refused_by_both(installation: Installation) -> None:
    """P9: what is archived is archived for good."""
    await installation.publish(ORIGINAL)
    await installation.order("archive", "o")
    with pytest.raises(OrderRefused):
        await installation.order("resume", "o")
