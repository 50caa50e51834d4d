"""What a user did and was sent, with its times, to be played against edited definitions (`simulate --like`).

Nothing is changed, and nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from connector.app.store_context import StoreContext
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.interactions import LogEntry
from connector.rules.model.values import Instant, format_instant, parse_duration, show_value
from connector.rules.sending.deliveries import OUT
from connector.rules.timing.caps import MAX_CAP_LOOKBACK
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction, database_now
from connector.store.follow_ups.deliveries import find_deliveries
from connector.store.follow_ups.receipts import load_receipts
from connector.store.tables import deliveries
from connector.store.users.log import load_newest_items
from connector.store.users.users import find_user
from starter.operations.users import UserUnknown

MAX_ITEMS = 5_000
"""How many of a user's newest interactions are loaded."""
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


async def read_user_log(context: StoreContext, user: str, since: str) -> dict[str, Any]:
    """Return a user's profile as it is now, and what the user did and was sent since an instant, and before.

    Args:
        user: an id that services use.
        since: an instant with its zone, or how long ago, like "7 days".

    Returns:
        `interactions` are those that arrived since then, `before` those that arrived earlier, each with `at`, the time
        of its arrival, as in a timeline for `simulate`. `is_cut`: there are older ones.

    Raises:
        UserUnknown, StoreUnavailable. DefinitionError: `since` is no such time, or not in the past.
    """
    async with context.database.read(context.workspace) as tx:
        now = await database_now(tx)
        start = read_since(since, now)
        stored = await find_user(tx, user)
        if stored is None:
            raise UserUnknown(f"the user {user} is not known: no report and no description names them")
        items = await load_newest_items(tx, stored.user_key, MAX_ITEMS + 1)
        receipts = await load_receipts(tx, [stored.user_key])
        sends = await _load_sends(tx, stored.user_key, start - MAX_CAP_LOOKBACK)
    kept = items[-MAX_ITEMS:]
    return {
        "user": stored.user.model_dump(mode="json"),
        "since": format_instant(start),
        "as_of": format_instant(now),
        "before": _lines(user, (entry for entry in kept if entry.received_at < start)),
        "interactions": _lines(user, (entry for entry in kept if entry.received_at >= start)),
        "sends": sends,
        "receipts": [
            {"campaign": campaign, "key": key, "at": format_instant(at)}
            for (campaign, _, key), at in sorted(receipts.items())
        ],
        "is_cut": len(items) > MAX_ITEMS,
    }


def read_since(text: str, now: datetime) -> datetime:
    """Return the instant (UTC) that a text gives: itself, or how long before `now`. Raises DefinitionError."""
    try:
        start = now - parse_duration(text)
    except ValueError:
        start = _read_instant(text)
    except OverflowError:
        start = now
    if start >= now or now - start > timedelta(days=36_500):
        raise DefinitionError([Fault("since", f"{show_value(text)} is not a time of the last hundred years")])
    return start


def _read_instant(text: str) -> datetime:
    right = 'is neither a time with its zone, like 2026-03-02T00:00:00Z, nor how long ago, like "7 days"'
    try:
        return _INSTANT.validate_python(text).astimezone(UTC)
    except (ValidationError, OverflowError):
        raise DefinitionError([Fault("since", f"{show_value(text)} {right}")]) from None


async def _load_sends(tx: Transaction, user_key: str, since: datetime) -> list[dict[str, Any]]:
    """Return what was sent to the user, or may have been, oldest first."""
    table = deliveries.c
    conditions = (in_set(tx, table.user_key, [user_key]), table.claimed_at > since, table.state.in_(OUT))
    found = [(one.claimed_at, one) for one in await find_deliveries(tx, *conditions) if one.claimed_at is not None]
    return [
        {"campaign": one.campaign, "channel": one.channel, "follow_up": one.follow_up_id, "at": format_instant(at)}
        for at, one in sorted(found, key=lambda send: (send[0], send[1].id))
    ]


def _lines(user: str, entries: Iterable[LogEntry]) -> list[dict[str, Any]]:
    """Return entries as lines of a timeline."""
    return [
        {
            "at": format_instant(entry.received_at),
            "interaction": {
                **entry.item.model_dump(mode="json", exclude_none=True),
                "id": entry.id,
                "user": user,
                "occurred_at": format_instant(entry.t),
            },
        }
        for entry in entries
    ]
