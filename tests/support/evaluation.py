"""The rules of evaluation over a store in memory: the outcomes of one user's items in an order of arrival."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.ingest.parsing import parse_item
from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.triggering.changes import Change, EndedFollowUp, LateException, NewFollowUp, Refusal
from connector.rules.triggering.evaluator import ENTIRE_LOG, Evaluator, UserState

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
USER, USER_KEY = User(id="u", time_zone="UTC", attributes={"tier": "gold"}), "k"
FINAL = (State.SENDING, State.SENT, State.CONTROL, State.FAILED)

Key = tuple[str, str]
"""(follow-on, key)."""


def hour(number: float) -> datetime:
    """Return the time this many hours after Monday's midnight."""
    return MONDAY + timedelta(hours=number)


@dataclass(frozen=True)
class Arrival:
    """An item in wire form that happened at hour `t` and arrives at hour `r`; items of one `batch` arrive together."""

    id: str
    item: dict[str, Any]
    t: float
    r: float
    batch: int


def catalogue_of(*published: dict[str, Any] | tuple[float, dict[str, Any]]) -> Catalogue:
    """Return a catalogue of definitions, live since long ago; one with an hour is a further revision (P10)."""
    entries: dict[str, Entry] = {}
    for one in published:
        since, definition = one if isinstance(one, tuple) else (None, one)
        parsed = parse_definition(definition)
        known = entries.get(parsed.id, Entry(parsed.id, "active", (), (Window(1, LONG_AGO),)))
        revision = Revision(len(known.revisions) + 1, parsed, LONG_AGO if since is None else hour(since))
        entries[parsed.id] = replace(known, revisions=(*known.revisions, revision))
    return Catalogue().with_entries(entries.values(), version=1)


class InMemoryStore:
    """One user's log, follow-ups, receipts and refusals, as the store has them.

    At the same instant, due work comes before arrivals.

    Args:
        held_until: for the time at which a follow-up is due, the end of its hold (quiet hours); None: it is sent.
    """

    def __init__(
        self, catalogue: Catalogue, held_until: Callable[[datetime], datetime | None] = lambda _: None
    ) -> None:
        self._catalogue, self._held_until = catalogue, held_until
        self._log: dict[str, LogEntry] = {}
        self._newest: datetime | None = None
        self._receipts: dict[tuple[str, str, str], datetime] = {}
        self.follow_ups: dict[str, FollowUp] = {}
        self.refused: dict[tuple[str, str, str], Reason] = {}
        self.notes: list[LateException] = []

    def play(self, arrivals: Sequence[Arrival], until: float) -> None:
        """Ingest these in order of arrival and send what is due, up to that hour."""
        batches: dict[tuple[float, int], list[Arrival]] = {}
        for arrival in sorted(arrivals, key=lambda a: (a.r, a.batch)):
            batches.setdefault((arrival.r, arrival.batch), []).append(arrival)
        for (r, _), batch in batches.items():
            self._send_due(hour(r))
            self._ingest(batch, hour(r))
        self._send_due(hour(until))

    def _ingest(self, batch: Sequence[Arrival], now: datetime) -> None:
        new: dict[str, LogEntry] = {}
        for arrival in batch:
            if arrival.id not in self._log and arrival.id not in new:
                item = parse_item({**arrival.item, "id": arrival.id, "user": "u", "occurred_at": hour(arrival.t)})
                seq = len(self._log) + len(new) + 1
                t = min(hour(arrival.t), now)
                new[arrival.id] = LogEntry(id=arrival.id, seq=seq, t=t, received_at=now, item=item)
        self._log |= new
        if new:
            entries, evaluator = list(new.values()), Evaluator(self._catalogue, now)
            self._store(evaluator.evaluate(self._load_state(evaluator, entries), entries))
            self._newest = max([*([self._newest] if self._newest else []), *(entry.t for entry in entries)])

    def _load_state(self, evaluator: Evaluator, entries: Sequence[LogEntry]) -> UserState:
        earliest = min(entry.t for entry in entries)
        follow_ups = [
            p for p in self.follow_ups.values() if p.is_open or p.decided_at is None or p.decided_at >= earliest
        ]
        known = UserState(
            USER, USER_KEY, self._newest, sorted(follow_ups, key=lambda p: p.trigger.t), dict(self._receipts)
        )
        since = evaluator.log_needed_since(known, entries)
        if since is None:
            return known
        past = [logged for logged in self._log.values() if since is ENTIRE_LOG or logged.t >= since]
        begun = Counter((p.campaign, p.user_key, p.key, p.trigger.id) for p in self.follow_ups.values())
        return replace(known, log=sorted(past, key=lambda logged: (logged.t, logged.seq)), generations=begun)

    def _store(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, NewFollowUp):
                assert change.follow_up.id not in self.follow_ups, "a follow-up begins once"
                self.follow_ups[change.follow_up.id] = change.follow_up
            elif isinstance(change, EndedFollowUp):
                assert self.follow_ups[change.follow_up.id].state not in FINAL, "what has gone out stays"
                self.follow_ups[change.follow_up.id] = change.follow_up
            elif isinstance(change, Refusal):
                key = (change.campaign, change.key, change.logged.id)
                assert key not in self.refused, "a refusal is recorded once"
                self.refused[key] = change.reason
            else:
                self.notes.append(change)
        waits = Counter((p.campaign, p.key) for p in self.follow_ups.values() if p.is_open)
        assert set(waits.values()) <= {1}, "guarantee 2: one wait per follow-on, user and key"

    def _send_due(self, now: datetime) -> None:
        while due := [p for p in self.follow_ups.values() if p.is_open and p.next_at <= now]:
            first = min(due, key=lambda p: (p.next_at, p.id))
            self._send(first, first.next_at)

    def _send(self, follow_up: FollowUp, at: datetime) -> None:
        at = max(at, follow_up.trigger.received_at)
        until = self._held_until(at)
        if until is not None:
            self.follow_ups[follow_up.id] = replace(follow_up, state=State.HELD, next_at=until)
            return
        self.follow_ups[follow_up.id] = replace(follow_up, state=State.SENT, dispatched_at=at, decided_at=at)
        self._receipts[follow_up.campaign, USER_KEY, follow_up.key] = at

    def dispatched(self) -> list[FollowUp]:
        """The follow-ups that were sent."""
        return [p for p in self.follow_ups.values() if p.dispatched_at is not None]

    def of(self, campaign: str, key: str) -> list[FollowUp]:
        """The follow-ups of this key."""
        return [p for p in self.follow_ups.values() if (p.campaign, p.key) == (campaign, key)]

    def ends(self) -> set[tuple[str, str, str, str, str, datetime]]:
        """Every trigger that was not superseded: (follow-on, key, trigger, state, exception, due time)."""
        return {
            (p.campaign, p.key, p.trigger.id, p.state.value, p.exception_id or "", p.due_at)
            for p in self.follow_ups.values()
            if p.reason != Reason.SUPERSEDED
        }
