"""Previews of `apply` and `publish`, and of `resume`, which change nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from connector.definitions.publish_facts import NO_SOURCES, gather_facts
from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import AnyDefinition, Campaign
from connector.rules.model.errors import Source
from connector.rules.publishing.drafting import draft
from connector.rules.publishing.launch_notes import launches_to_forecast
from connector.rules.publishing.orders import OrderPlan, check_publish, plan_resume
from connector.rules.publishing.preview import (
    DefinitionPreview,
    applying_warnings,
    other_entries,
    preview_definitions,
    unpublished_ids,
)
from connector.rules.sending.launch_times import LaunchForecast
from connector.store.catalogue.cache import load_catalogue
from connector.store.engine.database import database_now
from connector.store.engine.transaction import Transaction
from connector.store.reporting.counts import WaitCounts, count_waits
from connector.store.reporting.launch_forecasts import forecast_launches
from connector.store.reporting.publish_facts import load_reach
from connector.templating.threads import run_in_thread


@dataclass(frozen=True)
class Preview:
    """The effect of applying definitions and then publishing those that are not live.

    `order` is the order in which the publication would take effect (P5); with `refusals` it would not take effect at
    all. `waits` counts the follow-ups that would stay on the revision that they began with (P10). `other_entries` are
    saved campaigns and cards that are not among the definitions. `audiences` are those of the campaigns that are
    defined, at most 50.
    """

    definitions: Sequence[DefinitionPreview]
    other_entries: Sequence[Entry]
    order: Sequence[str]
    refusals: Sequence[str]
    warnings: Sequence[str]
    waits: Sequence[WaitCounts]
    audiences: Sequence[AudienceSize] = ()


@dataclass(frozen=True)
class AudienceSize:
    """How many users are in a campaign's audience now, and how many of them can be reached by each channel.

    `looked_at` users were counted, of `users`, which are at least so many unless `is_exact`: if these are more, the
    numbers are those of a sample.
    """

    campaign: str
    in_audience: int
    reachable: int
    by_channel: Mapping[str, int]
    looked_at: int
    users: int
    is_exact: bool


@dataclass(frozen=True)
class ResumePreview:
    """The effect of resuming campaigns and cards: what changes, and which launches go on with how many users (P9)."""

    changed: Sequence[str]
    unchanged: Sequence[str]
    warnings: Sequence[str]
    forecasts: Mapping[str, LaunchForecast]


async def preview_resume(tx: Transaction, ids: Sequence[str]) -> ResumePreview:
    """Evaluate a resume as of the database's clock. Raises OrderRefused, as the order would be refused."""
    catalogue, now = await load_catalogue(tx), await database_now(tx)
    launches = launches_to_forecast(catalogue, "resume", ids, now)
    forecasts = await forecast_launches(tx, launches, catalogue.workspace, now)
    plan = plan_resume(catalogue, ids, forecasts)
    return ResumePreview(plan.sequence, plan.unchanged, plan.warnings, forecasts)


def view_resume(preview: ResumePreview) -> dict[str, Any]:
    """Return a preview of a resume as JSON values; `is_exact` is false if more users were not counted."""
    return {
        "changed": list(preview.changed),
        "unchanged": list(preview.unchanged),
        "warnings": list(preview.warnings),
        "launches": [{"campaign": id, **asdict(forecast)} for id, forecast in preview.forecasts.items()],
    }


def view_audience(size: AudienceSize) -> dict[str, Any]:
    """Return the size of an audience as JSON values; `is_sample`: not all users were looked at."""
    return {**asdict(size), "is_sample": size.looked_at < size.users}


async def preview_changes(
    tx: Transaction,
    definitions: Sequence[AnyDefinition],
    *,
    allow_missed: bool = False,
    sources: Mapping[str, Source] = NO_SOURCES,
    providers: Collection[str] | None = None,
) -> Preview:
    """Evaluate definitions as `apply` and `publish` would, as of the database's clock, in one snapshot of the store.

    Args:
        sources: where the definitions were read from, by id; the workspace by ''.
        providers: the channels that have a provider; None: not known.

    Raises:
        OrderRefused: `apply` would refuse them; names every problem.
    """
    catalogue = await load_catalogue(tx)
    drafted = draft(catalogue, definitions, sources)
    ids = unpublished_ids(drafted, definitions)
    now = await database_now(tx)
    plan, refusals, audiences = OrderPlan(()), list[str](), list[AudienceSize]()
    defined = [one.id for one in definitions if isinstance(one, Campaign)]
    if defined:
        audiences = await _measure_audiences(tx, drafted.catalogue, defined)
    if ids:
        facts = await gather_facts(tx, drafted.catalogue, ids, providers=providers, sources=sources)
        launches = launches_to_forecast(drafted.catalogue, "publish", ids, now)
        forecasts = await forecast_launches(tx, launches, drafted.catalogue.workspace, now)
        plan, refusals = await run_in_thread(
            partial(
                check_publish,
                drafted.catalogue, ids, now=now, allow_missed=allow_missed, facts=facts, forecasts=forecasts,
            )
        )  # fmt: skip
    # In a thread, as the order itself: a proof that a schedule never delivers may take a second.
    warnings = await run_in_thread(partial(applying_warnings, catalogue, drafted, ids, now))
    return Preview(
        definitions=preview_definitions(catalogue, drafted, definitions),
        other_entries=other_entries(catalogue, definitions),
        order=plan.sequence,
        refusals=refusals,
        warnings=[*warnings, *plan.warnings],
        waits=await count_waits(tx, ids),
        audiences=audiences,
    )


async def _measure_audiences(tx: Transaction, catalogue: Catalogue, ids: Sequence[str]) -> list[AudienceSize]:
    """Count who is in the audience of campaigns now, among all users or a sample of them."""
    campaigns = [
        definition for id in ids if isinstance(definition := catalogue.entries[id].newest.definition, Campaign)
    ]
    reach, profiles = await load_reach(tx, campaigns)
    return [
        AudienceSize(
            id,
            reach[id].in_audience,
            reach[id].reachable,
            reach[id].by_channel,
            profiles.looked_at,
            profiles.users,
            profiles.is_exact,
        )
        for id in ids
        if id in reach
    ]
