"""Follow-ups as the API and the command line show them, in the words of `simulate`'s output (design 8)."""

from __future__ import annotations

import json
from typing import Any

from connector.rules.model.instants import write_instant
from connector.store.reporting.overview import FollowUpListing


def view(listed: FollowUpListing) -> dict[str, Any]:
    """One follow-up or refusal in JSON values; times are UTC with `Z`, `key` is null when unset or erased."""
    shown = {
        "id": listed.id,
        "workflow_id": listed.workflow_id,
        "campaign": listed.campaign,
        "user": listed.user,
        "trigger": listed.trigger,
        "key": json.loads(listed.key) if listed.key not in ("", listed.id) else None,
        "triggered_at": write_instant(listed.triggered_at),
        "due_at": write_instant(listed.due_at),
        "next_at": write_instant(listed.next_at),
        "state": listed.state,
        "reason": listed.reason,
        "decided_at": write_instant(listed.decided_at),
        "channels": list(listed.channels),
    }
    return shown if listed.exception is None else {**shown, "exception": listed.exception}
