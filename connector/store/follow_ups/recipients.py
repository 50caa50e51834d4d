"""Load the recipients of messages, in a number of statements that does not depend on their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.sending.decisions import ERASED_RECIPIENT, Recipient, has_assignments
from connector.rules.triggering.user_log import LoggedHistory
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_past_sends
from connector.store.follow_ups.receipts import load_assignments, load_receipts
from connector.store.users.log import WantedTypes, load_types
from connector.store.users.users import load_users


async def load_recipients(
    tx: Transaction,
    catalogue: Catalogue,
    campaigns: Mapping[str, Entry],
    now: datetime,
    *,
    needs_history: Callable[[Entry], bool],
) -> dict[str, Recipient]:
    """Load the facts about users that the due-time list evaluates, by user key. The users are locked already.

    Of an erased user there is only that fact.

    Args:
        campaigns: by user key, the campaign whose message the user is to get.
        now: the earliest instant as of which one of them is evaluated, UTC.
        needs_history: whether a campaign's rules read what its users did.
    """
    if not campaigns:
        return {}
    users = await load_users(tx, campaigns.keys())
    entries = {entry.id: entry for entry in campaigns.values()}
    receipts: dict[str, dict[str, datetime]] = {}
    for (campaign, user_key, key), at in (await load_receipts(tx, campaigns.keys(), entries.keys())).items():
        if campaign == campaigns[user_key].id:
            receipts.setdefault(user_key, {})[key] = at
    is_capped = bool(catalogue.workspace.frequency_caps)
    past_sends = await load_past_sends(tx, campaigns.keys(), now) if is_capped else {}
    assigning = [id for id, entry in entries.items() if has_assignments(entry)]
    assignments = await load_assignments(tx, assigning, campaigns.keys()) if assigning else {}
    reading = {id: _history_wanted(entry, now) for id, entry in entries.items() if needs_history(entry)}
    wanted = {key: reading[entry.id] for key, entry in campaigns.items() if entry.id in reading}
    history = await load_types(tx, wanted)
    return dict.fromkeys(campaigns, ERASED_RECIPIENT) | {
        user_key: Recipient(
            user=stored.user,
            receipts=receipts.get(user_key, {}),
            assignment=assignments.get((campaigns[user_key].id, user_key)),
            past_sends=past_sends.get(user_key, ()),
            history=LoggedHistory(history[user_key].entries if user_key in history else ()),
            unreachable=stored.unreachable,
        )
        for user_key, stored in users.items()
    }


def _history_wanted(entry: Entry, now: datetime) -> WantedTypes:
    """Return the types of items that the campaign's audiences name, each from when on."""
    return {type: None if within is None else now - within for type, within in entry.history_types.items()}
