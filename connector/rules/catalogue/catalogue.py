"""The catalogue: published entries, their windows, and indexes of the follow-ons that listen to a topic.

It is immutable: every change creates a new catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from connector.rules.model.campaigns import ActionBased, Campaign, Card, Conversion, Publishable, Workspace
from connector.rules.model.interactions import LAUNCH_TIME, VIEWS, Interaction, Item
from connector.rules.model.times import is_before
from connector.rules.targeting.audience import past_conditions
from connector.rules.targeting.matching import LoggedType, Topic, logged_types, topic_of, topic_of_condition

Lifecycle = Literal["draft", "active", "stopped", "archived"]


@dataclass(frozen=True)
class Window:
    """A time [opened_at, closed_at), UTC, in which an entry was live; `closed_at` is None while it is live."""

    window_id: int
    opened_at: datetime
    closed_at: datetime | None = None

    def contains(self, t: datetime) -> bool:
        """Return whether an interaction's time is in this window; a time in whole seconds means that second (M8)."""
        return not is_before(t, self.opened_at) and (self.closed_at is None or is_before(t, self.closed_at))

    def is_open_at(self, instant: datetime) -> bool:
        """Return whether the window was open at an instant of this system's clock."""
        return self.opened_at <= instant and (self.closed_at is None or instant < self.closed_at)


@dataclass(frozen=True)
class Revision:
    """One saved definition; `effective_at` is None until it is published."""

    number: int
    definition: Publishable
    effective_at: datetime | None = None

    @property
    def conversions(self) -> tuple[Conversion, ...]:
        """The conversions that it counts (C1); none for cards."""
        return self.definition.conversions if isinstance(self.definition, Campaign) else ()


@dataclass(frozen=True)
class Entry:
    """One campaign or card with its lifecycle. `revisions` are in the order of their numbers, including drafts."""

    id: str
    state: Lifecycle
    revisions: tuple[Revision, ...]
    windows: tuple[Window, ...] = ()

    @property
    def newest(self) -> Revision:
        """The newest saved revision, published or not."""
        return self.revisions[-1]

    @cached_property
    def published(self) -> tuple[Revision, ...]:
        """The revisions that were ever published, in the order in which they took effect."""
        return tuple(
            sorted(
                (revision for revision in self.revisions if revision.effective_at is not None),
                key=lambda revision: (revision.effective_at, revision.number),
            )
        )

    @cached_property
    def live(self) -> Revision | None:
        """The revision that is in effect now; None unless the entry is active."""
        return self.published[-1] if self.state == "active" else None

    @property
    def is_card(self) -> bool:
        """Whether this is a News Feed card."""
        return isinstance(self.newest.definition, Card)

    @property
    def first_effective_at(self) -> datetime | None:
        """The instant of the first publication, UTC: P2 counts from this time, across revisions (P10)."""
        return self.windows[0].opened_at if self.windows else None

    @property
    def needs_history(self) -> bool:
        """Whether the audience of a published revision depends on what users did before."""
        return bool(self.history_types)

    @cached_property
    def history_types(self) -> Mapping[LoggedType, timedelta | None]:
        """The items on which the audience of a published revision depends, with the longest `within`; None: ever."""
        types: dict[LoggedType, timedelta | None] = {}
        definitions = (revision.definition for revision in self.published)
        for audience in (definition.audience for definition in definitions if isinstance(definition, Campaign)):
            for condition in past_conditions(audience):
                for type in logged_types(condition):
                    known = types.get(type, timedelta(0))
                    types[type] = None if known is None or condition.within is None else max(known, condition.within)
        return types

    @cached_property
    def follow_ons(self) -> tuple[ActionBased, ...]:
        """The deliveries of the published revisions that are follow-ons."""
        deliveries = (self.follow_on(revision) for revision in self.published)
        return tuple(delivery for delivery in deliveries if delivery is not None)

    @cached_property
    def trigger_types(self) -> frozenset[LoggedType]:
        """The items that may trigger a published revision."""
        conditions = (condition for delivery in self.follow_ons for condition in delivery.trigger)
        return frozenset(type for condition in conditions for type in logged_types(condition))

    @cached_property
    def exception_types(self) -> frozenset[LoggedType]:
        """The items that may be exceptions of a published revision."""
        conditions = (condition for delivery in self.follow_ons for condition in delivery.exceptions)
        return frozenset(type for condition in conditions for type in logged_types(condition))

    @cached_property
    def may_restart(self) -> bool:
        """Whether a trigger of a published revision restarts a wait instead of being refused (T2)."""
        return any(delivery.retrigger == "restart" for delivery in self.follow_ons)

    @cached_property
    def may_supersede(self) -> bool:
        """Whether a trigger of a published revision may end the wait of an earlier one and begin its own (T2, T3)."""
        return self.may_restart or not self.trigger_types.isdisjoint(self.exception_types)

    @cached_property
    def is_limited_by_receipts(self) -> bool:
        """Whether a published revision does not always send again to users who received it (T1)."""
        return any(delivery.eligible_again != "always" for delivery in self.follow_ons)

    def revision_at(self, t: datetime) -> Revision | None:
        """Return the revision that was in effect at an interaction's time (M8); None before the first publication."""
        for revision in reversed(self.published):
            if revision.effective_at is not None and not is_before(t, revision.effective_at):
                return revision
        return None

    def window_at(self, t: datetime) -> Window | None:
        """Return the window that contains an interaction's time; None if the entry was not live then."""
        for window in reversed(self.windows):
            if window.contains(t):
                return window
        return None

    def was_live_at(self, instant: datetime) -> bool:
        """Return whether the entry was live at an instant of this system's clock, as when an item arrived."""
        return any(window.is_open_at(instant) for window in self.windows)

    def window(self, window_id: int) -> Window | None:
        """Return the window with this id."""
        return next((window for window in self.windows if window.window_id == window_id), None)

    def revision(self, number: int) -> Revision | None:
        """Return the revision with this number."""
        for revision in reversed(self.revisions):
            if revision.number == number:
                return revision
        return None

    def follow_on(self, revision: Revision | None) -> ActionBased | None:
        """Return the delivery of a revision of a follow-on; None for other revisions, cards and None."""
        definition = revision.definition if revision else None
        return definition.follow_on if isinstance(definition, Campaign) else None


Listeners = Mapping[Topic, tuple[str, ...]]


@dataclass(frozen=True)
class Catalogue:
    """All entries of a workspace at one version, with indexes from topics to the entries that are concerned.

    Stopped and archived entries stay in the indexes, so that an interaction that they no longer count is refused with
    a reason (P2).

    Args:
        trigger_listeners: follow-ons of which a published revision's trigger has the topic.
        exception_listeners: follow-ons of which a published revision's exceptions have the topic.
        conversion_listeners: campaigns of which a published revision counts conversions, under the topics of their
            events, receipts and views (C1).
        conversion_windows: by topic, the longest conversion window of those campaigns.
    """

    version: int = 0
    workspace: Workspace = field(default_factory=Workspace)
    entries: Mapping[str, Entry] = field(default_factory=dict)
    trigger_listeners: Listeners = field(default_factory=dict)
    changed_at: datetime | None = None
    conversion_listeners: Listeners = field(default_factory=dict)
    conversion_windows: Mapping[Topic, timedelta] = field(default_factory=dict)
    exception_listeners: Listeners = field(default_factory=dict)

    def with_entries(
        self,
        entries: Iterable[Entry],
        *,
        version: int,
        workspace: Workspace | None = None,
        changed_at: datetime | None = None,
    ) -> Catalogue:
        """Return a new catalogue in which these entries replace those with the same ids."""
        merged = dict(self.entries)
        triggers = _IndexBuilder(self.trigger_listeners, _trigger_topics)
        exceptions = _IndexBuilder(self.exception_listeners, _exception_topics)
        conversions = _IndexBuilder(self.conversion_listeners, _conversion_topics)
        for entry in entries:
            for index in (triggers, exceptions, conversions):
                index.replace(merged.get(entry.id), entry)
            merged[entry.id] = entry
        conversion_listeners, changed = conversions.build(), conversions.changed_topics()
        windows = {
            topic: _longest_window(merged[name] for name in names)
            if topic in changed
            else self.conversion_windows[topic]
            for topic, names in conversion_listeners.items()
        }
        return Catalogue(
            version=version,
            workspace=workspace or self.workspace,
            entries=merged,
            trigger_listeners=triggers.build(),
            changed_at=changed_at or self.changed_at,
            conversion_listeners=conversion_listeners,
            conversion_windows=windows,
            exception_listeners=exceptions.build(),
        )

    def listeners_of(self, item: Item) -> tuple[Entry, ...]:
        """Return the follow-ons of which a published revision's trigger has the item's topic.

        The cost does not depend on the number of campaigns.
        """
        names = self.trigger_listeners.get(topic_of(item), ())
        return tuple([self.entries[name] for name in names]) if names else ()

    def has_no_listeners(self, item: Item) -> bool:
        """Return whether no published revision's trigger or exceptions have the item's topic.

        Such an item affects no follow-up, whatever the state of its user and the order of arrival (T5): only conditions
        of published revisions start and cancel follow-ups (P10).
        """
        topic = topic_of(item)
        return topic not in self.trigger_listeners and topic not in self.exception_listeners

    @cached_property
    def needs_history(self) -> bool:
        """Whether any audience depends on what users did before: if none does, no user's log is loaded."""
        return any(entry.needs_history for entry in self.entries.values())

    @cached_property
    def live_cards(self) -> tuple[Entry, ...]:
        """The active News Feed cards, the newest publication first."""
        cards = [entry for entry in self.entries.values() if entry.is_card and entry.live is not None]
        return tuple(sorted(cards, key=lambda card: card.windows[-1].opened_at, reverse=True))

    def conversion_window(self, item: Item) -> timedelta | None:
        """Return the longest conversion window of the campaigns for which the item is a receipt or may be an event.

        None if there is no such campaign. The cost does not depend on the number of campaigns (C1).
        """
        return self.conversion_windows.get(topic_of(item))

    def is_active(self, name: str) -> bool:
        """Return whether there is an active campaign or card with this id."""
        entry = self.entries.get(name)
        return entry is not None and entry.state == "active"

    def stale_after(self, name: str) -> timedelta:
        """Return how late messages of a published campaign may be sent, by its newest live revision (D4)."""
        entry = self.entries[name]
        definition = (entry.live or entry.published[-1]).definition
        return (
            definition.stale_after(self.workspace) if isinstance(definition, Campaign) else self.workspace.stale_after
        )

    def target_of(self, item: Item) -> Entry | None:
        """Return the item's campaign or card; None for events, unknown ids and ids of the other kind (M5)."""
        if not isinstance(item, Interaction):
            return None
        entry = self.entries.get(item.target)
        return entry if entry is not None and entry.is_card == (item.card is not None) else None


def _trigger_topics(entry: Entry) -> set[Topic]:
    return {topic_of_condition(condition) for delivery in entry.follow_ons for condition in delivery.trigger}


def _exception_topics(entry: Entry) -> set[Topic]:
    return {topic_of_condition(condition) for delivery in entry.follow_ons for condition in delivery.exceptions}


def _conversion_topics(entry: Entry) -> set[Topic]:
    """Return the topics of the events that a published revision counts, and of its receipts and views (C1)."""
    conversions = [conversion for revision in entry.published for conversion in revision.conversions]
    if not conversions:
        return set()
    events = {topic_of_condition(conversion) for conversion in conversions}
    return events | {("interaction", kind.value, f"campaign:{entry.id}") for kind in LAUNCH_TIME | VIEWS}


def _longest_window(entries: Iterable[Entry]) -> timedelta:
    return max(c.within for entry in entries for revision in entry.published for c in revision.conversions)


class _IndexBuilder:
    """Builds a changed index; sorts each changed topic once, however many entries change."""

    def __init__(self, listeners: Listeners, topics_of: Callable[[Entry], set[Topic]]) -> None:
        self._listeners, self._topics_of = listeners, topics_of
        self._changed: dict[Topic, set[str]] = {}

    def replace(self, old: Entry | None, new: Entry) -> None:
        """Index `new` instead of `old`, which is None if the entry is new."""
        for topic in self._topics_of(old) if old else ():
            self._names(topic).discard(new.id)
        for topic in self._topics_of(new):
            self._names(topic).add(new.id)

    def changed_topics(self) -> Listeners:
        """Return the topics that changed, each with its entries."""
        return {topic: tuple(sorted(names)) for topic, names in self._changed.items()}

    def build(self) -> Listeners:
        """Return the whole index."""
        return {topic: names for topic, names in {**self._listeners, **self.changed_topics()}.items() if names}

    def _names(self, topic: Topic) -> set[str]:
        if topic not in self._changed:
            self._changed[topic] = set(self._listeners.get(topic, ()))
        return self._changed[topic]
