"""Changes of consent by an operator, which leave an entry in the audit trail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connector.rules.model.audit import Act, Actor, AuditAction
from connector.store.audit import record_audit
from connector.store.engine.transaction import Transaction
from connector.store.users.users import find_user


@asynccontextmanager
async def audited_consent(tx: Transaction, user: str, operator: Actor | None) -> AsyncIterator[None]:
    """Record what the block changes of a user's consent, by channel.

    Args:
        operator: whoever changes it with `manage`; None: a service, whose changes leave no entry.
    """
    before = await find_user(tx, user) if operator is not None else None
    yield
    after = await find_user(tx, user) if operator is not None else None
    if operator is None or after is None:
        return
    known = before.statements if before else {}
    states = {channel: (one.state, known.get(channel)) for channel, one in after.statements.items()}
    changed = {channel: state for channel, (state, old) in states.items() if old is None or old.state != state}
    if changed:
        await record_audit(tx, operator, Act(AuditAction.CHANGE_CONSENT, after.user_key, changed))
