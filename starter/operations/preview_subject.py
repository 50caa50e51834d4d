"""Who and what a preview is about: the campaign as if it were live, a user, and a follow-up that begins now.

Everything is loaded in one snapshot of the store and decided by the rules; nothing is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision
from connector.rules.catalogue.supposing import suppose_live
from connector.rules.explaining.context import DecisionContext
from connector.rules.explaining.forecast import RuleCheck, forecast_launch, forecast_trigger
from connector.rules.model.campaigns import AnyDefinition, Campaign
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Item, LogEntry
from connector.rules.model.messages import Messages
from connector.rules.model.reasons import State
from connector.rules.model.users import User
from connector.rules.publishing.drafting import draft
from connector.rules.publishing.orders import suggest_id
from connector.rules.sending.decisions import Recipient, assignment_of
from connector.rules.sending.due_list import newest_live
from connector.rules.sending.effects import BeginFollowUp
from connector.rules.sending.launch_times import send_time
from connector.rules.sending.launching import Launch, launch_user
from connector.rules.targeting.assignment import Assignment
from connector.rules.targeting.audience import needs_history
from connector.rules.triggering.trigger_list import TriggerFacts, begin_follow_up, compute_key
from connector.store.engine.transaction import Transaction, database_now
from connector.store.follow_ups.recipients import load_recipients
from connector.store.reporting.history import UserRecord, load_user_record
from connector.store.users.users import StoredUser, find_user
from connector.templating.threads import run_in_thread
from starter.operations.preview_choice import (
    CampaignUnknown,
    Choice,
    NothingToPreview,
    content_of,
    read_definition,
    revision_of,
    trigger_of,
    with_profile,
)
from starter.operations.users import UserUnknown

_NO_RECORD = UserRecord((), (), False, {}, {}, (), {}, frozenset())
_INVENTED = "preview"
"""The id and the key of a user who was invented for a preview."""


@dataclass(frozen=True)
class Subject:
    """The subject of a preview. `is_sample`: the trigger was invented; `now` is the database's clock, UTC.

    `state` is what the campaign's state really is, None if it was never saved; `revision` the number of the previewed
    revision, None if an edited definition is previewed; `variant` the name of the content, None without variants.
    """

    catalogue: Catalogue
    state: str | None
    revision: int | None
    stored: StoredUser
    is_known: bool
    is_sample: bool
    recipient: Recipient
    assignment: Assignment
    variant: str | None
    content: Messages
    follow_up: FollowUp
    checks: Sequence[RuleCheck]
    context: DecisionContext
    now: datetime

    @property
    def entry(self) -> Entry:
        """The campaign as if it were live."""
        return self.catalogue.entries[self.follow_up.campaign]

    @property
    def campaign(self) -> Campaign:
        """The previewed definition."""
        return newest_live(self.entry)

    @property
    def user(self) -> User:
        """The user."""
        return self.recipient.user


async def load_subject(context: StoreContext, choice: Choice) -> Subject:
    """Load everything that a preview needs.

    Raises:
        CampaignUnknown, UserUnknown, NothingToPreview, StoreUnavailable.
        DefinitionError, OrderRefused: the definition, the profile or the trigger cannot be used.
    """
    definitions = await run_in_thread(partial(read_definition, choice, with_links=not context.settings.link_hosts))
    saved = await context.cache.at_least(context.database)
    async with context.database.read(context.workspace) as tx:
        now = await database_now(tx)
        catalogue, revision = await run_in_thread(partial(_suppose, saved, definitions, choice, now))
        stored, record = await _load_user(tx, choice)
        user = with_profile(stored.user, choice.profile)
        entry = catalogue.entries[choice.campaign]
        recipient = await _load_recipient(tx, catalogue, entry, stored, now)
    recipient = replace(recipient, user=user)
    real = saved.entries.get(choice.campaign)
    return _build(choice, catalogue, real, None if definitions else revision, stored, record, recipient, now)


def _build(
    choice: Choice,
    catalogue: Catalogue,
    real: Entry | None,
    revision: Revision | None,
    stored: StoredUser,
    record: UserRecord,
    recipient: Recipient,
    now: datetime,
) -> Subject:
    entry = catalogue.entries[choice.campaign]
    campaign, assignment = newest_live(entry), assignment_of(entry, recipient)
    content = content_of(campaign, assignment, recipient.user.id, choice)
    if campaign.follow_on is None:
        is_sample, follow_up = False, _launch(entry, catalogue, stored, recipient, now)
        explained = _context(entry, catalogue, recipient, record, follow_up.trigger, "")
        checks = forecast_launch(follow_up, campaign, recipient, explained)
    else:
        item, is_sample = trigger_of(choice, campaign, recipient.user, record, now)
        facts = _trigger_facts(entry, catalogue, stored, record, recipient, item, now)
        key = compute_key(facts.logged.item, entry, now)
        follow_up = begin_follow_up(facts, key, 0)
        explained = _context(entry, catalogue, recipient, record, facts.logged, key)
        checks = forecast_trigger(facts, explained)
    return Subject(
        catalogue=catalogue,
        state=real.state if real else None,
        revision=revision.number if revision else None,
        stored=stored,
        is_known=choice.user is not None,
        is_sample=is_sample,
        recipient=recipient,
        assignment=assignment,
        variant=next((one.name for one in campaign.variants or () if one.messages is content), None),
        content=content,
        follow_up=replace(follow_up, state=State.WAITING, reason=None, decided_at=None, channels=content.channels),
        checks=checks,
        context=explained,
        now=now,
    )


def _suppose(
    saved: Catalogue, definitions: Sequence[AnyDefinition], choice: Choice, now: datetime
) -> tuple[Catalogue, Revision]:
    """Return the catalogue in which the campaign is live, and the previewed revision."""
    catalogue = draft(saved, definitions).catalogue if definitions else saved
    entry = catalogue.entries.get(choice.campaign)
    if definitions and choice.campaign not in {getattr(one, "id", None) for one in definitions}:
        raise CampaignUnknown(f"the definition is not about {choice.campaign}")
    if entry is None:
        raise CampaignUnknown(f"{choice.campaign} is not known; {suggest_id(catalogue, choice.campaign)}")
    revision = revision_of(entry, choice)
    if not isinstance(revision.definition, Campaign) or revision.definition.delivery.type == "external":
        raise NothingToPreview(f"{choice.campaign} sends no message itself: it is a card, or another system sends it")
    return suppose_live(catalogue, choice.campaign, revision, now), revision


async def _load_user(tx: Transaction, choice: Choice) -> tuple[StoredUser, UserRecord]:
    if choice.user is None:
        return StoredUser(User(id=_INVENTED), _INVENTED, None, {}), _NO_RECORD
    stored = await find_user(tx, choice.user)
    if stored is None:
        raise UserUnknown(f"the user {choice.user} is not known: no report and no description names them")
    return stored, await load_user_record(tx, stored.user_key, campaign=choice.campaign)


async def _load_recipient(
    tx: Transaction, catalogue: Catalogue, entry: Entry, stored: StoredUser, now: datetime
) -> Recipient:
    if stored.user_key == _INVENTED:
        return Recipient(stored.user, {})
    loaded = await load_recipients(
        tx, catalogue, {stored.user_key: entry}, now, needs_history=lambda one: needs_history(newest_live(one).audience)
    )
    return loaded[stored.user_key]


def _trigger_facts(
    entry: Entry,
    catalogue: Catalogue,
    stored: StoredUser,
    record: UserRecord,
    recipient: Recipient,
    item: Item,
    now: datetime,
) -> TriggerFacts:
    """Return the facts of the item as if it came now."""
    logged = LogEntry(item.id or _INVENTED, 0, now, now, item.model_copy(update={"occurred_at": now}))
    key = compute_key(logged.item, entry, now)
    return TriggerFacts(
        logged=logged,
        entry=entry,
        catalogue=catalogue,
        user=recipient.user,
        user_key=stored.user_key,
        history=recipient.history,
        received_at=recipient.receipts.get(key),
        blocking=next((one for one in _follow_ups_of_key(record, entry, key) if one.is_open), None),
    )


def _follow_ups_of_key(record: UserRecord, entry: Entry, key: str) -> list[FollowUp]:
    return [one for one in record.follow_ups if one.campaign == entry.id and one.key == key]


def _context(
    entry: Entry, catalogue: Catalogue, recipient: Recipient, record: UserRecord, logged: LogEntry, key: str
) -> DecisionContext:
    """Return the context in which evidence is collected, as of the trigger."""
    receipt = recipient.receipts.get(key)
    return DecisionContext(
        reason=None,
        entry=entry,
        catalogue=catalogue,
        user=recipient.user,
        history=recipient.history,
        logged=logged,
        decided_at=logged.received_at,
        unreachable=recipient.unreachable,
        others=_follow_ups_of_key(record, entry, key),
        receipts=[receipt] if receipt else [],
        sends=recipient.past_sends,
        items=record.items,
    )


def _launch(entry: Entry, catalogue: Catalogue, stored: StoredUser, recipient: Recipient, now: datetime) -> FollowUp:
    """Return the follow-up of a launch that is published now."""
    time = send_time(entry, catalogue.workspace)
    assert time is not None  # noqa: S101 - a scheduled original has a time
    effects = launch_user(Launch(_INVENTED, entry, time), stored.user_key, recipient, catalogue, now)
    return next(effect.follow_up for effect in effects if isinstance(effect, BeginFollowUp))
