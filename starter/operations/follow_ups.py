"""Lists of follow-ups for the API and the command line: one set of criteria, one page, one form."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from connector.app.store_context import StoreContext
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.nearest import suggestion
from connector.rules.model.reasons import NOTED, Reason, State
from connector.rules.model.values import ChannelName, canonical_json, format_instant
from connector.store.engine.transaction import Transaction, database_now
from connector.store.follow_ups.selection import FollowUpFilter
from connector.store.reporting.overview import FollowUpListing, FollowUpPage, list_follow_ups
from connector.store.users.users import find_key
from starter.operations.cursors import read_cursor, write_cursor
from starter.operations.views import view_follow_up

MAX_PAGE = 1000
ListedState = Literal[
    "waiting",
    "held",
    "sending",
    "sent",
    "excepted",
    "dropped",
    "control",
    "failed",
    "open",
    "overdue",
    "refused",
    "noted",
]
"""A state of follow-ups (`State`), `open` for waiting, held or sending ones, `overdue` for open ones whose time has
passed, or `noted` for late exceptions."""


@dataclass(frozen=True)
class Criteria:
    """The criteria of a list; None leaves one out. All of them must hold; see `FollowUpFilter`.

    Args:
        user: any id of the user, or the `user_key`, by which alone an erased user is found.
    """

    state: ListedState | None = None
    campaign: str | None = None
    user: str | None = None
    reason: Reason | None = None
    channel: ChannelName | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def digest(self) -> str:
        """A text that differs between criteria, for cursors."""
        given = asdict(self) | {"since": format_instant(self.since), "until": format_instant(self.until)}
        return canonical_json({name: value for name, value in given.items() if value is not None})


def check_criteria(criteria: Criteria) -> None:
    """Raise DefinitionError if nothing can match, because two criteria contradict each other."""
    faults = []
    if criteria.state in (State.REFUSED, NOTED) and criteria.channel is not None:
        faults.append(Fault("channel", f"what is {criteria.state} has no channel; leave out one of the two"))
    if criteria.since is not None and criteria.until is not None and criteria.since >= criteria.until:
        faults.append(Fault("until", "is not later than `since`"))
    if faults:
        raise DefinitionError(faults)


async def resolve_criteria(tx: Transaction, criteria: Criteria) -> FollowUpFilter | None:
    """Return the filter of the store; None if the user is not known, so that nothing matches."""
    user_key = None if criteria.user is None else await find_key(tx, criteria.user)
    if criteria.user is not None and user_key is None:
        return None
    given = {name: value for name, value in vars(criteria).items() if name != "user"}
    return replace(FollowUpFilter(**given), user_key=user_key)


async def read_follow_ups(
    context: StoreContext, criteria: Criteria, limit: int, after: str | None = None
) -> dict[str, Any]:
    """Return a page of follow-ups as JSON values, in the order of `list_follow_ups`.

    Args:
        after: `next` of the previous page. Its criteria must be the same.

    Returns:
        The page; with a `hint` if it is empty because no campaign has the id.

    Raises:
        DefinitionError: the cursor is wrong, or criteria contradict each other.
    """
    check_criteria(criteria)
    position = None if after is None else read_cursor(after, criteria.digest)
    async with context.database.read(context.workspace) as tx:
        wanted = await resolve_criteria(tx, criteria)
        page = await list_follow_ups(tx, wanted, limit=limit, after=position) if wanted else FollowUpPage([], None)
        now = await database_now(tx)
    hint = None if page.listings else await describe_unknown_campaign(context, criteria)
    return {
        "follow_ups": await view_listings(context, page.listings, now),
        "has_more": page.next is not None,
        "next": None if page.next is None else write_cursor(page.next, criteria.digest),
        **({"hint": hint} if hint is not None else {}),
    }


async def describe_unknown_campaign(context: StoreContext, criteria: Criteria) -> str | None:
    """Return that no campaign or card has the id of the criteria, with the nearest known id; None: one has, or none is
    asked for.
    """
    campaign, entries = criteria.campaign, (await context.cache.at_least(context.database)).entries
    if campaign is None or campaign in entries:
        return None
    return f"{campaign} is not known; {suggestion(campaign, entries, '`connector status` lists the campaigns')}"


async def view_listings(context: StoreContext, listings: list[FollowUpListing], now: datetime) -> list[dict[str, Any]]:
    """Return follow-ups as JSON values; what an open one waits for is as of `now` (UTC)."""
    entries = (await context.cache.at_least(context.database)).entries
    return [
        view_follow_up(context.workspace, listed, now, is_stopped=entries[listed.campaign].state == "stopped")
        for listed in listings
    ]
