"""Review one campaign before deciding about it: its newest draft as a diff, and what each order would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from connector.app.store_context import StoreContext
from connector.definitions.publish_facts import gather_facts
from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.catalogue.dependencies import with_draft_follow_ons
from connector.rules.publishing.drafting import as_written
from connector.rules.publishing.launch_notes import launches_to_forecast
from connector.rules.publishing.orders import check_publish
from connector.rules.publishing.preview import differences
from connector.store.catalogue.cache import load_catalogue
from connector.store.engine.database import LONG_SECONDS
from connector.store.engine.transaction import Transaction, database_now
from connector.store.reporting.counts import count_waits
from connector.store.reporting.launch_forecasts import forecast_launches
from starter.operations.change_previews import preview_resume, view_resume
from starter.operations.entries import entry_in, name_of
from starter.operations.views import view_entry_with_definition


async def review_campaign(context: StoreContext, id: str) -> dict[str, Any]:
    """Return a campaign or card with what deciding about it needs, as of now; nothing is changed.

    `name`; `draft`: null without a newer revision, else its `revision` and the `differences` from what is live (all
    keys are added if nothing ever was). `publish`: null if there is nothing to publish, else `alone` and, if draft
    follow-ons listen to it, `together`, the publication with them; each has `order`, the ids in the order in which
    they would take effect, `refusals` (it would not take effect at all), `warnings` with the numbers missed, and
    `launches`, to how many users messages go. `resume`: of a stopped one, what resuming would do. `open`: the
    follow-ups that wait or are held, by revision, which a stop would end.

    Raises:
        NotKnown: there is no such campaign or card.
    """
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        catalogue = await load_catalogue(tx)
        entry = entry_in(catalogue, id)
        return {
            **view_entry_with_definition(entry),
            "name": name_of(entry),
            "draft": _view_draft(entry),
            "publish": await _review_publication(context, tx, catalogue, entry),
            "resume": view_resume(await preview_resume(tx, [id])) if entry.state == "stopped" else None,
            "open": [asdict(wait) for wait in await count_waits(tx, [id])],
        }


def _view_draft(entry: Entry) -> dict[str, Any] | None:
    if entry.newest.effective_at is not None:
        return None
    before = entry.published[-1] if entry.published else None
    written = {} if before is None else as_written(before.definition)
    changed = differences(written, as_written(entry.newest.definition))
    return {"revision": entry.newest.number, "differences": [asdict(one) for one in changed]}


async def _review_publication(
    context: StoreContext, tx: Transaction, catalogue: Catalogue, entry: Entry
) -> dict[str, Any] | None:
    if entry.newest.effective_at is not None or entry.state == "archived":
        return None
    together = with_draft_follow_ons(catalogue, [entry.id])
    return {
        "alone": await _review_order(context, tx, catalogue, [entry.id]),
        "together": await _review_order(context, tx, catalogue, together) if len(together) > 1 else None,
    }


async def _review_order(
    context: StoreContext, tx: Transaction, catalogue: Catalogue, ids: Sequence[str]
) -> dict[str, Any]:
    now = await database_now(tx)
    facts = await gather_facts(tx, catalogue, ids, providers=context.settings.provided_channels)
    launches = launches_to_forecast(catalogue, "publish", ids, now)
    forecasts = await forecast_launches(tx, launches, catalogue.workspace, now)
    plan, refusals = check_publish(catalogue, ids, now=now, facts=facts, forecasts=forecasts)
    return {
        "order": list(plan.sequence),
        "refusals": refusals,
        "warnings": list(plan.warnings),
        "launches": [{"campaign": id, **asdict(forecast)} for id, forecast in forecasts.items()],
    }
