"""Campaigns and follow-ups as JSON values, in the form in which the API and the command line show them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from connector import names
from connector.rules.catalogue.catalogue import Entry
from connector.rules.explaining.waiting import describe_wait
from connector.rules.model.reasons import OPEN_STATES
from connector.rules.model.values import format_instant
from connector.rules.publishing.drafting import as_written
from connector.store.reporting.overview import FollowUpListing
from starter.operations.entries import view_entry


def view_entry_with_definition(entry: Entry) -> dict[str, Any]:
    """Return what `view_entry` returns, and the newest saved definition as it was written."""
    return {**view_entry(entry), "definition": as_written(entry.newest.definition)}


def view_follow_up(
    workspace: str, listed: FollowUpListing, now: datetime, *, is_stopped: bool = False
) -> dict[str, Any]:
    """Return a follow-up or refusal with the keys of `simulate --json` (design 8); times are UTC with `Z`.

    `key` is null if it is not set or was erased. `workflow_id` is that of the workflow in Temporal that waits for it.
    An open one has `waits`, a text on what it waits for as of `now` (UTC).
    """
    id, workflow_id = listed.id, None
    if id is not None and not listed.is_launched:
        workflow_id = names.follow_up_id(workspace, listed.campaign, listed.user_key, id, listed.resends)
    shown = {
        "id": id,
        "workflow_id": workflow_id,
        "campaign": listed.campaign,
        "user": listed.user,
        "user_key": listed.user_key,
        "trigger": listed.trigger,
        "key": json.loads(listed.key) if listed.key not in ("", listed.id) else None,
        "triggered_at": format_instant(listed.triggered_at),
        "due_at": format_instant(listed.due_at),
        "next_at": format_instant(listed.next_at),
        "state": listed.state,
        "reason": listed.reason,
        "decided_at": format_instant(listed.decided_at),
        "channels": list(listed.channels),
    }
    if listed.state in OPEN_STATES and listed.next_at is not None:
        is_paused = is_stopped and listed.is_launched
        shown["waits"] = describe_wait(listed.state, listed.next_at, listed.tried, now, is_paused=is_paused)
    return shown if listed.exception is None else {**shown, "exception": listed.exception}
