"""Load messages that are due, and their recipients, in a number of statements that does not depend on their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.follow_up import FollowUp
from connector.rules.sending.decisions import ERASED_RECIPIENT, Recipient, has_assignments
from connector.rules.sending.deliveries import DueMessage, delivery_id
from connector.rules.triggering.user_log import LoggedHistory
from connector.store.engine.group_commit import SingleRequest
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_deliveries_by_follow_up, load_past_sends
from connector.store.follow_ups.follow_ups import load_follow_ups_by_id, load_locked
from connector.store.follow_ups.receipts import load_assignments, load_receipts
from connector.store.users.log import WantedTypes, load_types
from connector.store.users.users import load_users
from connector.tracing import Context, current_context
from connector.wire import SendRequest


@dataclass(frozen=True)
class Attempt(SingleRequest):
    """One attempt at one message, counted from 1; `now` is as of when the message is evaluated, UTC.

    `has_place`: the message's launch has already taken a place for it in the window of its channel's rate.
    `span`: the attempt's span.
    """

    request: SendRequest
    now: datetime
    number: int
    has_place: bool = False
    span: Context | None = field(default_factory=current_context, compare=False)

    @property
    def delivery_id(self) -> str:
        """The id of the message's delivery."""
        return delivery_id(self.request.follow_up_id, self.request.channel)


async def load_turns(tx: Transaction, attempts: Sequence[Attempt]) -> AsyncIterator[dict[int, DueMessage]]:
    """Yield the messages of attempts, with their users locked, by the position of their attempt.

    There is one turn, unless a user has several messages: each of these is loaded after the caller has applied the turn
    before it, so that it is evaluated with what that turn changed. A message whose follow-up is gone is in no turn.
    """
    follow_ups = await load_locked(tx, {attempt.request.follow_up_id for attempt in attempts})
    for number, turn in enumerate(_plan_turns(attempts, follow_ups)):
        ids = {attempts[position].request.follow_up_id for position in turn}
        if number:  # the turn before may have changed them
            follow_ups = await load_follow_ups_by_id(tx, ids)
        deliveries = await load_deliveries_by_follow_up(tx, ids)
        yield {
            position: DueMessage(
                follow_ups[attempt.request.follow_up_id],
                attempt.request.channel,
                {record.channel: record for record in deliveries.get(attempt.request.follow_up_id, ())},
                attempt.number,
            )
            for position, attempt in ((position, attempts[position]) for position in turn)
        }


def _plan_turns(attempts: Sequence[Attempt], follow_ups: Mapping[str, FollowUp]) -> list[list[int]]:
    """Return the positions of attempts turn by turn, each user's first messages in the first turn."""
    turns: list[list[int]] = []
    seen: Counter[str] = Counter()
    for position, attempt in enumerate(attempts):
        follow_up = follow_ups.get(attempt.request.follow_up_id)
        if follow_up is None:
            continue
        number = seen[follow_up.user_key]
        seen[follow_up.user_key] += 1
        if number == len(turns):
            turns.append([])
        turns[number].append(position)
    return turns


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
