"""Record what users do with their inbox, and ingest it as interactions in the same transaction (guarantees 3 and 5).

ConnectorError
├── UnknownMessage   there is no such message
├── ForeignMessage   it is in another user's inbox
└── UnknownButton    it has no such button (connector.rules.model.inbox)
"""

from __future__ import annotations

from dataclasses import dataclass

from connector.inbox.reading import CARD_KIND
from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.errors import ConnectorError
from connector.rules.model.inbox import CARD_ID_PREFIX, InboxAction, InboxTarget, check_button, interaction_of_action
from connector.rules.model.interactions import Interaction
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.users.inbox import InboxMessage, MarkName, find_message, mark_message
from connector.store.users.users import UserErased, load_users, lock_user


class UnknownMessage(ConnectorError):
    """There is no such message, or no such card was ever published."""


class ForeignMessage(ConnectorError):
    """The message is in another user's inbox."""


@dataclass(frozen=True)
class InboxActionResult:
    """The result of an action.

    Args:
        status: `duplicate` if it was recorded before.
        interaction: None if the action has no kind of interaction.
        changed: whether follow-ups began or ended by it.
    """

    status: str
    interaction: Interaction | None
    changed: bool = False


class InboxActions:
    """Records what users do with the inbox of one workspace."""

    def __init__(self, database: Database, cache: CatalogueCache, intake: Intake, workspace: str) -> None:
        self._database, self._cache, self._intake, self._workspace = database, cache, intake, workspace

    async def perform(self, message: str, user_key: str | None, action: InboxAction) -> InboxActionResult:
        """Record an action and ingest its interaction, if there is a kind for it.

        Args:
            user_key: who did it; None: the message's owner. A published card has no owner.

        Raises:
            UnknownMessage, ForeignMessage, UnknownButton, UserErased: nothing was stored.
            StoreUnavailable: try again; a repetition stores nothing twice.
        """

        async def record(tx: Transaction, catalogue: Catalogue) -> InboxActionResult:
            acting_user = user_key or await self._owner(tx, message)
            await lock_user(tx, acting_user)
            user_id = await self._user_id(tx, acting_user)
            target = await self._target(tx, catalogue, message, acting_user)
            check_button(target, action)
            interaction = interaction_of_action(target, action, user_id, acting_user, tx.now)
            if not await self._is_new(tx, acting_user, target, action):
                return InboxActionResult("duplicate", interaction)
            if interaction is None:
                return InboxActionResult("accepted", None)
            ingested = await self._intake.ingest_in_transaction(tx, catalogue, [interaction], anonymous={user_id})
            return InboxActionResult(ingested.results[0].status, interaction, ingested.changed)

        return await with_current_catalogue(self._database, self._cache, self._workspace, record)

    async def _owner(self, tx: Transaction, message: str) -> str:
        return (await self._find(tx, message)).user_key

    async def _find(self, tx: Transaction, message: str) -> InboxMessage:
        stored = await find_message(tx, message)
        if stored is None:
            raise UnknownMessage("the message does not exist")
        return stored

    async def _user_id(self, tx: Transaction, user_key: str) -> str:
        stored = (await load_users(tx, [user_key])).get(user_key)
        if stored is None:
            raise UserErased
        return stored.user.id

    async def _target(self, tx: Transaction, catalogue: Catalogue, message: str, user_key: str) -> InboxTarget:
        if message.startswith(CARD_ID_PREFIX):
            return _card_target(catalogue, message)
        stored_message = await self._find(tx, message)
        if stored_message.user_key != user_key:
            raise ForeignMessage("the message is in another user's inbox")
        return InboxTarget(
            stored_message.id, stored_message.kind, stored_message.campaign, None, stored_message.content
        )

    async def _is_new(self, tx: Transaction, user_key: str, target: InboxTarget, action: InboxAction) -> bool:
        """Return whether an action is new: views and dismissals happen once; of a click, the log knows the id (M6)."""
        if action.verb == "click":
            return True
        name: MarkName = "viewed_at" if action.verb == "view" else "dismissed_at"
        return await mark_message(tx, user_key, target.id, name, tx.now)


def _card_target(catalogue: Catalogue, message: str) -> InboxTarget:
    """Return a card that was ever published; for a card that was stopped since, the rules decide (P1)."""
    entry = catalogue.entries.get(message.removeprefix(CARD_ID_PREFIX))
    if entry is None or not entry.is_card or not entry.windows:
        raise UnknownMessage("no such card has been published")
    return InboxTarget(message, CARD_KIND, None, entry.id, {})
