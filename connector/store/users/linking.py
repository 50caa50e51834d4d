"""Join two ids of one user, as Segment's `alias` does: both name the same user from then on.

`connector.rules.model.joining` decides who may; `connector.store.users.joining` merges two users who exist.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import uuid4

from sqlalchemy import select, update

from connector.rules.model.audit import Act, AuditAction
from connector.rules.model.errors import DefinitionError
from connector.rules.model.joining import IdPair, IdStatus, Joiner, JoinRefusal, decide_join, is_replaced
from connector.store.audit import record_audit
from connector.store.engine.bulk import in_set, insert_into
from connector.store.engine.transaction import Transaction
from connector.store.tables import user_aliases
from connector.store.users.joining import JoinedUsers, find_bare, join_users
from connector.store.users.joins import UserJoin, insert_joins
from connector.store.users.splitting import insert_users
from connector.store.users.users import find_user_keys, load_users, lock_users, resolve_and_lock

_PREVIOUS = 1
"""The rank of an id that another one replaced."""

Linked = Literal["linked", "nothing_new"] | JoinRefusal
"""The result of a pair."""


@dataclass(frozen=True)
class _KnownIds:
    """What is known of the ids of some pairs.

    Args:
        keys: the keys of their users, by id.
        identified: the keys of those users of whom any id is identified, whether the pairs name it or not.
        anonymous: all anonymous ids of these users.
        erased: those of the ids that were erased.
    """

    keys: Mapping[str, str]
    identified: frozenset[str]
    anonymous: frozenset[str]
    erased: frozenset[str]

    def with_added(self, keys: Mapping[str, str], anonymous: Collection[str]) -> _KnownIds:
        """Return this with new ids, some of them anonymous, and the keys of their users."""
        identified = {key for id, key in keys.items() if id not in anonymous}
        every = {**self.keys, **keys}
        return _KnownIds(every, self.identified | identified, self.anonymous | set(anonymous), self.erased)


async def link_ids(tx: Transaction, pairs: Sequence[IdPair], joiner: Joiner, now: datetime) -> list[Linked]:
    """Link each pair, in their order; an unknown id becomes another id of the other one's user.

    Of two users, one who was only described, and never did or received anything, becomes part of the other. The users'
    rows are locked in sorted order, so that none is erased meanwhile. The number of statements does not depend on the
    number of pairs. Whatever the order of the pairs, a previous id is shown only if all ids of the user are previous.
    """
    while True:
        savepoint = await tx.connection.begin_nested()
        outcomes = await _try_to_link(tx, pairs, joiner, now)
        if outcomes is not None:
            await savepoint.commit()
            return outcomes
        # Another transaction was first with one of the ids: release the locks, and take them all in order again.
        await savepoint.rollback()


async def _try_to_link(tx: Transaction, pairs: Sequence[IdPair], joiner: Joiner, now: datetime) -> list[Linked] | None:
    """Return the results of the pairs; None if the known ids changed before the users' locks were held."""
    ids = {id for pair in pairs for id in (pair.previous, pair.id)}
    named = {id for pair in pairs for id in (pair.previous, pair.id) if not (pair.is_anonymous and id == pair.id)}
    signed_in = {pair.id for pair in pairs if not pair.is_anonymous}
    known = await _load_known(tx, ids)
    if not known.anonymous.isdisjoint(signed_in):
        await resolve_and_lock(tx, known.anonymous & signed_in, now)
        known = await _load_known(tx, ids)
    attempt = _LinkAttempt(known, joiner)
    outcomes = [attempt.link(pair) for pair in pairs]
    anonymous = attempt.added.keys() - named
    still_anonymous = known.anonymous | anonymous
    previous = _previous_ids(pairs, outcomes, still_anonymous)
    # New ids are inserted before locks are taken, as everywhere, so that no two transactions wait for each other.
    is_inserted = await _insert_ids(tx, attempt.added, previous, anonymous=anonymous)
    if not is_inserted or not await lock_users(tx, known.keys.values()):
        return None
    locked = await _load_known(tx, ids)
    if locked != known.with_added(attempt.added, anonymous):
        return None
    await insert_users(tx, attempt.created, now)
    if JoinRefusal.TWO_HISTORIES in outcomes:
        joined, attempt = await _join(tx, pairs, _LinkAttempt(locked, joiner), now)
        outcomes = [two if one is JoinRefusal.TWO_HISTORIES else one for one, two in zip(outcomes, joined, strict=True)]
    await _mark_previous(tx, _previous_ids(pairs, outcomes, still_anonymous) - (previous & attempt.added.keys()))
    await _record(
        tx, [pair for pair, one in zip(pairs, outcomes, strict=True) if one == "linked"], attempt, joiner, now
    )
    return outcomes


def _previous_ids(pairs: Sequence[IdPair], outcomes: Sequence[Linked], anonymous: Collection[str]) -> set[str]:
    """Return the ids that others replaced; pairs that were linked before count too, so that order does not matter."""
    joined = (pair for pair, one in zip(pairs, outcomes, strict=True) if one in ("linked", "nothing_new"))
    return {pair.previous for pair in joined if is_replaced(pair, anonymous)}


async def _join(
    tx: Transaction, pairs: Sequence[IdPair], attempt: _LinkAttempt, now: datetime
) -> tuple[list[Linked], _LinkAttempt]:
    """Link pairs again, now letting one of two users become part of the other."""
    keys = set(attempt.keys.values())
    attempt.joining = JoinedUsers(await load_users(tx, keys), await find_bare(tx, keys))
    outcomes = [attempt.link(pair) for pair in pairs]
    await join_users(tx, attempt.joining, now)
    return outcomes, attempt


class _LinkAttempt:
    """Links pairs in memory, one after the other.

    `keys` are the users' keys by id, `added` those of the new ids, `created` those of the new users.
    """

    def __init__(self, known: _KnownIds, joiner: Joiner) -> None:
        self.keys, self._erased, self._joiner = dict(known.keys), known.erased, joiner
        self._identified = set(known.identified)
        self.added: dict[str, str] = {}
        self.created: list[str] = []
        self.joining = JoinedUsers({}, set())

    def link(self, pair: IdPair) -> Linked:
        """Link a pair."""
        theirs = [self.key_of(one) for one in (pair.previous, pair.id) if one in self.keys]
        if pair.previous == pair.id or (len(theirs) > 1 and theirs[0] == theirs[1]):
            return JoinRefusal.ERASED if pair.id in self._erased else "nothing_new"
        may_join_identified = self._joiner.may_join_identified
        refusal = decide_join(*self._statuses(pair), may_join_identified=may_join_identified)
        if refusal is None and len(theirs) > 1:
            refusal = self._join(*theirs)
        elif refusal is None:
            self._add_ids(pair, theirs)
        if refusal is None and not pair.is_anonymous:
            self._identified.add(self.key_of(pair.id))
        return "linked" if refusal is None else refusal

    def key_of(self, id: str) -> str:
        """Return the key of the user whom an id names by now."""
        return self.joining.current_key(self.keys[id])

    def _statuses(self, pair: IdPair) -> tuple[IdStatus, IdStatus]:
        current = self._status(pair.id)
        is_named = current is IdStatus.UNSEEN and not pair.is_anonymous
        return self._status(pair.previous), IdStatus.IDENTIFIED if is_named else current

    def _status(self, id: str) -> IdStatus:
        if id in self._erased:
            return IdStatus.ERASED
        if id not in self.keys:
            return IdStatus.UNSEEN
        return IdStatus.IDENTIFIED if self.key_of(id) in self._identified else IdStatus.ANONYMOUS

    def _add_ids(self, pair: IdPair, theirs: list[str]) -> None:
        key = theirs[0] if theirs else self._create_user()
        for new in {pair.previous, pair.id} - self.keys.keys():
            self.keys[new] = self.added[new] = key

    def _create_user(self) -> str:
        self.created.append(uuid4().hex)
        return self.created[-1]

    def _join(self, older: str, newer: str) -> JoinRefusal | None:
        is_identified = not self._identified.isdisjoint((older, newer))
        try:
            if not self.joining.join(older, newer):
                return JoinRefusal.TWO_HISTORIES
        except DefinitionError:
            return JoinRefusal.TOO_LARGE
        if is_identified:
            self._identified.add(self.joining.current_key(older))
        return None


async def _load_known(tx: Transaction, ids: Collection[str]) -> _KnownIds:
    """Load what is known of these ids; a user is identified if any of the user's ids is, in these pairs or not."""
    keys, erased = await find_user_keys(tx, ids)
    alias = user_aliases.c
    where = (tx.in_workspace(user_aliases), in_set(tx, alias.user_key, set(keys.values())))
    columns = (alias.external_id, alias.user_key, alias.anonymous)
    rows = list(map(tuple, await tx.execute(select(*columns).where(*where))))
    return _KnownIds(
        keys,
        identified=frozenset(key for _, key, is_anonymous in rows if not is_anonymous),
        anonymous=frozenset(id for id, _, is_anonymous in rows if is_anonymous),
        erased=frozenset(erased),
    )


async def _insert_ids(
    tx: Transaction, keys: Mapping[str, str], previous: Collection[str], *, anonymous: Collection[str]
) -> bool:
    """Insert ids with the keys of their users; return False if some have a user already."""
    if not keys:
        return True
    rows = [
        {
            "workspace": tx.workspace,
            "external_id": id,
            "user_key": key,
            "rank": _PREVIOUS if id in previous else 0,
            "anonymous": id in anonymous,
        }
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


async def _record(
    tx: Transaction, pairs: Sequence[IdPair], attempt: _LinkAttempt, joiner: Joiner, now: datetime
) -> None:
    """Record the joins, for their users and in the audit trail."""
    keys = [attempt.key_of(pair.id) for pair in pairs]
    by, route = joiner.actor.id, joiner.route
    joins = [UserJoin(pair.previous, pair.id, key, now, by, route) for pair, key in zip(pairs, keys, strict=True)]
    await insert_joins(tx, joins)
    await record_audit(tx, joiner.actor, *(Act(AuditAction.JOIN_USERS, key, {"route": route}) for key in keys))
