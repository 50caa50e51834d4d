"""Forecasts of launches: how many users a publication or a resume sends to at once, and how many never (P9, W5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, case, exists, func, literal, or_, select, true

from connector.rules.catalogue.catalogue import Entry
from connector.rules.model.campaigns import Workspace
from connector.rules.sending.due_list import newest_live
from connector.rules.sending.launch_times import LaunchForecast, Share, send_time, share_of_zone
from connector.rules.targeting.audience import is_in_audience
from connector.rules.triggering.user_log import LoggedHistory
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.launches import LaunchRow, find_launches, is_open_row, waits_since
from connector.store.tables import Instant, receipts, user_aliases, users
from connector.store.users.log import load_types
from connector.store.users.users import load_users

_PAGE_SIZE = 2_000
_MAX_EVALUATED = 50_000
"""The maximum number of users whose attributes are compared with an audience, because an order waits for it."""


async def forecast_launches(
    tx: Transaction, entries: Sequence[Entry], workspace: Workspace, now: datetime
) -> dict[str, LaunchForecast]:
    """Return the forecasts of an order's launches at `now` (UTC), by campaign.

    A launch that has begun and is not paused goes on as it is, and is missing.

    Args:
        entries: the scheduled originals of the order, as they are after it.
    """
    launches = await find_launches(tx, [entry.id for entry in entries]) if entries else {}
    forecasts = {}
    for entry in entries:
        launch = launches.get(entry.id)
        is_paused = launch is not None and entry.windows[-1].opened_at == now
        if launch is None or (launch.ended_at is None and (launch.begun_at is None or is_paused)):
            forecasts[entry.id] = await _forecast(tx, entry, workspace, launch, now)
    return forecasts


async def _forecast(
    tx: Transaction, entry: Entry, workspace: Workspace, launch: LaunchRow | None, now: datetime
) -> LaunchForecast:
    stale_before = now - newest_live(entry).stale_after(workspace)
    added = LaunchForecast() if launch is None else await _forecast_added(tx, launch, stale_before, now)
    if launch is not None and launch.paged_at is not None:
        return added
    return added + await _forecast_audience(tx, entry, workspace, launch, now)


async def _forecast_added(tx: Transaction, launch: LaunchRow, stale_before: datetime, now: datetime) -> LaunchForecast:
    """Count the users who were added to a launch and still wait, in one statement."""
    since = waits_since(tx, launch)
    share = case(
        (since < literal(stale_before, Instant), "stale"), (since <= literal(now, Instant), "at_once"), else_="later"
    ).label("share")
    statement = select(share, func.count()).where(*is_open_row(tx, launch)).group_by(share)
    return LaunchForecast.of_counts({share: count for share, count in await tx.execute(statement)})


async def _forecast_audience(
    tx: Transaction, entry: Entry, workspace: Workspace, launch: LaunchRow | None, now: datetime
) -> LaunchForecast:
    """Count the users whom a launch has not evaluated yet, by the time in their zone."""
    time, campaign = send_time(entry, workspace), newest_live(entry)
    assert time is not None  # noqa: S101 - the caller has scheduled originals only
    by_zone = await _count_by_zone(tx, campaign.id, launch)
    shares = {zone: share_of_zone(time, zone, now, campaign.stale_after(workspace)) for zone in by_zone}
    if campaign.audience == "everyone":
        return _sum_by_share(shares, by_zone)
    concerned = [zone for zone, share in shares.items() if share != "later"]
    inside, is_exact = await _count_inside(tx, entry, launch, concerned, now)
    counted = _sum_by_share(shares, inside)
    return LaunchForecast(counted.at_once, counted.stale, counted.later, is_exact)


def _sum_by_share(shares: Mapping[str | None, Share], counts: Mapping[str | None, int]) -> LaunchForecast:
    total: Counter[Share] = Counter()
    for zone, count in counts.items():
        total[shares[zone]] += count
    return LaunchForecast.of_counts(total)


async def _count_by_zone(tx: Transaction, campaign: str, launch: LaunchRow | None) -> dict[str | None, int]:
    zone = users.c.time_zone
    statement = select(zone, func.count()).where(*_is_left(tx, campaign, launch)).group_by(zone)
    return {zone: count for zone, count in await tx.execute(statement)}


async def _count_inside(
    tx: Transaction, entry: Entry, launch: LaunchRow | None, zones: Collection[str | None], now: datetime
) -> tuple[Counter[str | None], bool]:
    """Count the users of these zones who are in the audience at `now` (UTC), by zone; returns whether these are all."""
    inside: Counter[str | None] = Counter()
    after, evaluated = "", 0
    while zones and evaluated < _MAX_EVALUATED:
        keys = await _load_keys(tx, entry.id, launch, zones, after)
        inside.update(await _zones_inside(tx, entry, keys, now))
        if len(keys) < _PAGE_SIZE:
            return inside, True
        after, evaluated = keys[-1], evaluated + len(keys)
    return inside, not zones


async def _load_keys(
    tx: Transaction, campaign: str, launch: LaunchRow | None, zones: Collection[str | None], after: str
) -> list[str]:
    zone = users.c.time_zone
    named = in_set(tx, zone, [one for one in zones if one is not None])
    statement = (
        select(users.c.user_key)
        .where(*_is_left(tx, campaign, launch), or_(named, zone.is_(None)) if None in zones else named)
        .where(users.c.user_key > after)
        .order_by(users.c.user_key)
        .limit(_PAGE_SIZE)
    )
    return list((await tx.execute(statement)).scalars())


async def _zones_inside(tx: Transaction, entry: Entry, user_keys: Sequence[str], now: datetime) -> Iterable[str | None]:
    """Return the zones of those of the users who are in the audience."""
    audience = newest_live(entry).audience
    stored = await load_users(tx, user_keys)
    types = {type: None if within is None else now - within for type, within in entry.history_types.items()}
    logged = await load_types(tx, dict.fromkeys(user_keys, types)) if types else {}
    histories = {key: LoggedHistory(logged[key].entries if key in logged else ()) for key in stored}
    return [
        one.user.time_zone for key, one in stored.items() if is_in_audience(audience, one.user, histories[key], now)
    ]


def _is_left(tx: Transaction, campaign: str, launch: LaunchRow | None) -> tuple[ColumnElement[bool], ...]:
    """Return the condition for users whom a launch has not evaluated and who did not receive the campaign.

    An erased user has no id.
    """
    has_id = exists().where(tx.in_workspace(user_aliases), user_aliases.c.user_key == users.c.user_key)
    is_receipt = receipts.c.campaign == campaign, receipts.c.user_key == users.c.user_key
    has_receipt = exists().where(tx.in_workspace(receipts), *is_receipt)
    is_next = true() if launch is None or launch.cursor is None else users.c.user_key > launch.cursor
    is_known = true() if launch is None or launch.begun_at is None else users.c.created_at <= launch.begun_at
    return tx.in_workspace(users), has_id, ~has_receipt, is_next, is_known
