"""Had this campaign been live: its rules over the store's own log. Nothing is sent, and nothing is changed.

ConnectorError
└── NotTestable     there is no such campaign, or it is no follow-on
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
from connector.rules.targeting.audience import asks_history
from connector.rules.targeting.matching import reported_as
from connector.rules.timing.caps import PastSend
from connector.simulation import Simulation, SpillStore
from connector.simulation.tally import Tally
from connector.store.engine.transaction import Transaction
from connector.store.reporting.backlog import Named, count_users, load_receipts_before, load_sends, page_of_users
from connector.store.users.log import load_items
from connector.store.users.users import StoredUser, load_users

_PAGE = 500
_FOR_EVER = timedelta(days=36_525)
"""Whatever is logged counts to the end of the test, also where the log is kept longer than `simulate` supposes."""
_THE_WINDOW = 0
"""Window ids of the store begin at 1."""


class NotBacktestable(ConnectorError):
    """There is nothing to test: no such campaign, or one that nothing triggers."""


@dataclass(frozen=True)
class BacktestResult:
    """What came of it. `revision` is the one that was tested, `since` and `until` are UTC."""

    campaign: str
    revision: int
    since: datetime
    until: datetime
    tally: Tally


@dataclass(frozen=True)
class _Known:
    """What the store knows of one user."""

    stored: StoredUser
    log: Sequence[LogEntry]
    sends: Sequence[PastSend]
    receipts: Mapping[str, datetime]


def as_if_live(catalogue: Catalogue, campaign: str, since: datetime) -> Catalogue:
    """A catalogue in which only this follow-on listens, its newest revision live since then.

    Targets keep the windows that they had (P1).

    Raises:
        NotTestable: there is no such campaign, or it is no follow-on.
    """
    entry = catalogue.entries.get(campaign)
    if entry is None:
        raise NotBacktestable(f"{campaign} is not known; apply its definition first")
    if entry.follow_on(entry.newest) is None:
        raise NotBacktestable(f"{campaign} is no follow-on: nothing triggers it")
    live = Entry(campaign, "active", (replace(entry.newest, effective_at=since),), (Window(_THE_WINDOW, since),))
    silent = Catalogue(catalogue.version, catalogue.workspace, catalogue.entries)
    return silent.changed([live], version=catalogue.version)


async def backtest(
    tx: Transaction,
    catalogue: Catalogue,
    campaign: str,
    *,
    since: datetime,
    until: datetime,
    progress: Callable[[int, int], None] = lambda done, users: None,
) -> BacktestResult:
    """Judge the log since an instant as if the campaign's newest revision had been live from then on.

    Everything is taken as having arrived when it happened, so that a late import does not look stale; users as they are
    known now, and other campaigns' messages as they really went out.

    Args:
        since: UTC; what happened before does not trigger.
        until: the end, UTC; what is not due by then still waits.
        progress: hears how many users are done, of how many.

    Raises:
        NotTestable: there is no such campaign, or it is no follow-on.
    """
    supposed = as_if_live(catalogue, campaign, since)
    revision = supposed.entries[campaign].newest
    tally, wanted = Tally(), _triggers_of(revision)
    users = await count_users(tx, wanted, since)
    async for page in _pages(tx, wanted, campaign, since, with_past=_asks_history(revision)):
        _judge_page(supposed, campaign, page, since, until, tally)
        progress(tally.users, users)
    return BacktestResult(campaign, revision.number, since, until, tally)


def _judge_page(
    catalogue: Catalogue, campaign: str, page: Sequence[_Known], since: datetime, until: datetime, tally: Tally
) -> None:
    for known in page:  # users have nothing to do with each other
        with SpillStore() as scratch:
            simulation = Simulation(catalogue, scratch, lambda warning: None, retention=_FOR_EVER)
            _live_through(simulation, known, campaign, since, until)
            tally.add(scratch.person(known.stored.user.id), campaign, catalogue)
            told = (json.loads(line) for line in simulation.lines())
            tally.refused.update(outcome["reason"] for outcome in told if outcome["state"] == "refused")


def _live_through(simulation: Simulation, known: _Known, campaign: str, since: datetime, until: datetime) -> None:
    user = known.stored.user
    before = [logged for logged in known.log if logged.t < since]
    receipts = {(campaign, key): at for key, at in known.receipts.items()}
    simulation.know(user, log=before, receipts=receipts)
    arrivals = sorted(
        (logged for logged in known.log if since <= logged.t <= until and not _made_by(campaign, logged)),
        key=lambda logged: (logged.t, logged.seq),
    )
    sends = list(known.sends)
    for logged in arrivals:
        _catch_up(simulation, user.id, sends, logged.t)
        simulation.take(logged.item.model_copy(update={"id": logged.id, "user": user.id}))
    _catch_up(simulation, user.id, sends, until)


def _catch_up(simulation: Simulation, user: str, sends: list[PastSend], to: datetime) -> None:
    """Let what falls due happen among what other campaigns really sent."""
    while sends and sends[0].at <= to:
        send = sends.pop(0)
        simulation.run_to(send.at)
        simulation.sent_elsewhere(user, send)
    simulation.run_to(to)


async def _pages(
    tx: Transaction, wanted: set[Named], campaign: str, since: datetime, *, with_past: bool
) -> AsyncIterator[list[_Known]]:
    after = ""
    while keys := await page_of_users(tx, wanted, since, after=after, limit=_PAGE):
        after = keys[-1]
        users = await load_users(tx, keys)
        log = await load_items(tx, dict.fromkeys(users, None if with_past else since))
        sends = await load_sends(tx, keys, since, but=campaign)
        receipts = await load_receipts_before(tx, keys, campaign, since)
        yield [_Known(stored, log[key], sends[key], receipts[key]) for key, stored in users.items()]


def _triggers_of(revision: Revision) -> set[Named]:
    campaign = revision.definition
    follow_on = campaign.follow_on if isinstance(campaign, Campaign) else None
    return {named for condition in (follow_on.trigger if follow_on else ()) for named in reported_as(condition)}


def _asks_history(revision: Revision) -> bool:
    return isinstance(revision.definition, Campaign) and asks_history(revision.definition.audience)


def _made_by(campaign: str, logged: LogEntry) -> bool:
    """What the campaign's own messages made in reality; the supposed ones make their own."""
    item = logged.item
    return isinstance(item, Interaction) and item.campaign == campaign and item.type in LAUNCH_TIME
