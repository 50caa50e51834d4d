"""The catalogue: what is published, since when, and who listens to what. Immutable; a change makes a new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from connector.rules.campaigns import ActionBased, Campaign, Card, Publishable, Workspace
from connector.rules.interactions import Interaction, Item
from connector.rules.matching import Topic, topic_listened_to, topic_of

Lifecycle = Literal["draft", "active", "stopped", "archived"]


@dataclass(frozen=True)
class Window:
    """A time [opened_at, closed_at) in which a campaign or card was live; closed_at is None while it is."""

    window_id: int
    opened_at: datetime
    closed_at: datetime | None = None

    def holds(self, t: datetime) -> bool:
        """Whether `t` falls into this window."""
        return self.opened_at <= t and (self.closed_at is None or t < self.closed_at)


@dataclass(frozen=True)
class Revision:
    """One saved definition; `effective_at` is None as long as it was never published."""

    number: int
    definition: Publishable
    effective_at: datetime | None = None


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

    @property
    def published(self) -> tuple[Revision, ...]:
        """The revisions that were ever published, in the order in which they took effect."""
        return tuple(
            sorted(
                (revision for revision in self.revisions if revision.effective_at is not None),
                key=lambda revision: (revision.effective_at, revision.number),
            )
        )

    @property
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

    def revision_at(self, t: datetime) -> Revision | None:
        """The revision that was in effect at `t`."""
        return next((r for r in reversed(self.published) if r.effective_at is not None and r.effective_at <= t), None)

    def window_at(self, t: datetime) -> Window | None:
        """The window that `t` falls into, None where it was not live."""
        return next((window for window in reversed(self.windows) if window.holds(t)), None)

    def window(self, window_id: int) -> Window | None:
        """The window of that id."""
        return next((window for window in self.windows if window.window_id == window_id), None)

    def revision(self, number: int) -> Revision | None:
        """The revision of that number."""
        return next((revision for revision in self.revisions if revision.number == number), None)

    def follow_on(self, revision: Revision | None) -> ActionBased | None:
        """The delivery of that revision where it is a follow-on's."""
        definition = revision.definition if revision else None
        return definition.follow_on if isinstance(definition, Campaign) else None


Listeners = Mapping[Topic, tuple[str, ...]]


@dataclass(frozen=True)
class Catalogue:
    """All entries of a workspace at one version, with an index from topics to the follow-ons that ever listened.

    Stopped and archived ones stay in it, so that what they no longer count is refused with its reason (P2).
    """

    version: int = 0
    workspace: Workspace = field(default_factory=Workspace)
    entries: Mapping[str, Entry] = field(default_factory=dict)
    listeners: Listeners = field(default_factory=dict)
    changed_at: datetime | None = None

    def changed(
        self,
        entries: Iterable[Entry],
        *,
        version: int,
        workspace: Workspace | None = None,
        changed_at: datetime | None = None,
    ) -> Catalogue:
        """A new catalogue in which these entries stand in the place of those of the same id."""
        merged, listening = dict(self.entries), _Listening(self.listeners)
        for entry in entries:
            if entry.id in merged:
                listening.forget(merged[entry.id])
            merged[entry.id] = entry
            listening.add(entry)
        listeners = listening.sorted()
        return Catalogue(version, workspace or self.workspace, merged, listeners, changed_at or self.changed_at)

    def listening_to(self, item: Item) -> tuple[Entry, ...]:
        """The follow-ons of which some published revision's trigger has the item's topic.

        The cost does not depend on how many campaigns there are.
        """
        return tuple(self.entries[name] for name in self.listeners.get(topic_of(item), ()))

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
    return {topic_listened_to(condition) for delivery in deliveries if delivery for condition in delivery.trigger}


class _Listening:
    """The index while it changes: each topic that is touched is sorted once, however many entries change."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners
        self._touched: dict[Topic, set[str]] = {}

    def add(self, entry: Entry) -> None:
        for topic in _topics(entry):
            self._names(topic).add(entry.id)

    def forget(self, entry: Entry) -> None:
        for topic in _topics(entry):
            self._names(topic).discard(entry.id)

    def sorted(self) -> Listeners:
        changed = {topic: tuple(sorted(names)) for topic, names in self._touched.items()}
        return {topic: names for topic, names in {**self._listeners, **changed}.items() if names}

    def _names(self, topic: Topic) -> set[str]:
        if topic not in self._touched:
            self._touched[topic] = set(self._listeners.get(topic, ()))
        return self._touched[topic]
