"""The story of `connector dev`: what came in, what waits until when, what went out, and what was refused and why.

It reads the store's log from where it stopped, in this process, so that API and worker do nothing for it.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from connector.app.store_context import StoreContext
from connector.rules.explaining.wording import REASON_TEXTS
from connector.rules.model.interactions import Interaction
from connector.rules.model.reasons import NOTED, OPEN_STATES, Reason, State
from connector.store.engine.database import StoreUnavailable, database_now
from connector.store.reporting.happenings import (
    MAX_ARRIVALS,
    OVERLAP,
    Arrival,
    Refused,
    Snapshot,
    load_arrivals,
    load_names,
    load_open_ids,
    load_refused,
    load_snapshots,
)

_POLL_SECONDS = 0.5
_MAX_SHOWN = 20
"""How many items of one look are shown; more are counted."""
_MAX_SEEN = 10_000
_MAX_PROPERTIES = 80
_INSTANT = timedelta(microseconds=1)
_OPEN = {state.value for state in OPEN_STATES}

Kind = Literal["came_in", "waits", "sent", "ended", "refused", "message", "note"]


@dataclass(frozen=True)
class Line:
    """A line of the story: when it happened (UTC), what kind of thing it is, and the text."""

    at: datetime
    kind: Kind
    text: str


@dataclass(frozen=True)
class Look:
    """What one look at the store found; `names` are the users' ids by their surrogate keys."""

    now: datetime
    arrivals: Sequence[Arrival] = ()
    snapshots: Sequence[Snapshot] = ()
    refused: Sequence[tuple[int, Refused]] = ()
    names: Mapping[str, str] = field(default_factory=dict)


class Story:
    """Turns looks at the store into lines, each thing once.

    Args:
        begin: what happened before is left out, UTC.
    """

    def __init__(self, begin: datetime) -> None:
        self._begin = self.since = begin
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._states: OrderedDict[str, tuple[str, datetime]] = OrderedDict()

    @property
    def open_ids(self) -> list[str]:
        """The follow-ups that were open at the last look."""
        return [id for id, (state, _) in self._states.items() if state in _OPEN]

    def remember(self, snapshots: Sequence[Snapshot]) -> None:
        """Remember follow-ups that are open already, without a line."""
        for one in snapshots:
            self._states[one.id] = one.state, one.next_at

    def describe(self, look: Look) -> Iterator[Line]:
        """Yield what is new, in the order in which a reader understands it."""
        fresh = [one for one in look.arrivals if self._is_new("item", f"{one.user_key} {one.entry.id}")]
        fresh = [one for one in fresh if one.entry.received_at >= self._begin]
        for one in fresh[:_MAX_SHOWN]:
            yield Line(one.entry.received_at, "came_in", _describe_arrival(one, look.names))
        is_cut = len(look.arrivals) == MAX_ARRIVALS
        if len(fresh) > _MAX_SHOWN:
            at_least = "at least " if is_cut else ""
            yield Line(look.now, "came_in", f"and {at_least}{len(fresh) - _MAX_SHOWN} more came in")
        # The rest of a look that was cut is left out: a batch has one time of arrival.
        self.since = look.arrivals[-1].entry.received_at + OVERLAP + _INSTANT if is_cut else look.now
        yield from self._lines(look, [one for one in look.snapshots if self._has_changed(one, look.now)])
        for number, refused in look.refused:
            if self._is_new("decision", str(number)):
                yield Line(look.now, "refused", _describe_refusal(refused, look.names))

    def _lines(self, look: Look, changed: Sequence[Snapshot]) -> Iterator[Line]:
        for one in changed[:_MAX_SHOWN]:
            yield _describe_snapshot(one, look)
        if len(changed) > _MAX_SHOWN:
            yield Line(look.now, "note", f"and {len(changed) - _MAX_SHOWN} more follow-ups changed")

    def _has_changed(self, one: Snapshot, now: datetime) -> bool:
        before, known = self._states.get(one.id), (one.state, one.next_at)
        if before == known:
            return False
        is_old = before is None and one.decided_at is not None and one.decided_at < self._begin
        self._states[one.id] = known
        if len(self._states) > _MAX_SEEN:
            self._states.popitem(last=False)
        is_under_way = one.state == State.SENDING or (one.state in _OPEN and one.next_at <= now)
        return not is_old and not is_under_way

    def _is_new(self, kind: str, id: str) -> bool:
        if (kind, id) in self._seen:
            return False
        self._seen[kind, id] = None
        if len(self._seen) > _MAX_SEEN:
            self._seen.popitem(last=False)
        return True


async def follow_story(
    context: StoreContext, stopped: asyncio.Event, show: Callable[[Line], None], *, poll_seconds: float = _POLL_SECONDS
) -> None:
    """Print what happens until `stopped`, looking at the store at most once per interval."""
    story: Story | None = None
    while not stopped.is_set():
        with suppress(StoreUnavailable):
            story = story or await begin_story(context)
            for line in story.describe(await look_at_store(context, story)):
                show(line)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), poll_seconds)


async def begin_story(context: StoreContext) -> Story:
    """Return a story that begins now, and knows which follow-ups are open already."""
    async with context.database.read(context.workspace) as tx:
        story = Story(await database_now(tx))
        story.remember(await load_snapshots(tx, [], story.since, await load_open_ids(tx)))
        return story


async def look_at_store(context: StoreContext, story: Story) -> Look:
    """Load what happened since the last look, in a bounded number of rows."""
    async with context.database.read(context.workspace) as tx:
        now = await database_now(tx)
        arrivals = await load_arrivals(tx, story.since)
        keys = {one.user_key for one in arrivals}
        snapshots = await load_snapshots(tx, keys, story.since, story.open_ids)
        refused = await load_refused(tx, keys, story.since)
        names = await load_names(tx, keys | {one.user_key for one in snapshots})
        return Look(now, arrivals, snapshots, refused, names)


def _describe_arrival(one: Arrival, names: Mapping[str, str]) -> str:
    item = one.entry.item
    target = item.target if isinstance(item, Interaction) else None
    properties = json.dumps(item.properties, ensure_ascii=False) if item.properties else ""
    shown = properties if len(properties) <= _MAX_PROPERTIES else f"{properties[: _MAX_PROPERTIES - 1]}…"
    parts = (_name(one.user_key, names), item.name_or_type, f"of {target}" if target else "", shown)
    return " ".join(part for part in parts if part)


def _describe_snapshot(one: Snapshot, look: Look) -> Line:
    who = f"{one.campaign} for {_name(one.user_key, look.names)}"
    at = one.decided_at or look.now
    if one.state in _OPEN:
        verb = "is held" if one.state == State.HELD else "waits"
        return Line(look.now, "waits", f"{who} {verb} until {_clock(one.next_at, look.now)}")
    if one.state == State.SENT:
        return Line(at, "sent", f"{who} was sent by {', '.join(one.channels) or 'no channel'}")
    return Line(at, "ended", f"{who}: {one.state}{_why(one.reason)}")


def _clock(at: datetime, now: datetime) -> str:
    """Return an instant on this machine's clock, as every line of the story has it; with its day if it is another."""
    local = at.astimezone()
    return f"{local:%H:%M:%S}" if local.date() == now.astimezone().date() else f"{local:%Y-%m-%d %H:%M}"


def _describe_refusal(one: Refused, names: Mapping[str, str]) -> str:
    verb = "too late an exception" if one.state == NOTED else "refused"
    return f"{one.campaign} for {_name(one.user_key, names)}: {verb}{_why(one.reason)}"


def _why(reason: str | None) -> str:
    return "" if reason is None else f": {REASON_TEXTS[Reason(reason)]} ({reason})"


def _name(user_key: str, names: Mapping[str, str]) -> str:
    return names.get(user_key, "an erased user")


def message_line(record: Mapping[str, Any], at: datetime) -> Line:
    """Return the line of a message that a channel printed instead of sending it."""
    text = " · ".join(str(record[part]) for part in ("title", "body") if record.get(part))
    return Line(at, "message", f"✉ {record.get('channel')} to {record.get('user')}: {text}")
