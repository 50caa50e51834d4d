"""Match the unmatched events of providers again, which may change follow-ups, consent and suppressed addresses."""

from __future__ import annotations

from dataclasses import asdict
from uuid import uuid4

from connector.app.context import AppContext
from connector.provider_events.intake import RetryResult, open_provider_event_intake
from connector.rules.model.audit import Act, Actor, AuditAction
from connector.store.audit import record_audit


async def retry_reports(
    context: AppContext, actor: Actor, provider: str | None, *, reason: str | None = None
) -> RetryResult:
    """Match the events of one provider or of all; the audit trail has an entry before the work and one after it."""
    act_id = uuid4().hex
    requested = Act(AuditAction.RETRY_REPORTS, provider, {}, reason, "requested", act_id)
    async with context.database.write(context.workspace, lock="none") as tx:
        await record_audit(tx, actor, requested)
    intake = open_provider_event_intake(context.settings, context.database, context.cache, context.intake)
    retried = await intake.retry(provider)
    done = Act(AuditAction.RETRY_REPORTS, provider, asdict(retried), reason, "done", act_id)
    async with context.database.write(context.workspace, lock="none") as tx:
        await record_audit(tx, actor, done)
    return retried
