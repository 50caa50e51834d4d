"""Backtests a campaign: applies its rules to the log in the store, as if the campaign had been live.

Nothing is sent or changed.

ConnectorError
├── NotKnown             there is no such campaign
└── NotAllowedNow
    ├── NotBacktestable  nothing triggers it
    └── BacktestTooLong  it has not ended in time
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from pydantic import TypeAdapter, ValidationError

from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.model.campaigns import Campaign
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.interactions import LAUNCH_TIME, Interaction, LogEntry
from connector.rules.model.values import Instant, format_instant, parse_duration
from connector.rules.targeting.audience import needs_history
from connector.rules.targeting.matching import LoggedType, logged_types
from connector.rules.timing.caps import PastSend
from connector.simulation import Simulation, SpillStore
from connector.simulation.tally import Tally, quantiles
from connector.store.engine.database import LONG_SECONDS
from connector.store.engine.transaction import Transaction, database_now
from connector.store.follow_ups.deliveries import load_past_sends
from connector.store.follow_ups.receipts import load_receipts
from connector.store.users.log import count_users, load_items, load_user_keys
from connector.store.users.users import StoredUser, load_users
from starter.operations.entries import entry_in
from starter.operations.errors import NotAllowedNow

_USERS_PER_PAGE = 500
_RETENTION = timedelta(days=36_525)
"""A hundred years: the store decides what the log still holds, not the simulation."""
_WINDOW_ID = 0
"""Window ids of the store begin at 1."""
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
_THREAD = ThreadPoolExecutor(max_workers=1, thread_name_prefix="backtests")
"""One: simulations of several callers take turns, and leave the processor to the rest of the process."""

Progress = Callable[[int, int], None]


class NotBacktestable(NotAllowedNow):
    """The campaign is no follow-on."""


class BacktestTooLong(NotAllowedNow):
    """The time for a backtest has passed before all users were evaluated."""


@dataclass(frozen=True)
class BacktestResult:
    """The counts of a backtest, with the revision that was tested; `since` and `until` are UTC."""

    campaign: str
    revision: int
    since: datetime
    until: datetime
    tally: Tally


@dataclass(frozen=True)
class _UserHistory:
    """The stored data of one user."""

    stored: StoredUser
    log: Sequence[LogEntry]
    sends: Sequence[PastSend]
    receipts: Mapping[str, datetime]


async def backtest_campaign(
    context: StoreContext,
    campaign: str,
    since: str,
    *,
    seconds: float = LONG_SECONDS,
    progress: Progress = lambda done, users: None,
) -> dict[str, Any]:
    """Return what a campaign's newest revision would have done if it had been live until now; see `backtest`.

    Args:
        since: the start in RFC 3339, or how long ago, like "30 days".
        seconds: the deadline.

    Raises:
        DefinitionError: `since` is not a time in the past. NotKnown, NotBacktestable, BacktestTooLong.
    """
    catalogue = await context.cache.at_least(context.database)
    async with context.database.read(context.workspace, seconds=seconds) as tx:
        now = await database_now(tx)
        start = _parse_since(since, now)
        ends = time.monotonic() + seconds
        result = await backtest(tx, catalogue, campaign, since=start, until=now, ends=ends, progress=progress)
    return _view(result)


def _parse_since(since: str, now: datetime) -> datetime:
    """Return the start of a backtest in UTC. Raises DefinitionError."""
    try:
        start = now - parse_duration(since)
    except (ValueError, OverflowError):
        try:
            start = _INSTANT.validate_python(since).astimezone(UTC)
        except ValidationError:
            right = 'a time with its zone, like 2026-03-09T12:00:00Z, or how long ago, like "30 days"'
            raise DefinitionError([Fault("since", f"{since!r} is not {right}")]) from None
    if start >= now:
        raise DefinitionError([Fault("since", f"{since!r} is not in the past")])
    return start


def _view(result: BacktestResult) -> dict[str, Any]:
    tally = result.tally
    waits = {f"p{share}": wait.total_seconds() for share, wait in quantiles(tally.until_exception).items()}
    return {
        "campaign": result.campaign,
        "revision": result.revision,
        "since": format_instant(result.since),
        "until": format_instant(result.until),
        "users": tally.users,
        "triggered": tally.triggered,
        "sent": tally.sent,
        "excepted": dict(tally.excepted.most_common()),
        "dropped": dict(tally.dropped.most_common()),
        "control": tally.control,
        "waiting": tally.waiting,
        "refused": dict(tally.refused.most_common()),
        "seconds_until_exception": {"count": len(tally.until_exception), **waits},
    }


async def backtest(
    tx: Transaction,
    catalogue: Catalogue,
    campaign: str,
    *,
    since: datetime,
    until: datetime,
    ends: float | None = None,
    progress: Progress = lambda done, users: None,
) -> BacktestResult:
    """Evaluate the log since an instant as if the campaign's newest revision had been live from then on.

    Every interaction counts as received when it happened, so that a late import does not look stale. Users count as
    they are known now, and messages of other campaigns as they were really sent.

    Args:
        since: UTC; earlier interactions do not trigger.
        until: UTC; what is not due by then still waits.
        ends: the deadline by `time.monotonic`; None: there is none.
        progress: called with the number of users done and of all users.

    Raises:
        NotKnown: there is no such campaign. NotBacktestable: it is no follow-on. BacktestTooLong: the deadline passed.
    """
    supposed = _catalogue_with_live(catalogue, campaign, since)
    revision = supposed.entries[campaign].newest
    tally, triggers = Tally(), _triggers_of(revision)
    users = await count_users(tx, triggers, since)
    async for page in _load_pages(tx, triggers, campaign, since, with_past=_needs_history(revision)):
        if ends is not None and time.monotonic() > ends:
            raise BacktestTooLong(
                f"the backtest was given up: in its time {tally.users:,} of {users:,} users were evaluated; begin it "
                "later, or run `connector backtest` on the store"
            )
        add = partial(_add_users, tally, supposed, campaign, page, since, until)
        await asyncio.get_running_loop().run_in_executor(_THREAD, add)  # the event loop goes on
        progress(tally.users, users)
    return BacktestResult(campaign, revision.number, since, until, tally)


def _catalogue_with_live(catalogue: Catalogue, campaign: str, since: datetime) -> Catalogue:
    """Return a catalogue in which only this follow-on is live, its newest revision since `since`.

    Targets keep their windows (P1). Raises NotKnown, NotBacktestable.
    """
    entry = entry_in(catalogue, campaign)
    if entry.follow_on(entry.newest) is None:
        raise NotBacktestable(f"{campaign} is no follow-on: nothing triggers it")
    live = Entry(campaign, "active", (replace(entry.newest, effective_at=since),), (Window(_WINDOW_ID, since),))
    without_follow_ons = Catalogue(catalogue.version, catalogue.workspace, catalogue.entries)
    return without_follow_ons.with_entries([live], version=catalogue.version)


def _add_users(
    tally: Tally,
    catalogue: Catalogue,
    campaign: str,
    histories: Sequence[_UserHistory],
    since: datetime,
    until: datetime,
) -> None:
    for history in histories:  # users do not influence each other
        _add_user(tally, catalogue, campaign, history, since, until)


def _add_user(
    tally: Tally, catalogue: Catalogue, campaign: str, history: _UserHistory, since: datetime, until: datetime
) -> None:
    with SpillStore() as store:
        simulation = Simulation(catalogue, store, lambda warning: None, retention=_RETENTION)
        _simulate_user(simulation, campaign, history, since, until)
        tally.add(store.load_user(history.stored.user.id), campaign, catalogue)
        outcomes = (json.loads(line) for line in simulation.lines())
        tally.refused.update(outcome["reason"] for outcome in outcomes if outcome["state"] == "refused")


def _simulate_user(
    simulation: Simulation, campaign: str, history: _UserHistory, since: datetime, until: datetime
) -> None:
    user = history.stored.user
    before = [entry for entry in history.log if entry.t < since]
    receipts = {(campaign, key): at for key, at in history.receipts.items()}
    simulation.add_user(user, log=before, receipts=receipts)
    arrivals = sorted(
        (entry for entry in history.log if since <= entry.t <= until and not _is_made_by(campaign, entry)),
        key=lambda entry: (entry.t, entry.seq),
    )
    sends = list(history.sends)
    for entry in arrivals:
        simulation.run_beside(user.id, sends, entry.t)
        simulation.ingest(entry.item.model_copy(update={"id": entry.id, "user": user.id}))
    simulation.run_beside(user.id, sends, until)


async def _load_pages(
    tx: Transaction, triggers: set[LoggedType], campaign: str, since: datetime, *, with_past: bool
) -> AsyncIterator[list[_UserHistory]]:
    after = ""
    while keys := await load_user_keys(tx, triggers, since, after=after, limit=_USERS_PER_PAGE):
        after = keys[-1]
        users = await load_users(tx, keys)
        log = await load_items(tx, dict.fromkeys(users, None if with_past else since))
        sends = await load_past_sends(tx, keys, since, but=campaign)
        receipts: dict[str, dict[str, datetime]] = {key: {} for key in keys}
        for (_, user_key, key), at in (await load_receipts(tx, keys, [campaign])).items():
            if at < since:
                receipts[user_key][key] = at
        yield [_UserHistory(stored, log[key], sends[key], receipts[key]) for key, stored in users.items()]


def _triggers_of(revision: Revision) -> set[LoggedType]:
    campaign = revision.definition
    follow_on = campaign.follow_on if isinstance(campaign, Campaign) else None
    return {named for condition in (follow_on.trigger if follow_on else ()) for named in logged_types(condition)}


def _needs_history(revision: Revision) -> bool:
    return isinstance(revision.definition, Campaign) and needs_history(revision.definition.audience)


def _is_made_by(campaign: str, entry: LogEntry) -> bool:
    """Whether a real message of the campaign made this entry; the simulated messages make their own."""
    item = entry.item
    return isinstance(item, Interaction) and item.campaign == campaign and item.type in LAUNCH_TIME
