"""Find users by an id or an address, and show one: profile, consent and its history, suppressions and joined ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from connector.app.store_context import StoreContext
from connector.rules.model.consent import ConsentStatement
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.values import MAX_TEXT_CHARACTERS, format_instant, storage_problem
from connector.store.engine.transaction import Transaction
from connector.store.provider_events.attribution import find_holders
from connector.store.users.consent_history import RecordedChange, load_changes
from connector.store.users.joins import UserJoin, load_joins
from connector.store.users.marks import find_erased_ids
from connector.store.users.users import StoredUser, find_key, find_user, find_user_keys, load_ids, load_users
from starter.operations.consent_history import view_change
from starter.operations.errors import NotKnown

MAX_FOUND = 50
"""The most users of one search: of those who share an address, the first by id."""

Match = Literal["id", "user_key", "email", "phone"]
_FIELD_OF: dict[str, Match] = {"email": "email", "sms": "phone"}


class UserUnknown(NotKnown):
    """No user has that id."""


async def find_users(context: StoreContext, *, text: str) -> dict[str, Any]:
    """Return the users whom a text names: any of their ids, the user key, the email or the phone number.

    An id is compared exactly, an email without the case of its letters, and a number without its separators.

    Args:
        text: 1 to 255 characters; white space around it is left out.

    Returns:
        `users`, at most 50, each with what of it `matched`; `is_cut`: there are more; `erased`: the text names a
        user who was erased.

    Raises:
        DefinitionError: the text is empty, too long or not storable.
    """
    wanted = _check_text(text)
    async with context.database.read(context.workspace) as tx:
        matches = await _find_matches(tx, wanted)
        shown = await _view_found(tx, dict(islice(matches.items(), MAX_FOUND)))
        is_erased = not shown and bool(matches or await find_erased_ids(tx, [wanted]))
    return {"users": shown, "is_cut": len(matches) > MAX_FOUND, "erased": is_erased}


async def read_user(context: StoreContext, id: str) -> dict[str, Any]:
    """Return a profile with consent and its history, the suppressed addresses and the joins. Raises UserUnknown."""
    async with context.database.read(context.workspace) as tx:
        stored = await find_user(tx, id)
        joins = [] if stored is None else await load_joins(tx, stored.user_key)
        changes = [] if stored is None else await load_changes(tx, stored.user_key)
    if stored is None:
        raise UserUnknown(f"the user {id} is not known")
    return view_user(stored, joins, [change for _, change in changes])


async def read_ids(context: StoreContext, user_key: str) -> list[str]:
    """Return all ids of a user, in order; none of an erased one."""
    async with context.database.read(context.workspace) as tx:
        return await load_ids(tx, user_key)


def view_user(
    stored: StoredUser, joins: Sequence[UserJoin] = (), changes: Sequence[RecordedChange] = ()
) -> dict[str, Any]:
    """Return a user as JSON values; keys beside the profile are left out if they are empty.

    Args:
        changes: the consent history, newest first.
    """
    stated = {channel: _view_statement(one) for channel, one in stored.statements.items() if one.is_explicit}
    return {
        **stored.user.model_dump(mode="json"),
        **({"consent_statements": stated} if stated else {}),
        **({"consent_history": [view_change(change) for change in changes]} if changes else {}),
        **({"unreachable": dict(stored.unreachable)} if stored.unreachable else {}),
        **({"joins": [_view_join(join) for join in joins]} if joins else {}),
    }


def _check_text(text: str) -> str:
    wanted = text.strip()
    problem = storage_problem(wanted)
    if not 0 < len(wanted) <= MAX_TEXT_CHARACTERS:
        problem = f"write an id, an email or a phone number of 1 to {MAX_TEXT_CHARACTERS} characters"
    if problem is not None:
        raise DefinitionError([Fault("text", problem)])
    return wanted


async def _find_matches(tx: Transaction, text: str) -> dict[str, Match]:
    """Return the keys of the users whom the text names, each with what matched; one whose id it is comes first."""
    matches: dict[str, Match] = {}
    if user_key := await find_key(tx, text):
        matches[user_key] = "user_key" if user_key == text else "id"
    for channel, name in _FIELD_OF.items():
        holders = sorted(id for ids in (await find_holders(tx, channel, [text])).values() for id in ids)
        known, _ = await find_user_keys(tx, holders[: MAX_FOUND + 1])
        for id in holders[: MAX_FOUND + 1]:
            matches.setdefault(known[id], name)
    return matches


async def _view_found(tx: Transaction, matches: Mapping[str, Match]) -> list[dict[str, Any]]:
    """Return the users of a search; an erased one, whom only the user key names, has nothing to show."""
    found = await load_users(tx, matches)
    return [
        {
            "id": stored.user.id,
            "user_key": user_key,
            "ids": await load_ids(tx, user_key),
            "email": stored.user.email,
            "phone": stored.user.phone,
            "first_name": stored.user.first_name,
            "time_zone": stored.user.time_zone,
            "matched": matched,
        }
        for user_key, matched in matches.items()
        if (stored := found.get(user_key)) is not None
    ]


def _view_statement(statement: ConsentStatement) -> dict[str, str | None]:
    return {"state": statement.state, "source": statement.source.value, "at": format_instant(statement.at)}


def _view_join(join: UserJoin) -> dict[str, str | None]:
    return {
        "previous_id": join.previous_id,
        "id": join.id,
        "joined_at": format_instant(join.joined_at),
        "joined_by": join.joined_by,
        "route": join.route,
        "undone_at": format_instant(join.undone_at),
        "undone_by": join.undone_by,
    }
