"""What users do with their inbox: remembered, and taken in as interactions, in one transaction (guarantees 3 and 5).

ConnectorError
├── MessageUnknown     there is no such message
├── NotTheirs          it is another user's
└── ButtonUnknown      it has no such button (connector.rules.model.inbox)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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
from connector.store.users.inbox import MarkName, find_message, is_logged, mark_message
from connector.store.users.users import ERASED, UserErased, load_users, lock_user


class UnknownMessage(ConnectorError):
    """There is no such message, or no such card is published."""


class ForeignMessage(ConnectorError):
    """The message is in another user's inbox."""


@dataclass(frozen=True)
class InboxActionResult:
    """What came of an act. `duplicate`: it had been taken in before. `changed`: follow-ups began or ended by it."""

    status: str
    interaction: Interaction | None
    changed: bool = False


class InboxActions:
    """Takes in what users do with the inbox of one workspace."""

    def __init__(self, database: Database, cache: CatalogueCache, intake: Intake, workspace: str) -> None:
        self._database, self._cache, self._intake, self._workspace = database, cache, intake, workspace

    async def perform(self, message: str, user_key: str | None, act: InboxAction) -> InboxActionResult:
        """Remember what was done and take the interaction in, where there is a kind for it.

        Args:
            user_key: who did it; None: whose message it is. A published card is nobody's.

        Raises:
            MessageUnknown, NotTheirs, ButtonUnknown: nothing was taken in. UserErased: nor is anything kept.
            StoreUnavailable: try again; what was stored is not stored twice.
        """

        async def perform(tx: Transaction, catalogue: Catalogue) -> InboxActionResult:
            doer = user_key or await self._owner(tx, message)
            await lock_user(tx, doer)
            user = await self._user(tx, doer)
            acted_on = await self._acted_on(tx, catalogue, message, doer)
            check_button(acted_on, act)
            made = interaction_of_action(acted_on, act, user, doer, tx.now)
            if not await self._is_new(tx, doer, acted_on, act, made, tx.now):
                return InboxActionResult("duplicate", made)
            if made is None:
                return InboxActionResult("accepted", None)
            taken = await self._intake.ingest_in_transaction(tx, catalogue, [made])
            return InboxActionResult(taken.results[0].status, made, taken.changed)

        return await with_current_catalogue(self._database, self._cache, self._workspace, perform)

    async def _owner(self, tx: Transaction, message: str) -> str:
        found = await find_message(tx, message)
        if found is None:
            raise UnknownMessage("the message is not known")
        return found.user_key

    async def _user(self, tx: Transaction, user_key: str) -> str:
        stored = (await load_users(tx, [user_key])).get(user_key)
        if stored is None or stored.user.id.startswith(ERASED):
            raise UserErased
        return stored.user.id

    async def _acted_on(self, tx: Transaction, catalogue: Catalogue, message: str, user_key: str) -> InboxTarget:
        if message.startswith(CARD_ID_PREFIX):
            return _card(catalogue, message)
        found = await find_message(tx, message)
        if found is None:
            raise UnknownMessage("the message is not known")
        if found.user_key != user_key:
            raise ForeignMessage("the message is in another user's inbox")
        return InboxTarget(found.id, found.kind, found.campaign, None, found.content)

    async def _is_new(
        self,
        tx: Transaction,
        user_key: str,
        acted_on: InboxTarget,
        act: InboxAction,
        made: Interaction | None,
        at: datetime,
    ) -> bool:
        """Views and dismissals happen once; a click is new unless its id is in the log."""
        if act.verb == "click":
            return made is None or not await is_logged(tx, made.id or "", at)
        name: MarkName = "viewed_at" if act.verb == "view" else "dismissed_at"
        return await mark_message(tx, user_key, acted_on.id, name, at)


def _card(catalogue: Catalogue, message: str) -> InboxTarget:
    """A card that was ever published; one that was stopped meanwhile is judged by the rules (P1)."""
    entry = catalogue.entries.get(message.removeprefix(CARD_ID_PREFIX))
    if entry is None or not entry.is_card or not entry.windows:
        raise UnknownMessage("the card is not known")
    return InboxTarget(message, CARD_KIND, None, entry.id, {})
