"""Linking two ids of one user, as `alias` asks for: both lead to the same user from then on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import uuid4

from sqlalchemy import insert, update
from sqlalchemy.dialects import postgresql, sqlite

from connector.rules.model.errors import DefinitionError
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import user_aliases, users
from connector.store.users.joining import UserJoin, find_bare, join_users
from connector.store.users.users import load_users, lock_users, look_up

Pair = tuple[str, str]
"""The id that a user had before, and the one that is used now, by which the user is shown."""

_BEFORE = 1
"""The rank of an id that another one took the place of."""

Linked = Literal["linked", "nothing_new", "two_users", "too_large", "erased"]
"""What came of a pair. `two_users`: each id has a history of its own, and histories are not merged; `too_large`: two
descriptions together would be more than a user's may be."""


async def link_ids(tx: Transaction, pairs: Sequence[Pair], now: datetime) -> list[Linked]:
    """Link each pair, in their order; an id that nobody has becomes another id of the other one's user.

    Of two users, one who was only described, and never did nor got anything, becomes part of the other. The users' rows
    are locked in sorted order, so that nobody is erased meanwhile. The number of statements does not depend on the
    number of pairs. Whatever their order, an id that was the previous one of a link is shown only where all were.
    """
    while True:
        attempt = await tx.connection.begin_nested()
        outcomes = await _try_to_link(tx, pairs, now)
        if outcomes is not None:
            await attempt.commit()
            return outcomes
        # Another transaction was quicker with one of the ids. The locks are let go, so that all are taken in order.
        await attempt.rollback()


async def _try_to_link(tx: Transaction, pairs: Sequence[Pair], now: datetime) -> list[Linked] | None:
    """What came of the pairs; None where what was known changed before its locks were held."""
    ids = {id for pair in pairs for id in pair}
    known, erased = await look_up(tx, ids)
    weighing = _LinkAttempt(known, erased)
    outcomes = [weighing.weigh(*pair) for pair in pairs]
    before = _before(pairs, outcomes)
    # New ids go before locks, as wherever users are made, so that nobody holds the one and waits for the other.
    if not await _add(tx, weighing.added, before) or not await lock_users(tx, known.values()):
        return None
    if await look_up(tx, ids) != (known | weighing.added, erased):
        return None
    await _make(tx, weighing.made, now)
    if "two_users" in outcomes:
        joined = await _join(tx, pairs, _LinkAttempt(known | weighing.added, erased))
        outcomes = [two if one == "two_users" else one for one, two in zip(outcomes, joined, strict=True)]
    await _rank(tx, _before(pairs, outcomes) - (before & weighing.added.keys()))
    return outcomes


def _before(pairs: Sequence[Pair], outcomes: Sequence[Linked]) -> set[str]:
    """The ids in whose place others are used now. A pair that was linked already counts: the order must not matter."""
    told = zip(pairs, outcomes, strict=True)
    return {previous for (previous, id), outcome in told if outcome in ("linked", "nothing_new") and previous != id}


async def _join(tx: Transaction, pairs: Sequence[Pair], weighing: _LinkAttempt) -> list[Linked]:
    """The same where some pairs are of two users, of whom one may become part of the other."""
    keys = set(weighing.keys.values())
    weighing.joining = UserJoin(await load_users(tx, keys), await find_bare(tx, keys))
    outcomes = [weighing.weigh(*pair) for pair in pairs]
    await join_users(tx, weighing.joining)
    return outcomes


class _LinkAttempt:
    """What becomes of pairs, one after the other.

    `keys` are the users' by id, `added` those of the ids that are new, `made` those of users who are.
    """

    def __init__(self, known: Mapping[str, str], erased: set[str]) -> None:
        self.keys, self._erased = dict(known), erased
        self.added: dict[str, str] = {}
        self.made: list[str] = []
        self.joining = UserJoin({}, set())

    def weigh(self, previous: str, id: str) -> Linked:
        """What becomes of a pair."""
        if not self._erased.isdisjoint((previous, id)):
            return "erased"
        theirs = [self.joining.leads(self.keys[one]) for one in (previous, id) if one in self.keys]
        if len(set(theirs)) > 1:
            return self._join(*theirs)
        if previous == id or len(theirs) > 1:
            return "nothing_new"
        for new in {previous, id} - self.keys.keys():
            self.keys[new] = self.added[new] = theirs[0] if theirs else self._make()
            theirs = theirs or [self.keys[new]]
        return "linked"

    def _make(self) -> str:
        self.made.append(uuid4().hex)
        return self.made[-1]

    def _join(self, older: str, newer: str) -> Linked:
        try:
            return "linked" if self.joining.join(older, newer) else "two_users"
        except DefinitionError:
            return "too_large"


async def _add(tx: Transaction, keys: Mapping[str, str], before: Collection[str]) -> bool:
    """Whether all of these ids could be added; else some have a user already."""
    if not keys:
        return True
    build = (postgresql if tx.dialect == "postgresql" else sqlite).insert(user_aliases)
    rows = [
        {"workspace": tx.workspace, "external_id": id, "user_key": key, "rank": _BEFORE if id in before else 0}
        for id, key in sorted(keys.items())
    ]
    taken = await tx.execute(build.on_conflict_do_nothing().returning(user_aliases.c.external_id), rows)
    return len(taken.scalars().all()) == len(keys)


async def _rank(tx: Transaction, before: Collection[str]) -> None:
    """Let these ids, whose users' rows are locked, be shown after others; what is so already is not written."""
    alias = user_aliases.c
    where = (tx.in_workspace(user_aliases), in_set(tx, alias.external_id, before), alias.rank != _BEFORE)
    if before:
        await tx.execute(update(user_aliases).where(*where).values(rank=_BEFORE))


async def _make(tx: Transaction, keys: Collection[str], now: datetime) -> None:
    bare = {"workspace": tx.workspace, "push_tokens": [], "attributes": {}, "consent": {}, "created_at": now}
    if keys:
        await tx.execute(insert(users), [{**bare, "user_key": key} for key in keys])
