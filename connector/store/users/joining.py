"""Joining two users of whom one was only described: the ids and the description go over, and the bare row goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import Exists, Table, bindparam, delete, exists, select, update

from connector.rules.model.users import User, merge_changes
from connector.rules.provider_events.consent import StatementTimes, latest_times
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import (
    assignments,
    dead_addresses,
    decisions,
    deliveries,
    entries,
    follow_ups,
    inbox,
    inbox_marks,
    interactions,
    receipts,
    user_aliases,
    users,
)
from connector.store.users.users import StoredUser

_BY_USER = (interactions, follow_ups, deliveries, decisions, inbox, inbox_marks)
_BY_CAMPAIGN = (receipts, assignments)
"""Found by campaign and user."""

_DESCRIBED = tuple(User.model_fields.keys() - {"id"})


class UserJoin:
    """Which users become part of which others, and how these are described then.

    Args:
        stored: all users who are concerned, by key. bare: those of them who have no history.
    """

    def __init__(self, stored: Mapping[str, StoredUser], bare: Collection[str]) -> None:
        self._stored, self._bare = dict(stored), bare
        self._into: dict[str, str] = {}

    def leads(self, key: str) -> str:
        """The user of whom this one is a part by now."""
        while key in self._into:
            key = self._into[key]
        return key

    def join(self, older: str, newer: str) -> bool:
        """Join two users; False: both have a history. What the newer one is described by wins.

        Raises:
            DefinitionError: there would be too many attributes; nothing was joined.
        """
        gone = next((key for key in (older, newer) if key in self._bare), None)
        if gone is None:
            return False
        kept = newer if gone == older else older
        first, second = self._stored[older], self._stored[newer]
        described = second.user.model_dump(mode="json", exclude={"id"})
        self._stored[kept] = replace(
            self._stored[kept],
            user=merge_changes(first.user, {name: value for name, value in described.items() if value}),
            newest_t=max(filter(None, (first.newest_t, second.newest_t)), default=None),
        )
        self._into[gone] = kept
        return True

    def gone(self) -> dict[str, str]:
        """The users who go, and to whom."""
        return {key: self.leads(key) for key in sorted(self._into)}

    def kept(self) -> dict[str, StoredUser]:
        """The users whom others became part of, as they are now."""
        return {key: self._stored[key] for key in sorted(set(self.gone().values()))}


async def find_bare(tx: Transaction, user_keys: Collection[str]) -> set[str]:
    """Those of these users, whose rows are locked, who did nothing and got nothing: they were described at most."""
    user = users.c
    campaigns = select(entries.c.id).where(tx.in_workspace(entries))
    history = [_has(table, tx.workspace) for table in _BY_USER]
    history += [_has(table, tx.workspace).where(table.c.campaign.in_(campaigns)) for table in _BY_CAMPAIGN]
    statement = select(user.user_key).where(tx.in_workspace(users), in_set(tx, user.user_key, user_keys))
    return set((await tx.execute(statement.where(*(~found for found in history)))).scalars())


async def join_users(tx: Transaction, joining: UserJoin) -> None:
    """Write what was joined, in a fixed number of statements."""
    if not (gone := joining.gone()):
        return
    user = users.c
    rows = [{"gone": key, "kept": kept} for key, kept in gone.items()]
    for table in (user_aliases, dead_addresses):
        moved = update(table).where(tx.in_workspace(table), table.c.user_key == bindparam("gone"))
        await tx.execute(moved.values(user_key=bindparam("kept")), rows)
    said_at = await _said_at(tx, gone)
    fields = (*_DESCRIBED, "newest_t", "said_at")
    described = update(users).where(tx.in_workspace(users), user.user_key == bindparam("key"))
    values = {name: bindparam(f"new_{name}", type_=user[name].type) for name in fields}
    await tx.execute(described.values(values), [_row(key, one, said_at[key]) for key, one in joining.kept().items()])
    left = delete(users).where(tx.in_workspace(users), user.user_key == bindparam("gone"))
    await tx.execute(left, [{"gone": key} for key in gone])


def _has(table: Table, workspace: str) -> Exists:
    return exists().where(table.c.workspace == workspace, table.c.user_key == users.c.user_key)


async def _said_at(tx: Transaction, gone: Mapping[str, str]) -> dict[str, StatementTimes]:
    """When the last words of each who stays were said, by themselves or by those who become part of them."""
    user = users.c
    keys = {*gone, *gone.values()}
    told = select(user.user_key, user.said_at).where(tx.in_workspace(users), in_set(tx, user.user_key, keys))
    said: dict[str, StatementTimes] = {}
    for key, said_at in await tx.execute(told):
        kept = gone.get(key, key)
        said[kept] = latest_times(said.get(kept, {}), said_at)
    return said


def _row(key: str, stored: StoredUser, said_at: StatementTimes) -> dict[str, object]:
    described = stored.user.model_dump(mode="json", exclude={"id"})
    told = {**described, "newest_t": stored.newest_t, "said_at": dict(said_at)}
    return {"key": key, **{f"new_{name}": value for name, value in told.items()}}
