"""Link two ids of one user, as Segment's `alias` does: both name the same user from then on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import uuid4

from sqlalchemy import update

from connector.rules.model.errors import DefinitionError
from connector.store.engine.bulk import in_set, insert_into
from connector.store.engine.transaction import Transaction
from connector.store.tables import user_aliases
from connector.store.users.joining import UserJoin, find_bare, join_users
from connector.store.users.users import find_user_keys, insert_users, load_users, lock_users

Pair = tuple[str, str]
"""The previous id of a user, and the id in use now, by which the user is shown."""

_PREVIOUS = 1
"""The rank of an id that another one replaced."""

Linked = Literal["linked", "nothing_new", "two_users", "too_large", "erased"]
"""The result of a pair. `two_users`: each id has a history, and histories are not merged. `too_large`: the two
descriptions together would exceed the limit of one."""


async def link_ids(tx: Transaction, pairs: Sequence[Pair], now: datetime) -> list[Linked]:
    """Link each pair, in their order; an unknown id becomes another id of the other one's user.

    Of two users, one who was only described, and never did or received anything, becomes part of the other. The users'
    rows are locked in sorted order, so that none is erased meanwhile. The number of statements does not depend on the
    number of pairs. Whatever the order of the pairs, a previous id is shown only if all ids of the user are previous.
    """
    while True:
        savepoint = await tx.connection.begin_nested()
        outcomes = await _try_to_link(tx, pairs, now)
        if outcomes is not None:
            await savepoint.commit()
            return outcomes
        # Another transaction was first with one of the ids: release the locks, and take them all in order again.
        await savepoint.rollback()


async def _try_to_link(tx: Transaction, pairs: Sequence[Pair], now: datetime) -> list[Linked] | None:
    """Return the results of the pairs; None if the known ids changed before the users' locks were held."""
    ids = {id for pair in pairs for id in pair}
    known, erased = await find_user_keys(tx, ids)
    attempt = _LinkAttempt(known, erased)
    outcomes = [attempt.link(*pair) for pair in pairs]
    previous = _previous_ids(pairs, outcomes)
    # New ids are inserted before locks are taken, as everywhere, so that no two transactions wait for each other.
    if not await _insert_ids(tx, attempt.added, previous) or not await lock_users(tx, known.values()):
        return None
    if await find_user_keys(tx, ids) != (known | attempt.added, erased):
        return None
    await insert_users(tx, attempt.created, now)
    if "two_users" in outcomes:
        joined = await _join(tx, pairs, _LinkAttempt(known | attempt.added, erased))
        outcomes = [two if one == "two_users" else one for one, two in zip(outcomes, joined, strict=True)]
    await _mark_previous(tx, _previous_ids(pairs, outcomes) - (previous & attempt.added.keys()))
    return outcomes


def _previous_ids(pairs: Sequence[Pair], outcomes: Sequence[Linked]) -> set[str]:
    """Return the ids that others replaced; pairs that were linked before count too, so that order does not matter."""
    results = zip(pairs, outcomes, strict=True)
    return {previous for (previous, id), outcome in results if outcome in ("linked", "nothing_new") and previous != id}


async def _join(tx: Transaction, pairs: Sequence[Pair], attempt: _LinkAttempt) -> list[Linked]:
    """Link pairs again, now letting one of two users become part of the other."""
    keys = set(attempt.keys.values())
    attempt.joining = UserJoin(await load_users(tx, keys), await find_bare(tx, keys))
    outcomes = [attempt.link(*pair) for pair in pairs]
    await join_users(tx, attempt.joining)
    return outcomes


class _LinkAttempt:
    """Links pairs in memory, one after the other.

    `keys` are the users' keys by id, `added` those of the new ids, `created` those of the new users.
    """

    def __init__(self, known: Mapping[str, str], erased: set[str]) -> None:
        self.keys, self._erased = dict(known), erased
        self.added: dict[str, str] = {}
        self.created: list[str] = []
        self.joining = UserJoin({}, set())

    def link(self, previous: str, id: str) -> Linked:
        """Link a pair."""
        if not self._erased.isdisjoint((previous, id)):
            return "erased"
        theirs = [self.joining.current_key(self.keys[one]) for one in (previous, id) if one in self.keys]
        if len(set(theirs)) > 1:
            return self._join(*theirs)
        if previous == id or len(theirs) > 1:
            return "nothing_new"
        for new in {previous, id} - self.keys.keys():
            self.keys[new] = self.added[new] = theirs[0] if theirs else self._create_user()
            theirs = theirs or [self.keys[new]]
        return "linked"

    def _create_user(self) -> str:
        self.created.append(uuid4().hex)
        return self.created[-1]

    def _join(self, older: str, newer: str) -> Linked:
        try:
            return "linked" if self.joining.join(older, newer) else "two_users"
        except DefinitionError:
            return "too_large"


async def _insert_ids(tx: Transaction, keys: Mapping[str, str], previous: Collection[str]) -> bool:
    """Insert ids with the keys of their users; return False if some have a user already."""
    if not keys:
        return True
    rows = [
        {"workspace": tx.workspace, "external_id": id, "user_key": key, "rank": _PREVIOUS if id in previous else 0}
        for id, key in sorted(keys.items())
    ]
    insert = insert_into(tx, user_aliases).on_conflict_do_nothing().returning(user_aliases.c.external_id)
    return len((await tx.execute(insert, rows)).scalars().all()) == len(keys)


async def _mark_previous(tx: Transaction, previous: Collection[str]) -> None:
    """Rank ids, whose users' rows are locked, behind the others; those that are so already are not written."""
    alias = user_aliases.c
    where = (tx.in_workspace(user_aliases), in_set(tx, alias.external_id, previous), alias.rank != _PREVIOUS)
    if previous:
        await tx.execute(update(user_aliases).where(*where).values(rank=_PREVIOUS))
