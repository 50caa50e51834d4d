"""The catalogue: what is published, since when, and who listens to what. Immutable; a change makes a new one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

from connector.rules.model.campaigns import ActionBased, Campaign, Card, Conversion, Publishable, Workspace
from connector.rules.model.interactions import LAUNCH_TIME, VIEWS, Interaction, Item
from connector.rules.targeting.audience import needs_history
from connector.rules.targeting.matching import Topic, topic_of, topic_of_condition

Lifecycle = Literal["draft", "active", "stopped", "archived"]


@dataclass(frozen=True)
class Window:
    """A time [opened_at, closed_at) in which a campaign or card was live; closed_at is None while it is."""

    window_id: int
    opened_at: datetime
    closed_at: datetime | None = None

    def contains(self, t: datetime) -> bool:
        """Whether `t` falls into this window."""
        return self.opened_at <= t and (self.closed_at is None or t < self.closed_at)


@dataclass(frozen=True)
class Revision:
    """One saved definition; `effective_at` is None as long as it was never published."""

    number: int
    definition: Publishable
    effective_at: datetime | None = None

    @property
    def conversions(self) -> tuple[Conversion, ...]:
        """What it counts as success (C1); cards count nothing."""
        return self.definition.conversions if isinstance(self.definition, Campaign) else ()


@dataclass(frozen=True)
class Entry:
    """One campaign or card with its lifecycle. `revisions` are in the order of their numbers, drafts included."""

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
        """The revision whose rules hold now; None unless the entry is active."""
        return self.published[-1] if self.state == "active" else None

    @property
    def is_card(self) -> bool:
        """Whether this is a News Feed card."""
        return isinstance(self.newest.definition, Card)

    @property
    def first_effective_at(self) -> datetime | None:
        """When it was published first: P2 counts from here, across revisions (P10)."""
        return self.windows[0].opened_at if self.windows else None

    @cached_property
    def needs_history(self) -> bool:
        """Whether the audience of some published revision asks what users did before."""
        definitions = (revision.definition for revision in self.published)
        return any(isinstance(d, Campaign) and needs_history(d.audience) for d in definitions)

    def revision_at(self, t: datetime) -> Revision | None:
        """The revision that was in effect at `t`."""
        for revision in reversed(self.published):
            if revision.effective_at is not None and revision.effective_at <= t:
                return revision
        return None

    def window_at(self, t: datetime) -> Window | None:
        """The window that `t` falls into, None where it was not live."""
        for window in reversed(self.windows):
            if window.contains(t):
                return window
        return None

    def window(self, window_id: int) -> Window | None:
        """The window of that id."""
        return next((window for window in self.windows if window.window_id == window_id), None)

    def revision(self, number: int) -> Revision | None:
        """The revision of that number."""
        for revision in reversed(self.revisions):
            if revision.number == number:
                return revision
        return None

    def follow_on(self, revision: Revision | None) -> ActionBased | None:
        """The delivery of that revision where it is a follow-on's."""
        definition = revision.definition if revision else None
        return definition.follow_on if isinstance(definition, Campaign) else None


Listeners = Mapping[Topic, tuple[str, ...]]


@dataclass(frozen=True)
class Catalogue:
    """All entries of a workspace at one version, with an index from topics to the follow-ons that ever listened.

    Stopped and archived ones stay in it, so that what they no longer count is refused with its reason (P2). A second
    index has the campaigns that ever counted conversions, under their events and receipts, and each topic's `windows`
    the longest of theirs (C1). A third has the follow-ons that something with the topic ever called off.
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
        """A new catalogue in which these entries stand in the place of those of the same id."""
        merged = dict(self.entries)
        listening, counting = (
            _Listening(self.trigger_listeners, _topics),
            _Listening(self.conversion_listeners, _topics_counted),
        )
        excepting = _Listening(self.exception_listeners, _topics_excepting)
        for entry in entries:
            for index in (listening, counting, excepting):
                index.put(entry, merged.get(entry.id))
            merged[entry.id] = entry
        counted, touched = counting.sorted(), counting.touched()
        windows = {
            topic: _longest_window(map(merged.__getitem__, names))
            if topic in touched
            else self.conversion_windows[topic]
            for topic, names in counted.items()
        }
        return Catalogue(
            version,
            workspace or self.workspace,
            merged,
            listening.sorted(),
            changed_at or self.changed_at,
            counted,
            windows,
            excepting.sorted(),
        )

    def listeners_of(self, item: Item) -> tuple[Entry, ...]:
        """The follow-ons of which some published revision's trigger has the item's topic.

        The cost does not depend on how many campaigns there are.
        """
        names = self.trigger_listeners.get(topic_of(item), ())
        return tuple([self.entries[name] for name in names]) if names else ()

    def has_no_listeners(self, item: Item) -> bool:
        """Whether no published revision's triggers or exceptions have the item's topic.

        Such an item touches no follow-up, whatever else is known of its user and in whatever order it comes (T5): only
        conditions of published revisions begin waits and call them off (P10).
        """
        topic = topic_of(item)
        return topic not in self.trigger_listeners and topic not in self.exception_listeners

    @cached_property
    def needs_history(self) -> bool:
        """Whether any audience asks what users did before; mostly none does, and nobody's past is looked up."""
        return any(entry.needs_history for entry in self.entries.values())

    @cached_property
    def live_cards(self) -> tuple[Entry, ...]:
        """The News Feed cards that are active, the newest publication first."""
        cards = [entry for entry in self.entries.values() if entry.is_card and entry.live is not None]
        return tuple(sorted(cards, key=lambda card: card.windows[-1].opened_at, reverse=True))

    def conversion_window(self, item: Item) -> timedelta | None:
        """The longest window of all campaigns with conversions for which the item is a receipt or may be an event.

        None where there is no such campaign. The cost does not depend on how many there are (C1).
        """
        return self.conversion_windows.get(topic_of(item))

    def is_active(self, name: str) -> bool:
        """Whether there is such a campaign or card, and it is live."""
        entry = self.entries.get(name)
        return entry is not None and entry.state == "active"

    def target_of(self, item: Item) -> Entry | None:
        """The campaign or card that the item is about; None for events, unknown ids and ids of the other kind (M5)."""
        if not isinstance(item, Interaction):
            return None
        entry = self.entries.get(item.target)
        return entry if entry is not None and entry.is_card == (item.card is not None) else None


def _topics(entry: Entry) -> set[Topic]:
    deliveries = (entry.follow_on(revision) for revision in entry.published)
    return {topic_of_condition(condition) for delivery in deliveries if delivery for condition in delivery.trigger}


def _topics_excepting(entry: Entry) -> set[Topic]:
    deliveries = (entry.follow_on(revision) for revision in entry.published)
    return {topic_of_condition(condition) for delivery in deliveries if delivery for condition in delivery.exceptions}


def _topics_counted(entry: Entry) -> set[Topic]:
    """The events that some published revision counts, and what opens or holds a window for them (C1)."""
    conversions = [conversion for revision in entry.published for conversion in revision.conversions]
    if not conversions:
        return set()
    events = {topic_of_condition(conversion) for conversion in conversions}
    return events | {("interaction", kind.value, f"campaign:{entry.id}") for kind in LAUNCH_TIME | VIEWS}


def _longest_window(entries: Iterable[Entry]) -> timedelta:
    return max(c.within for entry in entries for revision in entry.published for c in revision.conversions)


class _Listening:
    """An index while it changes: each topic that is touched is sorted once, however many entries change."""

    def __init__(self, listeners: Listeners, topics: Callable[[Entry], set[Topic]]) -> None:
        self._listeners, self._topics = listeners, topics
        self._touched: dict[Topic, set[str]] = {}

    def put(self, entry: Entry, before: Entry | None) -> None:
        """Index an entry, in the place of what it was before."""
        for topic in self._topics(before) if before else ():
            self._names(topic).discard(entry.id)
        for topic in self._topics(entry):
            self._names(topic).add(entry.id)

    def touched(self) -> Listeners:
        """The topics that changed."""
        return {topic: tuple(sorted(names)) for topic, names in self._touched.items()}

    def sorted(self) -> Listeners:
        """The whole index."""
        return {topic: names for topic, names in {**self._listeners, **self.touched()}.items() if names}

    def _names(self, topic: Topic) -> set[str]:
        if topic not in self._touched:
            self._touched[topic] = set(self._listeners.get(topic, ()))
        return self._touched[topic]
