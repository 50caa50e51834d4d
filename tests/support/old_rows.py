"""Rows of every table that the cleanup deletes from: one that is past, and those that something still needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import Table, func, select

from connector.store.cleanup.horizons import Kept
from connector.store.engine.database import Database
from connector.store.tables import (
    assignments,
    decisions,
    deliveries,
    entries,
    follow_ups,
    heeded_reports,
    inbox,
    inbox_marks,
    interactions,
    launches,
    message_texts,
    metadata,
    publications,
    reached_users,
    receipts,
    unmatched_reports,
)

KEPT = Kept(retention=timedelta(days=90), links=timedelta(days=400))
_NUMBERS = count(1)


@dataclass(frozen=True)
class OldRow:
    """A row, whether the cleanup deletes it, and what it is an example of."""

    table: Table
    is_past: bool
    stands_for: str
    values: Mapping[str, Any]


def logged(now: datetime, days: float, **values: Any) -> dict[str, Any]:
    """Return an item that happened and arrived `days` days ago."""
    at = now - timedelta(days=days)
    item = {"id": f"i{next(_NUMBERS)}", "seq": next(_NUMBERS), "user_key": "k", "kind": "event", "topic": "visit"}
    times = {"t": at, "occurred_at": at, "received_at": at, "day": at.astimezone(UTC).date(), "properties": {}}
    row = item | times | values
    return row | {"day": row["t"].astimezone(UTC).date()}


def decided(now: datetime, days: float, **values: Any) -> dict[str, Any]:
    """Return a refusal that was decided `days` days ago."""
    at = now - timedelta(days=days)
    refusal = {"campaign": "f", "user_key": "k", "key": "", "interaction_id": "i", "state": "refused"}
    return refusal | {"reason": "already_waiting", "t": at, "decided_at": at} | values


def ended(now: datetime, days: float, **values: Any) -> dict[str, Any]:
    """Return a follow-up that ended `days` days ago, of which Temporal knows."""
    at = now - timedelta(days=days)
    ids = {"id": f"f{next(_NUMBERS)}", "campaign": "f", "revision": 1, "window_id": 1, "user_key": "k", "key": ""}
    trigger = {"trigger_id": "i", "trigger": {"kind": "event", "topic": "visit"}, "channels": ["push"]}
    times = dict.fromkeys(("triggered_at", "due_at", "next_at", "created_at", "decided_at", "started_at"), at)
    return ids | trigger | times | {"state": "dropped", "reason": "stopped", "ended_outside": False} | values


def old_rows(now: datetime) -> Sequence[OldRow]:
    """Return the rows, as of `now`; what has an id of its own names none of the others."""
    out = ended(now, 500, state="sent", reason=None)
    kept = ended(now, 399, state="sent", reason=None)
    late = now - timedelta(days=80)
    return [
        OldRow(interactions, True, "past", logged(now, 92)),
        OldRow(interactions, False, "in the retention", logged(now, 89)),
        OldRow(interactions, False, "an item that came late", logged(now, 150, received_at=late)),
        OldRow(decisions, True, "past", decided(now, 92)),
        OldRow(decisions, False, "in the retention", decided(now, 89)),
        OldRow(decisions, False, "about a late item", decided(now, 150, decided_at=late)),
        OldRow(follow_ups, True, "ended, nothing sent", ended(now, 92)),
        OldRow(follow_ups, True, "sent, its links have expired", out),
        OldRow(deliveries, True, "of that", delivered(out)),
        OldRow(follow_ups, False, "sent, its links are valid", kept),
        OldRow(deliveries, False, "of that", delivered(kept)),
        OldRow(follow_ups, False, "in the retention", ended(now, 89)),
        OldRow(follow_ups, False, "waits", ended(now, 200, state="waiting", reason=None, decided_at=None)),
        OldRow(follow_ups, False, "not known to its workflow", ended(now, 200, ended_outside=True)),
        OldRow(follow_ups, False, "may have been sent", ended(now, 200, state="failed", reason="send_unknown")),
        OldRow(follow_ups, False, "of a launch that goes on", ended(now, 500, campaign="l")),
        OldRow(launches, False, "goes on", launch(now)),
        OldRow(message_texts, True, "kept no longer", rendered("old", now)),
        OldRow(message_texts, False, "kept for another minute", rendered("new", now + timedelta(minutes=1))),
        OldRow(inbox, True, "expired", message(now, "old", 92)),
        OldRow(inbox_marks, True, "of that", {"user_key": "k", "message": "old", "viewed_at": now}),
        OldRow(inbox, False, "reports are accepted", message(now, "new", 80)),
        OldRow(inbox_marks, False, "of that", {"user_key": "k", "message": "new", "viewed_at": now}),
        OldRow(inbox_marks, False, "of a card", {"user_key": "k", "message": "card:c", "viewed_at": now}),
        OldRow(unmatched_reports, True, "too old to be retried", unmatched(now, "u1", 92)),
        OldRow(unmatched_reports, False, "in the retention", unmatched(now, "u2", 80)),
        OldRow(heeded_reports, True, "would be stale", applied(now, "sendgrid", 92)),
        OldRow(heeded_reports, False, "in the retention", applied(now, "ses", 80)),
        OldRow(heeded_reports, False, "signs no time", applied(now, "twilio", 500)),
        *_archived(now, "gone", 500, is_past=True),
        *_archived(now, "lately", 300, is_past=False),
        OldRow(receipts, False, "eligibility", {"campaign": "f", "user_key": "k", "key": "", "received_at": LONG_AGO}),
    ]


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def _archived(now: datetime, campaign: str, days: float, *, is_past: bool) -> Sequence[OldRow]:
    entry = {"id": campaign, "kind": "campaign", "state": "archived", "newest_revision": 1, "changed_in": 0}
    window = {"id": campaign, "opened_at": LONG_AGO, "closed_at": now - timedelta(days=days)}
    receipt = {"campaign": campaign, "user_key": "k", "key": "", "received_at": LONG_AGO}
    return [
        OldRow(entries, False, "a campaign", entry),
        OldRow(publications, False, "its window", window),
        OldRow(receipts, is_past, "of an archived campaign", receipt),
        OldRow(reached_users, is_past, "the same", {"campaign": campaign, "user_key": "k", "at": LONG_AGO, "steps": 2}),
        OldRow(assignments, is_past, "the same", {"campaign": campaign, "user_key": "k", "control": False}),
    ]


def delivered(follow_up: Mapping[str, Any]) -> dict[str, Any]:
    """Return the delivery of a follow-up that was sent."""
    ids = {"id": f"{follow_up['id']}.push", "follow_up_id": follow_up["id"], "campaign": "f", "user_key": "k"}
    return ids | {"channel": "push", "state": "sent", "attempt": 1, "claimed_at": follow_up["decided_at"]}


def launch(now: datetime) -> dict[str, Any]:
    """Return a launch that goes on."""
    numbers = {"changed_in": 1, "told_in": 1, "minute_count": 0}
    return {"launch_id": "l1", "campaign": "l", "published_at": LONG_AGO, "kept_up_at": now} | numbers


def rendered(delivery: str, expires_at: datetime) -> dict[str, Any]:
    """Return the text of a message."""
    return {"delivery_id": delivery, "user_key": "k", "content": {}, "cut": [], "expires_at": expires_at}


def message(now: datetime, id: str, days: float) -> dict[str, Any]:
    """Return a message of the inbox that expired `days` days ago."""
    ids = {"id": id, "delivery_id": f"{id}.x", "user_key": "k", "campaign": "f", "kind": "content_card", "content": {}}
    return ids | {"priority": 0, "created_at": LONG_AGO, "expires_at": now - timedelta(days=days)}


def unmatched(now: datetime, id: str, days: float) -> dict[str, Any]:
    """Return an unmatched event that was received `days` days ago."""
    at = now - timedelta(days=days)
    key = {"provider": "ses", "event_id": id, "kind": "delivered", "reason": "no_message", "event": {}}
    return key | {"at": at, "received_at": at}


def applied(now: datetime, provider: str, days: float) -> dict[str, Any]:
    """Return an event that was applied `days` days ago."""
    return {"provider": provider, "event_id": f"e{next(_NUMBERS)}", "received_at": now - timedelta(days=days)}


async def table_counts(database: Database) -> Counter[str]:
    """Return how many rows every table has."""
    counts: Counter[str] = Counter()
    async with database.read("default") as tx:
        for table in metadata.sorted_tables:
            counts[table.name] = int((await tx.execute(select(func.count()).select_from(table))).scalar_one())
    return counts
