"""A workspace with something to see on every page of the console; its texts may be spiced, such as with markup."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from connector.app.context import AppContext
from connector.channels.keeping import TextKeeper
from connector.channels.protocol import Rejected
from connector.rules.model.api_keys import Scope
from connector.rules.model.campaigns import parse_definition
from connector.rules.provider_events.attribution import Unmatched
from connector.rules.provider_events.events import identify_event
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import database_now
from connector.store.provider_events.events import save_unmatched
from connector.store.users.inbox import InboxMessage, insert_message
from connector.store.users.users import find_user_keys
from starter.operations.api_keys import ApiKeyService
from starter.operations.bulk import act_on_page
from starter.operations.bulk_actions import BulkAction
from starter.operations.follow_ups import Criteria
from tests.support.actors import OPERATOR
from tests.support.builders import BASE, PUSHED, at, buy, external, follow_on, push
from tests.support.fake_channel import Killed
from tests.support.installation import Installation
from tests.support.provider_event_harness import event
from tests.support.repair_desk import RepairDesk

USER = "u/17"
OTHERS = ("ada", "ben", "cleo", "..")


class ConsoleStory:
    """What the pages show.

    Args:
        spice: is a part of every text that a user, a service or an operator writes.
        template_spice: the same for what marketers write, in which a template must stay valid.
    """

    def __init__(self, context: AppContext, spice: str = "", template_spice: str | None = None) -> None:
        self._context, self._spice = context, spice
        self._template_spice = spice if template_spice is None else template_spice
        self._desk = RepairDesk(Installation(context.database), keeper=TextKeeper(timedelta(days=30)))

    @property
    def user(self) -> str:
        """The id of the user about whom most happened."""
        return f"{USER}{self._spice}"

    async def play(self) -> None:
        """Publish campaigns, and let users trigger, cancel and get them, and operators act."""
        spice, installation = self._spice, self._desk.installation
        await installation.publish(*self._definitions())
        attributes, consent = {f"tier {spice}": f"gold {spice}"}, {"sms": "unsubscribed"}
        profile = {"first_name": f"Ada {spice}", "attributes": attributes, "consent": consent}
        await self._desk.describe(self.user, email="ada@shop.test", phone="+49170123", **profile)
        for other in OTHERS:
            await self._desk.describe(other)
        everyone = (self.user, *OTHERS)
        await installation.ingest(*(push(f"e-{n}{spice}", n, user) for n, user in enumerate(everyone)))
        await installation.ingest(
            buy(f"b{spice}", 20, "ben", product=f"shoe {spice}"),
            buy(f"b2{spice}", 20, self.user, product=f"shoe {spice}", **{f"note {spice}": [spice]}),
            {
                "id": f"c{spice}", "user": self.user, "type": "event", "name": f"looked {spice}",
                "occurred_at": at(25), "properties": {f"sku {spice}": spice},
            },
        )  # fmt: skip
        await self._send()
        await self._act()
        await self._report()
        edited = {**self._definitions()[1], "name": f"Soon again {self._template_spice}"}
        async with self._context.database.write("default") as tx:
            await save_drafts(tx, [parse_definition(edited)], await database_now(tx))

    async def trigger(self, user: str) -> None:
        """Let one more user get a push, which starts follow-ups."""
        await self._desk.describe(user)
        await self._desk.installation.ingest(push(f"e-{user}", 30, user))

    async def lose(self, user: str) -> None:
        """Let a later attempt find that the result of this user's message is unknown, because its worker died."""
        key, rows = await self._user_key(user), await self._desk.installation.rows()
        place = next(n for n, row in enumerate(rows) if (row.campaign, row.user_key) == ("soon", key))
        await self._desk.attempt("push", place=place)

    def _definitions(self) -> list[dict[str, Any]]:
        spice = self._template_spice
        bought, left = {"event": "make_purchase"}, {"event": f"left {spice}"}
        body = f"{{{{ user.first_name }}}}, 15% off {spice}"
        return [
            {**external(), "name": f"Welcome {spice}"},
            {
                **follow_on("soon", PUSHED, delay={"after": "30 minutes"}),
                "name": f"Soon {spice}",
                "messages": {"push": {"title": f"Still thinking? {spice}", "body": body}},
            },
            {
                **follow_on("later", PUSHED, delay={"after": "3 days"}, exceptions=[bought, left]),
                "name": f"Later {spice}",
                "messages": {"email": {"subject": f"Later {spice}", "html": f"<p>{body}</p>", "text": body}},
            },
            {
                **follow_on("gold", PUSHED, audience={"attribute": "tier", "is": f"gold {spice}"}),
                "name": f"Gold {spice}",
            },
            {**follow_on("buyers", {**bought, "where": {"product": f"hat {spice}"}}), "name": f"Buyers {spice}"},
        ]

    async def _send(self) -> None:
        """Send one message, lose the result of another, and let a provider refuse a third."""
        answers = {self.user: None, "ada": Killed(), "cleo": Rejected("fcm_unregistered")}
        keys = {user: await self._user_key(user) for user in answers}
        rows = await self._desk.installation.rows()
        for user, answer in answers.items():
            place = next(n for n, row in enumerate(rows) if (row.campaign, row.user_key) == ("soon", keys[user]))
            with suppress(Killed):
                await self._desk.attempt("push", answer, place=place)
        delivery = f"{next(row.id for row in rows if (row.campaign, row.user_key) == ('soon', keys[self.user]))}.push"
        content = {"title": f"For you {self._spice}", "body": f"Come back {self._spice}", "link": "https://shop.test/"}
        message = InboxMessage(
            "m1", delivery, keys[self.user], "soon", "content_card", content, 0, BASE, BASE + timedelta(days=9)
        )
        async with self._context.database.write("default") as tx:
            await insert_message(tx, message)

    async def _user_key(self, user: str) -> str:
        async with self._context.database.read("default") as tx:
            return (await find_user_keys(tx, [user]))[0][user]

    async def _act(self) -> None:
        """Cancel one wait, and create a key, each with an entry in the audit trail."""
        keys = ApiKeyService(self._context.database, "default", OPERATOR, reason=f"reason {self._spice}")
        await keys.create(f"shop {self._spice}", [Scope.INGEST])
        action = BulkAction("cancel", Criteria(user="..", campaign="later"), note=f"asked to {self._spice}")
        await act_on_page(self._context, OPERATOR, action)

    async def _report(self) -> None:
        """Let a provider report two events that match nothing."""
        named = {"campaign": f"gone {self._spice}", "delivery": f"d {self._spice}", "user": self.user}
        reports = [
            (event(id=f"click {self._spice}", arguments=named), Unmatched.UNKNOWN_CAMPAIGN),
            (event(id=f"open {self._spice}", recipient="nobody@shop.test"), Unmatched.UNKNOWN_USER),
        ]
        async with self._context.database.write("default") as tx:
            kept = {identify_event(one): (one, reason) for one, reason in reports}
            await save_unmatched(tx, kept, await database_now(tx))
