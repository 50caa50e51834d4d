"""Consent history: a row for each change of a user's state on a channel, in the transaction that makes it.

Every writer of consent has both the statements that held and those that hold now, and knows how the change came about;
a trigger of the database would know neither a provider's event nor a join. A batch adds one statement, and only if a
state changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import insert, select

from connector.rules.model.consent import Consent, ConsentSource, ConsentStatements, find_changes
from connector.store.engine.transaction import Transaction
from connector.store.tables import consent_changes

MAX_CHANGES = 1000
"""How many changes of a user are loaded, the newest ones."""
JOIN = "join"
"""The source of a change that came from a user who was joined to this one."""


@dataclass(frozen=True)
class ChangeOrigin:
    """How a change came about, as far as the statement does not say it.

    Args:
        operator: the id of the key, or the user name of the operating system, of the operator who made the change.
        provider, event: the provider that reported it, and the kind of event.
        is_join: the state came from a user who was joined to this one.
    """

    operator: str | None = None
    provider: str | None = None
    event: str | None = None
    is_join: bool = False

    def source_of(self, stated_by: ConsentSource) -> str:
        """Return the source to record; an operator's bare state is the operator's, although it has no time."""
        if self.is_join:
            return JOIN
        return stated_by.value if self.operator is None else ConsentSource.OPERATOR.value


BY_STATEMENT = ChangeOrigin()
"""The statement says who made the change."""


@dataclass(frozen=True)
class RecordedChange:
    """A change of a user's consent to a channel. All instants are UTC.

    Args:
        old_state: None: nothing was stated before.
        source: a `ConsentSource`, or `JOIN`.
        stated_at: when the statement was made, as far as it says so; it may arrive later.
        changed_at: when the state changed here.
        changed_by, provider, event: as `operator`, `provider` and `event` of `ChangeOrigin`.
    """

    user_key: str
    channel: str
    old_state: Consent | None
    state: Consent
    source: str
    stated_at: datetime | None
    changed_at: datetime
    changed_by: str | None
    provider: str | None
    event: str | None


def changes_of(
    user_key: str,
    before: ConsentStatements,
    after: ConsentStatements,
    now: datetime,
    origin: ChangeOrigin = BY_STATEMENT,
) -> list[RecordedChange]:
    """Return the changes between two sets of statements of a user, made now (UTC)."""
    return [
        RecordedChange(
            user_key,
            change.channel,
            change.old,
            change.new.state,
            origin.source_of(change.new.source),
            change.new.at,
            now,
            origin.operator,
            origin.provider,
            origin.event,
        )
        for change in find_changes(before, after)
    ]


async def record_changes(tx: Transaction, changes: Sequence[RecordedChange]) -> None:
    """Append changes, in their order and in one statement of SQL; without any, none is executed."""
    if changes:
        await tx.execute(insert(consent_changes), [{"workspace": tx.workspace, **asdict(one)} for one in changes])


async def load_changes(tx: Transaction, user_key: str) -> list[tuple[int, RecordedChange]]:
    """Load the newest changes of a user, at most `MAX_CHANGES`, newest first, each with its number."""
    table = consent_changes.c
    where = (tx.in_workspace(consent_changes), table.user_key == user_key)
    statement = select(consent_changes).where(*where).order_by(table.seq.desc()).limit(MAX_CHANGES)
    rows = (await tx.execute(statement)).mappings()
    return [
        (row["seq"], RecordedChange(**{name: row[name] for name in RecordedChange.__dataclass_fields__}))
        for row in rows
    ]
