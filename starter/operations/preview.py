"""What `connector plan` shows, read in one snapshot of the store; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.publishing.drafting import Definition, DraftResult, draft
from connector.rules.publishing.orders import OrderPlan, check_publish, missed_to_count
from connector.rules.publishing.preview import Drafting, applying_warnings, draftings, elsewhere, to_publish
from connector.store.catalogue.loading import load_catalogue
from connector.store.engine.database import database_now
from connector.store.engine.transaction import Transaction
from connector.store.reporting.overview import WaitCounts, count_waits
from connector.store.users.log import count_on_targets


@dataclass(frozen=True)
class Preview:
    """What applying definitions and publishing all that is not live of them would do.

    `order` is that in which the publication would take effect (P5); with `refusals` it would not. `waits` are of what
    would be published: they stay on the revision that they began with (P10).
    """

    draftings: Sequence[Drafting]
    elsewhere: Sequence[Entry]
    order: Sequence[str]
    refusals: Sequence[str]
    warnings: Sequence[str]
    waits: Sequence[WaitCounts]


async def preview_changes(tx: Transaction, definitions: Sequence[Definition], *, allow_missed: bool = False) -> Preview:
    """Judge definitions as `apply` and `publish` would, as of the database's clock.

    Raises:
        OrderRefused: `apply` would refuse them, with every problem.
    """
    catalogue = await load_catalogue(tx)
    drafted = draft(catalogue, definitions)
    names = to_publish(drafted, definitions)
    plan, refusals = await _weigh(tx, drafted, names, allow_missed)
    return Preview(
        draftings=draftings(catalogue, drafted, definitions),
        elsewhere=elsewhere(catalogue, definitions),
        order=plan.sequence,
        refusals=refusals,
        warnings=[*applying_warnings(catalogue, drafted, names), *plan.warnings],
        waits=await count_waits(tx, names),
    )


async def _weigh(
    tx: Transaction, drafted: DraftResult, names: Sequence[str], allow_missed: bool
) -> tuple[OrderPlan, list[str]]:
    if not names:
        return OrderPlan(()), []
    known: Catalogue = drafted.catalogue
    missed = await count_on_targets(tx, missed_to_count(known, names))
    return check_publish(known, names, now=await database_now(tx), allow_missed=allow_missed, missed=missed)
