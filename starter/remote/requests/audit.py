"""The requests of `starter.operations.audit`."""

from connector.rules.model.values import format_instant
from connector.store.audit import AuditFilter
from starter.operations.audit import read_audit
from starter.remote.registration import Request, get, over_http


@over_http(read_audit)
def _read(wanted: AuditFilter, limit: int) -> Request:
    subject = wanted.subjects[0] if wanted.subjects else None
    return get(
        "/v1/audit",
        since=format_instant(wanted.since),
        action=wanted.action,
        actor=wanted.actor,
        subject=subject,
        before=wanted.before,
        limit=limit,
    )
