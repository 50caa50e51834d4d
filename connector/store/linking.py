"""Linking two ids of one user, as `alias` asks for: both lead to the same user from then on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.store.tables import user_aliases
from connector.store.users import create_users, lock_users, look_up

Pair = tuple[str, str]
"""The id that a user had before, and the one that is used now."""

Linked = Literal["linked", "nothing_new", "two_users", "erased"]
"""What came of a pair. `two_users`: each id has a history of its own, and histories are not merged."""


async def link_ids(c: AsyncConnection, workspace: str, pairs: Sequence[Pair], now: datetime) -> list[Linked]:
    """Link each pair, in their order; an id that nobody has becomes another id of the other one's user.

    The users' rows are locked in sorted order, so that nobody is erased meanwhile. The number of statements does not
    depend on the number of pairs.
    """
    ids = {id for pair in pairs for id in pair}
    while True:
        known, erased = await look_up(c, workspace, ids)
        if fresh := _nobody_yet(pairs, known, erased):
            await create_users(c, workspace, sorted(fresh), now)
            known, _ = await look_up(c, workspace, ids)
        await lock_users(c, workspace, known.values())
        known, erased = await look_up(c, workspace, ids)
        outcomes, added = _weigh(pairs, known, erased)
        if await _insert(c, workspace, added) == len(added):
            return outcomes
        # Another transaction was quicker with one of the ids, which has a user now; it is weighed again with that.


def _nobody_yet(pairs: Sequence[Pair], known: Mapping[str, str], erased: set[str]) -> set[str]:
    """The ids for which users must be made: of each pair neither of whose ids leads to anybody, the new one."""
    fresh: set[str] = set()
    reached = set(known)
    for previous, id in pairs:
        if previous == id or not erased.isdisjoint((previous, id)):
            continue
        if reached.isdisjoint((previous, id)):
            fresh.add(id)
        reached |= {previous, id}
    return fresh


def _weigh(pairs: Sequence[Pair], known: Mapping[str, str], erased: set[str]) -> tuple[list[Linked], dict[str, str]]:
    """What becomes of each pair, and the keys of the ids that are to be added."""
    keys, added, outcomes = dict(known), dict[str, str](), list[Linked]()
    for previous, id in pairs:
        theirs = {keys[one] for one in (previous, id) if one in keys}
        if not erased.isdisjoint((previous, id)):
            outcomes.append("erased")
        elif len(theirs) > 1:
            outcomes.append("two_users")
        elif previous == id or (previous in keys and id in keys):
            outcomes.append("nothing_new")
        else:
            new = id if previous in keys else previous
            keys[new] = added[new] = theirs.pop()
            outcomes.append("linked")
    return outcomes, added


async def _insert(c: AsyncConnection, workspace: str, keys: Mapping[str, str]) -> int:
    """How many of these ids could be added; the others have a user already."""
    if not keys:
        return 0
    build = (postgresql if c.dialect.name == "postgresql" else sqlite).insert(user_aliases)
    rows = [{"workspace": workspace, "external_id": id, "user_key": key} for id, key in sorted(keys.items())]
    taken = await c.execute(build.on_conflict_do_nothing().returning(user_aliases.c.external_id), rows)
    return len(taken.scalars().all())
