"""Explain one follow-up, by its id or by the id of its workflow, as Temporal's UI shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector import names
from connector.app.store_context import StoreContext
from connector.rules.sending.deliveries import resend_number
from connector.rules.sending.operating import in_words
from connector.store.engine.transaction import database_now
from connector.store.reporting.history import load_user_record
from connector.store.reporting.overview import find_listing
from connector.store.users.users import load_users
from starter.explain.decisions import ExplanationBuilder
from starter.explain.explanation import Decision, decision_lines
from starter.explain.texts import MessageTextView, describe_content, load_rendered
from starter.operations.errors import NotKnown
from starter.operations.follow_ups import view_listings


class UnknownFollowUp(NotKnown):
    """The store has no follow-up with that id."""


async def explain_follow_up(context: StoreContext, id_or_workflow: str) -> dict[str, Any]:
    """Return one follow-up in the form of a list, and as `decision` why it ended or what it waits for.

    `decision` is None if the user was erased. `texts` are its messages as they were rendered, as far as they are kept.

    Raises:
        UnknownFollowUp: there is none, or it belongs to another workspace. StoreUnavailable.
    """
    workspace, id = names.parse_follow_up_id(id_or_workflow)
    if workspace not in (None, context.workspace):
        raise UnknownFollowUp(f"that workflow is of the workspace {workspace}, and this is {context.workspace}")
    async with context.database.read(context.workspace) as tx:
        now = await database_now(tx)
        listed = await find_listing(tx, id)
        if listed is None:
            raise UnknownFollowUp(_describe_unknown(id_or_workflow, id))
        stored = (await load_users(tx, [listed.user_key])).get(listed.user_key)
        record = await load_user_record(tx, listed.user_key, campaign=listed.campaign)
        messages = {message.id: message for message in record.messages.get(id, ())}
        texts = await load_rendered(tx, listed.user_key, messages, now)
    [shown] = await view_listings(context, [listed], now)
    if stored is None:
        return {**shown, "decision": None, "texts": []}
    catalogue = await context.cache.at_least(context.database)
    decisions = ExplanationBuilder(context.workspace, stored, record, catalogue, now).decisions(listed.campaign)
    decision = next((decision for decision in decisions if decision.follow_up == id), None)
    views = [
        MessageTextView(
            channel=messages[id].channel, resend=resend_number(id), content=dict(text.content), cut=text.cut
        )
        for id, text in texts.items()
    ]
    return {
        **shown,
        "decision": None if decision is None else decision.model_dump(mode="json"),
        "texts": [view.model_dump(mode="json") for view in views],
    }


def render_follow_up(shown: dict[str, Any]) -> Iterator[str]:
    """Yield the lines about one follow-up, as `explain_follow_up` returns it, for people."""
    user = "a user who was erased" if shown["user"] is None else shown["user"]
    yield f"follow-up {shown['id']} of {shown['campaign']} for {user}, user key {shown['user_key']}"
    if shown["decision"] is not None:
        yield from (f"  {line}" for line in decision_lines(Decision.model_validate(shown["decision"])))
        yield from (f"  {one['channel']} said: {describe_content(one['content'])}" for one in shown["texts"])
        return
    if shown["workflow_id"] is not None:
        yield f"  workflow {shown['workflow_id']}"
    yield f"  {in_words(shown['state'], shown['reason'])} at {shown['decided_at']}"


def _describe_unknown(given: str, id: str) -> str:
    lists = "`connector follow-ups` lists them"
    if given == id:
        return f"there is no follow-up {id}; {lists}"
    user_key = given.split("/")[-2]
    return (
        f"there is no follow-up {id} any more: an erasure gave it another id, or it is older than what is kept; "
        f"`connector follow-ups --user {user_key}` lists those of its user"
    )
