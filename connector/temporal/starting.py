"""The arguments that start workflows: once, searchable, and without personal data in the UI."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from temporalio.common import (
    Priority,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

from connector import names
from connector.temporal.client import CAMPAIGN, DUE_AT, STATE, USER_KEY
from connector.wire import FollowUpStart, LaunchStart


def start_arguments(start: FollowUpStart, resends: int = 0) -> dict[str, Any]:
    """Return the arguments that start a follow-up's workflow: once, searchable, without personal data in the UI.

    Args:
        resends: how often the follow-up was sent again.
    """
    due = start.due_at.astimezone(UTC)
    return {
        "id": names.follow_up_id(start.workspace, start.campaign, start.user_key, start.follow_up_id, resends),
        "task_queue": names.main_queue(start.workspace),
        "id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        "static_summary": f"{start.campaign} · due {_short(due)}",
        "static_details": (
            f"Follow-up `{start.follow_up_id}` of **{start.campaign}** on {', '.join(start.channels)}.\n\n"
            f"Waits until {_short(due)} unless an exception cancels it."
        ),
        "search_attributes": TypedSearchAttributes(
            [
                SearchAttributePair(CAMPAIGN, start.campaign),
                SearchAttributePair(USER_KEY, start.user_key),
                SearchAttributePair(STATE, "waiting"),
                SearchAttributePair(DUE_AT, due),
            ]
        ),
        "priority": Priority(fairness_key=start.campaign[:64]),
    }


def launch_arguments(start: LaunchStart) -> dict[str, Any]:
    """Return the arguments that start a launch's workflow: once, searchable by its campaign."""
    return {
        "id": names.launch_id(start.workspace, start.campaign, start.launch_id),
        "task_queue": names.main_queue(start.workspace),
        "id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE,
        "id_conflict_policy": WorkflowIDConflictPolicy.FAIL,
        "static_summary": f"launch of {start.campaign}",
        "static_details": f"The launch of **{start.campaign}** to its audience.",
        "search_attributes": TypedSearchAttributes([SearchAttributePair(CAMPAIGN, start.campaign)]),
        "priority": Priority(fairness_key=start.campaign[:64]),
    }


def _short(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%MZ}"
