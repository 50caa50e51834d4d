"""Join two users of whom one was only described: its ids and description go to the other, its row is deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Exists, Table, bindparam, delete, exists, select, update

from connector.rules.model.users import User, UserMerge
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import (
    assignments,
    consent_changes,
    dead_addresses,
    entries,
    metadata,
    reached_users,
    receipts,
    user_aliases,
    user_joins,
    users,
)
from connector.store.users.consent import consent_row
from connector.store.users.consent_history import ChangeOrigin, RecordedChange, changes_of, record_changes
from connector.store.users.users import StoredUser

_OF_KEPT = (user_aliases, user_joins, dead_addresses, consent_changes)
"""The rows that go to the user who is kept; those of any other table are a history."""
_BY_CAMPAIGN = (receipts, assignments, reached_users)
"""Indexed by campaign, then by user."""
_BY_USER = tuple(
    table
    for table in metadata.sorted_tables
    if "user_key" in table.c and table not in (users, *_OF_KEPT, *_BY_CAMPAIGN)
)

_DESCRIBED = tuple(User.model_fields.keys() - {"id"})


class JoinedUsers:
    """The users of some pairs as they will be: which become part of which others, and how those are described then.

    Args:
        stored: all users concerned, by key. bare: those of them who have no history.
    """

    def __init__(self, stored: Mapping[str, StoredUser], bare: Collection[str]) -> None:
        self._before, self._stored, self._bare = stored, dict(stored), bare
        self._into: dict[str, str] = {}

    def current_key(self, key: str) -> str:
        """Return the key of the user whom this one has become part of; its own if of none."""
        while key in self._into:
            key = self._into[key]
        return key

    def join(self, older: str, newer: str) -> bool:
        """Join two users, unless both have a history; return whether. The newer one's description wins.

        Raises:
            DefinitionError: the description would have too many attributes; nothing was joined.
        """
        deleted = next((key for key in (older, newer) if key in self._bare), None)
        if deleted is None:
            return False
        kept = newer if deleted == older else older
        first, second = self._stored[older], self._stored[newer]
        merge = UserMerge(first.user, first.statements)
        described = second.user.model_dump(mode="json", exclude={"id", "consent"})
        merge.apply({name: value for name, value in described.items() if value}, second.statements)
        self._stored[kept] = replace(
            self._stored[kept],
            user=merge.result(),
            statements=merge.statements,
            newest_t=max(filter(None, (first.newest_t, second.newest_t)), default=None),
        )
        self._into[deleted] = kept
        return True

    def replacements(self) -> dict[str, str]:
        """Return the keys of the users to delete, each with the key of the user whom they become part of."""
        return {key: self.current_key(key) for key in sorted(self._into)}

    def kept(self) -> dict[str, StoredUser]:
        """Return the users whom others became part of, with their new descriptions."""
        return {key: self._stored[key] for key in sorted(set(self.replacements().values()))}

    def consent_changes(self, now: datetime) -> list[RecordedChange]:
        """Return how the consent of the users who are kept changes by the joins, made now (UTC)."""
        origin = ChangeOrigin(is_join=True)
        return [
            change
            for key, one in self.kept().items()
            for change in changes_of(key, self._before[key].statements, one.statements, now, origin)
        ]


async def find_bare(tx: Transaction, user_keys: Collection[str]) -> set[str]:
    """Return those of these users, whose rows are locked, who did nothing and received nothing."""
    user = users.c
    campaigns = select(entries.c.id).where(tx.in_workspace(entries))
    history = [_has_row(tx, table) for table in _BY_USER]
    history += [_has_row(tx, table).where(table.c.campaign.in_(campaigns)) for table in _BY_CAMPAIGN]
    statement = select(user.user_key).where(tx.in_workspace(users), in_set(tx, user.user_key, user_keys))
    return set((await tx.execute(statement.where(*(~has_row for has_row in history)))).scalars())


async def join_users(tx: Transaction, joined: JoinedUsers, now: datetime) -> None:
    """Write the joined users, in a fixed number of statements, and how their consent changes, made now (UTC)."""
    if not (replaced := joined.replacements()):
        return
    user = users.c
    rows = [{"deleted": key, "kept": kept} for key, kept in replaced.items()]
    for table in _OF_KEPT:
        moved = update(table).where(tx.in_workspace(table), table.c.user_key == bindparam("deleted"))
        await tx.execute(moved.values(user_key=bindparam("kept")), rows)
    fields = (*_DESCRIBED, "newest_t", "said_at", "said_by")
    described = update(users).where(tx.in_workspace(users), user.user_key == bindparam("key"))
    values = {name: bindparam(f"new_{name}", type_=user[name].type) for name in fields}
    await tx.execute(described.values(values), [_row(key, one) for key, one in joined.kept().items()])
    statement = delete(users).where(tx.in_workspace(users), user.user_key == bindparam("deleted"))
    await tx.execute(statement, [{"deleted": key} for key in replaced])
    await record_changes(tx, joined.consent_changes(now))


def _has_row(tx: Transaction, table: Table) -> Exists:
    return exists().where(tx.in_workspace(table), table.c.user_key == users.c.user_key)


def _row(key: str, stored: StoredUser) -> dict[str, object]:
    described = stored.user.model_dump(mode="json", exclude={"id"})
    columns = {**described, "newest_t": stored.newest_t, **consent_row(stored.statements)}
    return {"key": key, **{f"new_{name}": value for name, value in columns.items()}}
