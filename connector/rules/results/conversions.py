"""Conversions: which events count as a campaign's success, and for which of a user's receipts (C1).

Intake and `simulate` count through this. What was counted stands in the log as `perform_conversion_event`, and stays.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import Conversion
from connector.rules.model.interactions import LAUNCH_TIME, VIEWS, Event, Interaction, InteractionType, LogEntry
from connector.rules.model.values import canonical_json
from connector.rules.targeting.matching import matches

CONVERSION_LETTERS = "ABCD"
"""The names of a campaign's conversions, by their places in its list; the first is the primary."""

_OF_ONE_FOLLOW_UP = re.compile(r"receive-([0-9a-f]{26})\.[a-z_]+")
"""The ids of what handing over a follow-up's messages makes, one a channel (`deliveries.receive_interaction`)."""


@dataclass(frozen=True)
class Receipt:
    """One receipt of a campaign by a user: its conversions count from `at` on, UTC.

    `first` is the id of the item that opened it. `name` stays the same where another item of it turns out to be first.
    """

    name: str
    first: str
    at: datetime
    conversions: tuple[Conversion, ...]

    def letters(self, t: datetime) -> Iterator[tuple[str, Conversion]]:
        """The conversions whose window [receipt, receipt + within) holds `t`, with their letters."""
        for letter, conversion in zip(CONVERSION_LETTERS, self.conversions, strict=False):
            if self.at <= t < self.at + conversion.within:
                yield letter, conversion


def log_needed_since(new: Sequence[LogEntry], catalogue: Catalogue) -> datetime | None:
    """From when on the user's log is needed to count by these new items (UTC); None where they concern no conversion.

    The cost depends neither on how many campaigns there are nor on how many of them count the same event.
    """
    since = [at for logged in new if (at := _needed_for(logged, catalogue)) is not None]
    return min(since, default=None)


def count_conversions(
    new: Sequence[LogEntry], past: Sequence[LogEntry], catalogue: Catalogue, user: str
) -> list[Interaction]:
    """The interactions that counting makes of a user's new items, in event order, each with its id (C1).

    A new event counts for the receipt that it falls to. A new receipt that comes late takes the events that are logged
    already. Nothing is counted twice for one receipt and letter, in whatever order it comes.

    Args:
        new: items that were logged just now.
        past: the user's log from `log_needed_since` on, `new` and what was counted before included.
        user: the id under which the services know the user.
    """
    fresh = frozenset(logged.id for logged in new)
    ordered = sorted(past, key=lambda logged: (logged.t, logged.seq))
    events = [
        logged for logged in ordered if isinstance(logged.item, Event) and catalogue.conversion_window(logged.item)
    ]
    made: list[Interaction] = []
    for campaign, items in _by_campaign(ordered).items():
        receipts = receipts_of(catalogue.entries[campaign], items, user)
        counted = _counted(receipts, items)
        for event, receipt in _falling_to(receipts, events, fresh):
            for letter, conversion in receipt.letters(event.t):
                made_id = conversion_id(receipt, letter)
                if matches(event.item, conversion) and made_id not in counted:
                    counted.add(made_id)
                    made.append(_conversion(made_id, letter, campaign, user, event.t))
    return sorted(made, key=lambda interaction: interaction.occurred_at)


def receipts_of(entry: Entry, items: Sequence[LogEntry], user: str) -> list[Receipt]:
    """The receipts of one campaign by one user, in event order.

    What is handed over, and an enrolment, opens one; of what shares a dispatch, only the first. A view opens one where
    no window of anything before it holds its time: the first view counts, and those that follow it closely do not.

    Args:
        items: the user's items of this campaign in event order; from one window before the first that matters.
    """
    found: list[Receipt] = []
    held_until: dict[str | None, datetime] = {}
    for logged in items:
        conversions = _conversions_at(entry, logged.t)
        if not conversions or logged.item.name_or_type not in LAUNCH_TIME | VIEWS:
            continue
        name, until = _name_of(logged, user), logged.t + max(conversion.within for conversion in conversions)
        before = held_until.get(None if logged.item.name_or_type in VIEWS else name)
        if before is None or before <= logged.t:
            found.append(Receipt(name, logged.id, logged.t, conversions))
        for holder in (name, None):  # None: anything of this campaign
            held_until[holder] = max(until, held_until.get(holder, until))
    return found


def conversion_id(receipt: Receipt, letter: str) -> str:
    """The id of the interaction that counting this letter for this receipt makes: the same each time."""
    return f"{_MADE}{receipt.name}-{letter.lower()}"


def _needed_for(logged: LogEntry, catalogue: Catalogue) -> datetime | None:
    window = catalogue.conversion_window(logged.item)
    if window is None:
        return None
    # Whether something is a receipt depends on one window before it, and an event's receipt is up to one window back.
    return logged.t - (2 * window if isinstance(logged.item, Event) else window)


def _by_campaign(items: Sequence[LogEntry]) -> dict[str, list[LogEntry]]:
    """What matters of the user's items with campaigns, by campaign, in the same order."""
    found: dict[str, list[LogEntry]] = {}
    for logged in items:
        item = logged.item
        if isinstance(item, Interaction) and item.campaign is not None and item.type in _LOOKED_AT:
            found.setdefault(item.campaign, []).append(logged)
    return found


def _conversions_at(entry: Entry, t: datetime) -> tuple[Conversion, ...]:
    """Those of the revision in effect at `t`; before the first one, of the newest published one."""
    published = entry.published
    revision = entry.revision_at(t) or (published[-1] if published else None)
    return revision.conversions if revision else ()


def _name_of(logged: LogEntry, user: str) -> str:
    """The name of the receipt that the item belongs to: by its dispatch, else by its follow-up, else its own."""
    dispatch = logged.item.properties.get("dispatch")
    own = _OF_ONE_FOLLOW_UP.fullmatch(logged.id)
    if dispatch is not None:
        facts = ["dispatch", str(dispatch)]
    else:
        facts = ["follow-up", own[1]] if own else ["item", logged.id]
    return hashlib.sha256(canonical_json([user, logged.item.target, *facts]).encode()).hexdigest()[:26]


def _falling_to(
    receipts: Sequence[Receipt], events: Sequence[LogEntry], fresh: frozenset[str]
) -> Iterator[tuple[LogEntry, Receipt]]:
    """The events that may count now, for they or their receipt are new, each with the newest receipt it counts for."""
    opened = min((receipt.at for receipt in receipts if receipt.first in fresh), default=None)
    for event in events:
        new = event.id in fresh
        if not new and (opened is None or event.t < opened):
            continue
        receipt = next((r for r in _newest_first(receipts, event.t) if _counts(event, r)), None)
        if receipt is not None and (new or receipt.first in fresh):
            yield event, receipt


def _counts(event: LogEntry, receipt: Receipt) -> bool:
    return any(matches(event.item, conversion) for _, conversion in receipt.letters(event.t))


def _newest_first(receipts: Sequence[Receipt], t: datetime) -> Iterator[Receipt]:
    """The receipts until `t`."""
    until = bisect_right(receipts, t, key=lambda receipt: receipt.at)
    return (receipts[place] for place in reversed(range(until)))


def _counted(receipts: Sequence[Receipt], items: Sequence[LogEntry]) -> set[str]:
    """The ids of what has been counted: as it was named then, and as it would be named now.

    The two differ where a receipt was counted for that a late item has since become the beginning of.
    """
    counted: set[str] = set()
    for logged in items:
        if not logged.id.startswith(_MADE):
            continue
        counted.add(logged.id)
        letter = logged.item.properties.get("conversion")
        holder = next((r for r in _newest_first(receipts, logged.t) if letter in dict(r.letters(logged.t))), None)
        if holder is not None:
            counted.add(conversion_id(holder, str(letter)))
    return counted


def _conversion(made_id: str, letter: str, campaign: str, user: str, t: datetime) -> Interaction:
    return Interaction(
        id=made_id,
        user=user,
        type=InteractionType.PERFORM_CONVERSION_EVENT,
        campaign=campaign,
        occurred_at=t,
        properties={"conversion": letter},
    )


_MADE = "conversion-"
_LOOKED_AT = LAUNCH_TIME | VIEWS | {InteractionType.PERFORM_CONVERSION_EVENT}
