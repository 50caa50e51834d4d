"""The timeline of one user, newest first, by page: what the user did and what was decided, messages, and consent.

It is made of what `explain` reads, so that both say the same about every decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from connector.app.store_context import StoreContext
from connector.rules.model.reasons import OPEN_STATES, State
from connector.rules.model.values import format_instant
from connector.rules.sending.deliveries import delivery_id
from connector.store.engine.database import database_now
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.selection import Position
from connector.store.reporting.history import UserRecord, load_user_record
from connector.store.users.consent_history import RecordedChange, load_changes
from connector.store.users.users import StoredUser
from starter.explain.decisions import ExplanationBuilder, interaction_view
from starter.explain.explain import load_known_user
from starter.explain.explanation import (
    Decision,
    DeliveryView,
    InteractionView,
    decision_lines,
    interaction_line,
    message_line,
)
from starter.explain.texts import describe_content, load_rendered
from starter.operations.consent_history import ConsentChangeView, view_change
from starter.operations.cursors import read_cursor, write_cursor

MAX_ENTRIES = 200
_OPEN = {state.value for state in OPEN_STATES}


class CampaignDecision(BaseModel):
    """A decision, and the campaign that made it."""

    campaign: str
    decision: Decision


class TimelineEntry(BaseModel):
    """One thing that happened at one time (UTC).

    Args:
        kind: `interaction`: the user did something, and `decisions` has what was decided about it. `message`: a message
            was sent, failed or was dropped. `outcome`: a follow-up ended without one. `consent`: the user's consent to
            a channel changed.
        content: what a message said, as it was rendered, if it is kept: by the inbox, or for CONNECTOR_KEEP_MESSAGES;
            see `MessageTextView`. cut: the fields of it that were longer than what is kept.
    """

    id: str
    at: str
    kind: Literal["interaction", "message", "outcome", "consent"]
    interaction: InteractionView | None = None
    decisions: list[CampaignDecision] = []
    message: DeliveryView | None = None
    content: dict[str, Any] | None = None
    cut: list[str] = []
    consent: ConsentChangeView | None = None


@dataclass(frozen=True)
class _Placed:
    """An entry with its time."""

    at: datetime
    entry: TimelineEntry

    @property
    def order(self) -> tuple[datetime, str]:
        return self.at, self.entry.id


async def read_timeline(
    context: StoreContext, user: str, *, limit: int = 50, after: str | None = None
) -> dict[str, Any]:
    """Return a page of the timeline, newest first, of the newest 1,000 decisions, interactions and consent changes.

    Args:
        user: any id of the user, or the user key.
        limit: 1 to `MAX_ENTRIES`. after: `next` of the previous page.

    Returns:
        `entries`, `has_more`, `next`; `is_cut` is true if there are older decisions, which are left out.

    Raises:
        UnknownUser, UserErased, StoreUnavailable. DefinitionError: the cursor is wrong.
    """
    async with context.database.read(context.workspace) as tx:
        as_of = await database_now(tx)
        stored = await load_known_user(tx, user)
        position = None if after is None else read_cursor(after, _list_of(stored))
        record = await load_user_record(tx, stored.user_key)
        changes = await load_changes(tx, stored.user_key)
    catalogue = await context.cache.at_least(context.database)
    builder = ExplanationBuilder(context.workspace, stored, record, catalogue, as_of)
    every = (*_entries(builder, record), *_consent(changes))
    placed = sorted(every, key=lambda one: one.order, reverse=True)
    left = [one for one in placed if position is None or one.order < (position.at, position.id)]
    page = left[:limit]
    async with context.database.read(context.workspace) as tx:
        await _add_contents(tx, stored.user_key, [one.entry for one in page], as_of)
    return {
        "user": stored.user.id,
        "user_key": stored.user_key,
        "as_of": format_instant(as_of),
        "entries": [one.entry.model_dump(mode="json") for one in page],
        "is_cut": record.is_cut,
        "has_more": len(left) > limit,
        "next": write_cursor(Position(*page[-1].order), _list_of(stored)) if len(left) > limit else None,
    }


def render_timeline(shown: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a page, as `read_timeline` returns it, for people."""
    yield f"{shown['user']}, as of {shown['as_of']}, user key {shown['user_key']}"
    for entry in map(TimelineEntry.model_validate, shown["entries"]):
        if entry.interaction is not None:
            yield interaction_line(entry.interaction)
            for one in entry.decisions:
                yield f"  {one.campaign}:"
                yield from (f"    {line}" for line in decision_lines(one.decision))
        elif entry.consent is not None:
            yield f"{entry.at}  {entry.consent.words}"
        else:
            campaign = entry.decisions[0].campaign
            decision = entry.decisions[0].decision
            what = decision.words if entry.message is None else message_line(entry.message)
            yield f"{entry.at}  {campaign}: {what}"
            if entry.content is not None:
                yield f"  {describe_content(entry.content)}"
    if not shown["entries"]:
        yield "nothing is known of what this user did"
    if shown["is_cut"] and not shown["has_more"]:
        yield "older decisions are left out"


def _list_of(stored: StoredUser) -> str:
    return f"timeline {stored.user_key}"


def _entries(builder: ExplanationBuilder, record: UserRecord) -> Iterator[_Placed]:
    campaigns = sorted({one.campaign for one in record.follow_ups} | {one.campaign for one in record.decided})
    decided = [CampaignDecision(campaign=id, decision=one) for id in campaigns for one in builder.decisions(id)]
    yield from _interactions(record, decided)
    for one in decided:
        yield from _ends(one)


def _interactions(record: UserRecord, decided: Sequence[CampaignDecision]) -> Iterator[_Placed]:
    """Yield what the user did: what is logged, and what is known of the rest by the decisions about it."""
    views = {id: interaction_view(logged) for id, logged in record.items.items()}
    by_interaction: dict[str, list[CampaignDecision]] = {}
    for one in decided:
        by_interaction.setdefault(one.decision.interaction.id, []).append(one)
        views.setdefault(one.decision.interaction.id, one.decision.interaction)
    for id, view in views.items():
        entry = TimelineEntry(
            id=f"interaction {id}",
            at=view.happened_at,
            kind="interaction",
            interaction=view,
            decisions=by_interaction.get(id, []),
        )
        yield _Placed(datetime.fromisoformat(view.happened_at), entry)


def _ends(one: CampaignDecision) -> Iterator[_Placed]:
    """Yield the messages of a follow-up, and its end if that is none of them."""
    decision = one.decision
    if decision.follow_up is None:
        return
    for message in decision.messages:
        if at := message.claimed_at or message.decided_at:
            id = delivery_id(decision.follow_up, message.channel, message.resend)
            entry = TimelineEntry(id=f"message {id}", at=at, kind="message", decisions=[one], message=message)
            yield _Placed(datetime.fromisoformat(at), entry)
    if decision.decided_at is not None and decision.state not in (*_OPEN, State.SENT.value, State.FAILED.value):
        entry = TimelineEntry(
            id=f"outcome {decision.follow_up}", at=decision.decided_at, kind="outcome", decisions=[one]
        )
        yield _Placed(datetime.fromisoformat(decision.decided_at), entry)


def _consent(changes: Iterable[tuple[int, RecordedChange]]) -> Iterator[_Placed]:
    """Yield the changes of consent; their numbers have a fixed length, so that those of one instant stay in order."""
    for number, change in changes:
        view = ConsentChangeView.model_validate(view_change(change))
        entry = TimelineEntry(id=f"consent {number:020}", at=view.changed_at, kind="consent", consent=view)
        yield _Placed(change.changed_at, entry)


async def _add_contents(tx: Transaction, user_key: str, entries: Sequence[TimelineEntry], now: datetime) -> None:
    """Add the texts of messages that are kept."""
    of_delivery = {entry.id.partition(" ")[2]: entry for entry in entries if entry.kind == "message"}
    for id, text in (await load_rendered(tx, user_key, of_delivery, now)).items():
        of_delivery[id].content, of_delivery[id].cut = dict(text.content), text.cut
