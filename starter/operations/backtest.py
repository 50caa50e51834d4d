"""Backtests a campaign: applies its rules to the log in the store, as if the campaign had been live.

Nothing is sent or changed.

ConnectorError
└── NotBacktestable  there is no such campaign, or nothing triggers it
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.model.campaigns import Campaign
from connector.rules.model.errors import ConnectorError
from connector.rules.model.interactions import LAUNCH_TIME, Interaction, LogEntry
from connector.rules.targeting.audience import needs_history
from connector.rules.targeting.matching import LoggedType, logged_types
from connector.rules.timing.caps import PastSend
from connector.simulation import Simulation, SpillStore
from connector.simulation.tally import Tally
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_past_sends
from connector.store.follow_ups.receipts import load_receipts
from connector.store.users.log import count_users, load_items, load_user_keys
from connector.store.users.users import StoredUser, load_users

_USERS_PER_PAGE = 500
_RETENTION = timedelta(days=36_525)
"""A hundred years: the store decides what the log still holds, not the simulation."""
_WINDOW_ID = 0
"""Window ids of the store begin at 1."""


class NotBacktestable(ConnectorError):
    """There is no such campaign, or it is no follow-on."""


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


async def backtest(
    tx: Transaction,
    catalogue: Catalogue,
    campaign: str,
    *,
    since: datetime,
    until: datetime,
    progress: Callable[[int, int], None] = lambda done, users: None,
) -> BacktestResult:
    """Evaluate the log since an instant as if the campaign's newest revision had been live from then on.

    Every interaction counts as received when it happened, so that a late import does not look stale. Users count as
    they are known now, and messages of other campaigns as they were really sent.

    Args:
        since: UTC; earlier interactions do not trigger.
        until: UTC; what is not due by then still waits.
        progress: called with the number of users done and of all users.

    Raises:
        NotBacktestable: there is no such campaign, or it is no follow-on.
    """
    supposed = _catalogue_with_live(catalogue, campaign, since)
    revision = supposed.entries[campaign].newest
    tally, triggers = Tally(), _triggers_of(revision)
    users = await count_users(tx, triggers, since)
    async for page in _load_pages(tx, triggers, campaign, since, with_past=_needs_history(revision)):
        for history in page:  # users do not influence each other
            _add_user(tally, supposed, campaign, history, since, until)
        progress(tally.users, users)
    return BacktestResult(campaign, revision.number, since, until, tally)


def _catalogue_with_live(catalogue: Catalogue, campaign: str, since: datetime) -> Catalogue:
    """Return a catalogue in which only this follow-on is live, its newest revision since `since`.

    Targets keep their windows (P1). Raises NotBacktestable.
    """
    entry = catalogue.entries.get(campaign)
    if entry is None:
        raise NotBacktestable(f"{campaign} is not known; apply its definition first")
    if entry.follow_on(entry.newest) is None:
        raise NotBacktestable(f"{campaign} is no follow-on: nothing triggers it")
    live = Entry(campaign, "active", (replace(entry.newest, effective_at=since),), (Window(_WINDOW_ID, since),))
    without_follow_ons = Catalogue(catalogue.version, catalogue.workspace, catalogue.entries)
    return without_follow_ons.with_entries([live], version=catalogue.version)


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
        _run_to(simulation, user.id, sends, entry.t)
        simulation.ingest(entry.item.model_copy(update={"id": entry.id, "user": user.id}))
    _run_to(simulation, user.id, sends, until)


def _run_to(simulation: Simulation, user: str, sends: list[PastSend], until: datetime) -> None:
    """Run the simulation, with the real sends of other campaigns at their times; removes those from `sends`."""
    while sends and sends[0].at <= until:
        send = sends.pop(0)
        simulation.run_to(send.at)
        simulation.add_external_send(user, send)
    simulation.run_to(until)


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
