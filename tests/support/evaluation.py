"""The rules of evaluation over a store in memory: the outcomes of one user's items in an order of arrival."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
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
from connector.rules.targeting.matching import LoggedType, logged_type_of
from connector.rules.triggering.changes import Change, EndedFollowUp, LateException, NewFollowUp, Refusal
from connector.rules.triggering.evaluator import Evaluator, UserState
from connector.rules.triggering.overtaken import RefusedTriggers, last_overtaken
from connector.rules.triggering.user_log import LogIncomplete, Span, UserLog

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
        self.refusals: dict[tuple[str, str, str], Refusal] = {}
        self.notes: list[LateException] = []
        self.loaded = 0

    def play(self, arrivals: Sequence[Arrival], until: float) -> None:
        """Ingest these in order of arrival and send what is due, up to that hour."""
        batches: dict[tuple[float, int], list[Arrival]] = {}
        for arrival in sorted(arrivals, key=lambda a: (a.r, a.batch)):
            batches.setdefault((arrival.r, arrival.batch), []).append(arrival)
        for (r, _), batch in batches.items():
            self._send_due(hour(r))
            self._ingest(batch, hour(r))
        self._send_due(hour(until))

    def receive(self, campaign: str, key: str, number: float) -> None:
        """Record that the user received a message of the follow-on at that hour (T1)."""
        self._receipts[campaign, USER_KEY, key] = hour(number)

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
            self._store(self._evaluate(evaluator, entries))
            self._newest = max([*([self._newest] if self._newest else []), *(entry.t for entry in entries)])

    def _evaluate(self, evaluator: Evaluator, entries: Sequence[LogEntry]) -> list[Change]:
        """Evaluate these with the log loaded in parts, as the store does, though in the smallest ones."""
        state, limit = self._load_state(evaluator, entries), 1
        while True:
            try:
                return evaluator.evaluate(state, entries)
            except LogIncomplete as incomplete:
                limit += 1
                state = replace(state, log=state.log.with_part(self._load_part(incomplete.since, limit)))

    def _load_part(self, wanted: Mapping[LoggedType, datetime], limit: int) -> UserLog:
        """Return the first items of each type since its time, at most `limit`, and those of the last one's time."""
        entries: list[LogEntry] = []
        spans: dict[LoggedType, list[Span]] = {}
        for type, since in wanted.items():
            found = sorted(
                (e for e in self._log.values() if logged_type_of(e.item) == type and e.t >= since), key=lambda e: e.t
            )
            until = found[limit - 1].t if len(found) >= limit else None
            entries += [e for e in found if until is None or e.t <= until]
            spans[type] = [Span(since, until)]
        self.loaded += len(entries)
        return UserLog(entries, spans)

    def _load_state(self, evaluator: Evaluator, entries: Sequence[LogEntry]) -> UserState:
        earliest = min(entry.t for entry in entries)
        follow_ups = [
            p for p in self.follow_ups.values() if p.is_open or p.decided_at is None or p.decided_at >= earliest
        ]
        known = UserState(
            USER, USER_KEY, self._newest, sorted(follow_ups, key=lambda p: p.trigger.t), dict(self._receipts)
        )
        needs = evaluator.log_needed(known, entries)
        begun = Counter((p.campaign, p.user_key, p.key, p.trigger.id) for p in self.follow_ups.values())
        history = [
            e
            for e in self._log.values()
            if logged_type_of(e.item) in needs.history
            and ((since := needs.history[logged_type_of(e.item)]) is None or e.t >= since)
        ]
        log = self._load_part(needs.replayed, 1)
        refused = RefusedTriggers(
            self.refused,
            {}
            if needs.first is None
            else last_overtaken(self.refusals.values(), self.follow_ups.values(), needs.first),
        )
        return replace(known, log=log, history=history, generations=begun, refused=refused)

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
                assert self.refused.get(key) is not change.reason, "a refusal is recorded once"
                self.refusals[key] = change
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

    @property
    def refused(self) -> dict[tuple[str, str, str], Reason]:
        """The newest reason of each refused trigger, by (follow-on, key, trigger)."""
        return {key: refusal.reason for key, refusal in self.refusals.items()}

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
