"""Conversions: which events count as a campaign's success, and for which of a user's receipts (C1).

Ingest and `simulate` both count through this. The log has every counted conversion as a `perform_conversion_event`.
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
from connector.rules.model.times import end_of_second, is_before
from connector.rules.model.values import canonical_json
from connector.rules.targeting.matching import logged_types, matches

CONVERSION_LETTERS = "ABCD"
"""The names of a campaign's conversions, in the order of its list; the first is the primary."""

_RECEIVE_ID = re.compile(r"receive-([0-9a-f]{26})\.[a-z_]+(?:\.[0-9]+)?")
"""The ids of the interactions that a follow-up's messages make (`deliveries.build_receive_interaction`)."""


@dataclass(frozen=True)
class Receipt:
    """One receipt of a campaign by a user; its conversions count from `at` (UTC) on.

    `first` is the id of the item that began it. `name` stays the same if a late item turns out to be the first one.
    """

    name: str
    first: str
    at: datetime
    conversions: tuple[Conversion, ...]

    def letters(self, t: datetime) -> Iterator[tuple[str, Conversion]]:
        """Yield the conversions whose window [receipt, receipt + within) contains `t`, with their letters."""
        for letter, conversion in zip(CONVERSION_LETTERS, self.conversions, strict=False):
            if not is_before(t, self.at) and is_before(t, self.at + conversion.within):
                yield letter, conversion


def log_needed_since(new: Sequence[LogEntry], catalogue: Catalogue) -> datetime | None:
    """Return from when on (UTC) the user's log is needed to count with these new items; None if they concern none.

    The cost depends neither on the number of campaigns nor on how many of them count the same event.
    """
    if not catalogue.conversion_windows:
        return None
    since = [at for logged in new if (at := _log_needed_for(logged, catalogue)) is not None]
    return min(since, default=None)


def log_topics_needed(new: Sequence[LogEntry], catalogue: Catalogue) -> set[str]:
    """Return which types and event names of the user's log are needed to count with these new items.

    Receipts, views and counted conversions always; of the events only those that a new receipt may count.
    """
    receipts = {logged.item.target for logged in new if logged.item.name_or_type in LAUNCH_TIME | VIEWS}
    entries = (catalogue.entries[name] for name in receipts if name is not None and name in catalogue.entries)
    counted = (conversion for entry in entries for revision in entry.published for conversion in revision.conversions)
    events = {topic for conversion in counted for topic, _ in logged_types(conversion)}
    return events | {kind.value for kind in _RELEVANT}


def count_conversions(
    new: Sequence[LogEntry], past: Sequence[LogEntry], catalogue: Catalogue, user: str
) -> list[Interaction]:
    """Return the conversions of a user's new items as interactions, in event order, each with its id (C1).

    A new event counts for its newest receipt. A new receipt that is late also counts the events logged before. A letter
    counts once per receipt, whatever the order of arrival.

    Args:
        new: the items that were logged just now.
        past: the user's log from `log_needed_since` on, at least of the `log_topics_needed`.
        user: the user's id for services.
    """
    new_ids = frozenset(logged.id for logged in new)
    by_id = {logged.id: logged for logged in (*past, *new)}
    ordered = sorted(by_id.values(), key=lambda logged: (logged.t, logged.seq))
    events = [
        logged for logged in ordered if isinstance(logged.item, Event) and catalogue.conversion_window(logged.item)
    ]
    conversions: list[Interaction] = []
    for campaign, items in _by_campaign(ordered).items():
        receipts = receipts_of(catalogue.entries[campaign], items, user)
        counted = _counted_ids(receipts, items)
        for event, receipt in _countable(receipts, events, new_ids):
            for letter, conversion in receipt.letters(event.t):
                id = conversion_id(receipt, letter)
                if matches(event.item, conversion) and id not in counted:
                    counted.add(id)
                    conversions.append(_conversion_event(id, letter, campaign, user, event.t))
    return sorted(conversions, key=lambda interaction: interaction.occurred_at)


def receipts_of(entry: Entry, items: Sequence[LogEntry], user: str) -> list[Receipt]:
    """Return the receipts of one campaign by one user, in event order.

    A sent message and an enrolment begin one; of several with one dispatch, only the first does. A view begins one if
    no window of an earlier item contains its time: the first view counts, and the views soon after it do not.

    Args:
        items: the user's items of this campaign in event order, from one window before the first relevant one on.
    """
    receipts: list[Receipt] = []
    open_until: dict[str | None, datetime] = {}
    for logged in items:
        conversions = _conversions_at(entry, logged.t)
        if not conversions or logged.item.name_or_type not in LAUNCH_TIME | VIEWS:
            continue
        name, until = _receipt_name(logged, user), logged.t + max(conversion.within for conversion in conversions)
        before = open_until.get(None if logged.item.name_or_type in VIEWS else name)
        if before is None or not is_before(logged.t, before):
            receipts.append(Receipt(name, logged.id, logged.t, conversions))
        for key in (name, None):  # None: any receipt of this campaign
            open_until[key] = max(until, open_until.get(key, until))
    return receipts


def conversion_id(receipt: Receipt, letter: str) -> str:
    """Return the stable id of the interaction that counts this letter for this receipt."""
    return f"{_ID_PREFIX}{receipt.name}-{letter.lower()}"


def _log_needed_for(logged: LogEntry, catalogue: Catalogue) -> datetime | None:
    window = catalogue.conversion_window(logged.item)
    if window is None:
        return None
    # An item's window tells whether a later one is a receipt, and an event's receipt may be one window older.
    return logged.t - (2 * window if isinstance(logged.item, Event) else window)


def _by_campaign(items: Sequence[LogEntry]) -> dict[str, list[LogEntry]]:
    """Return the user's receipts, views and conversions by campaign, in the same order."""
    by_campaign: dict[str, list[LogEntry]] = {}
    for logged in items:
        item = logged.item
        if isinstance(item, Interaction) and item.campaign is not None and item.type in _RELEVANT:
            by_campaign.setdefault(item.campaign, []).append(logged)
    return by_campaign


def _conversions_at(entry: Entry, t: datetime) -> tuple[Conversion, ...]:
    """Return the conversions of the revision in effect at `t`; before the first one, of the newest published one."""
    published = entry.published
    revision = entry.revision_at(t) or (published[-1] if published else None)
    return revision.conversions if revision else ()


def _receipt_name(logged: LogEntry, user: str) -> str:
    """Return the name of the item's receipt, which is by dispatch, else by follow-up, else by the item's id."""
    dispatch = logged.item.properties.get("dispatch")
    follow_up = _RECEIVE_ID.fullmatch(logged.id)
    if dispatch is not None:
        facts = ["dispatch", str(dispatch)]
    else:
        facts = ["follow-up", follow_up[1]] if follow_up else ["item", logged.id]
    return hashlib.sha256(canonical_json([user, logged.item.target, *facts]).encode()).hexdigest()[:26]


def _countable(
    receipts: Sequence[Receipt], events: Sequence[LogEntry], new_ids: frozenset[str]
) -> Iterator[tuple[LogEntry, Receipt]]:
    """Yield the events that are new or have a new receipt, each with the newest receipt for which it counts."""
    first_new_receipt = min((receipt.at for receipt in receipts if receipt.first in new_ids), default=None)
    for event in events:
        is_new = event.id in new_ids
        if not is_new and (first_new_receipt is None or is_before(event.t, first_new_receipt)):
            continue
        receipt = next((r for r in _newest_first(receipts, event.t) if _counts(event, r)), None)
        if receipt is not None and (is_new or receipt.first in new_ids):
            yield event, receipt


def _counts(event: LogEntry, receipt: Receipt) -> bool:
    return any(matches(event.item, conversion) for _, conversion in receipt.letters(event.t))


def _newest_first(receipts: Sequence[Receipt], t: datetime) -> Iterator[Receipt]:
    """Yield the receipts that an event's time is not before (M8), the newest first."""
    end = bisect_right(receipts, end_of_second(t), key=lambda receipt: receipt.at)
    return (receipts[index] for index in reversed(range(end)))


def _counted_ids(receipts: Sequence[Receipt], items: Sequence[LogEntry]) -> set[str]:
    """Return the ids of the conversions that were counted: those in the log, and those that they would have now.

    The two differ if a late item has since become the beginning of the receipt.
    """
    counted: set[str] = set()
    for logged in items:
        if not logged.id.startswith(_ID_PREFIX):
            continue
        counted.add(logged.id)
        letter = logged.item.properties.get("conversion")
        receipt = next((r for r in _newest_first(receipts, logged.t) if letter in dict(r.letters(logged.t))), None)
        if receipt is not None:
            counted.add(conversion_id(receipt, str(letter)))
    return counted


def _conversion_event(id: str, letter: str, campaign: str, user: str, t: datetime) -> Interaction:
    return Interaction(
        id=id,
        user=user,
        type=InteractionType.PERFORM_CONVERSION_EVENT,
        campaign=campaign,
        occurred_at=t,
        properties={"conversion": letter},
    )


_ID_PREFIX = "conversion-"
_RELEVANT = LAUNCH_TIME | VIEWS | {InteractionType.PERFORM_CONVERSION_EVENT}
