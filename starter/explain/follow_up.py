"""Explain one follow-up, by its id or by the id of its workflow, as Temporal's UI shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector import names
from connector.app.store_context import StoreContext
from connector.rules.model.errors import ConnectorError
from connector.rules.sending.operating import in_words
from connector.store.engine.transaction import database_now
from connector.store.reporting.history import load_user_record
from connector.store.reporting.overview import find_listing
from connector.store.users.users import load_users
from starter.explain.decisions import ExplanationBuilder
from starter.explain.explanation import Decision, decision_lines
from starter.operations.follow_ups import view_listings

Explained = tuple[dict[str, Any], Decision | None]
"""A follow-up in the form of a list, and the decision about it; None if its user was erased."""


class UnknownFollowUp(ConnectorError):
    """The store has no follow-up with that id."""


async def explain_follow_up(context: StoreContext, id_or_workflow: str) -> Explained:
    """Return one follow-up, and why it ended or what it waits for.

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
    [shown] = await view_listings(context, [listed], now)
    if stored is None:
        return shown, None
    catalogue = await context.cache.at_least(context.database)
    decisions = ExplanationBuilder(context.workspace, stored, record, catalogue, now).decisions(listed.campaign)
    return shown, next((decision for decision in decisions if decision.follow_up == id), None)


def render_follow_up(shown: dict[str, Any], decision: Decision | None) -> Iterator[str]:
    """Yield the lines about one follow-up for people."""
    user = "a user who was erased" if shown["user"] is None else shown["user"]
    yield f"follow-up {shown['id']} of {shown['campaign']} for {user}, user key {shown['user_key']}"
    if decision is not None:
        yield from (f"  {line}" for line in decision_lines(decision))
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
