"""The names that Temporal knows us by: workflows, activities, messages, queues, ids."""

from __future__ import annotations

FOLLOW_UP = "FollowUp"
REGISTRY = "Registry"
LAUNCH = "Launch"
SEND = "send"
CARRY_OUT_ORDER = "carry_out_order"
END_WAITS = "end_waits"
REPORT_EXCEPTION = "report_exception"
OPERATE = "operate"
LAUNCH_PAGE = "launch_page"
RECORD_INTERACTIONS = "record_interactions"
"""The one activity that is for others' workflows: they call it by this name on `main_queue`."""
INVALID_INTERACTIONS = "InvalidInteractions"
"""The type of its error where the input is not a batch."""

STATE_ATTRIBUTE = "FollowUpState"

ENDED = "ended"
"""Signal from the outbox: the store ended this follow-up; carries an `Ended`."""
EXCEPTION = "exception"
"""Signal from anyone else: an interaction as reported; it goes through intake, which decides."""
SEND_NOW = "send_now"
POSTPONE = "postpone"
CANCEL = "cancel"
"""Updates of a follow-up, for operators: the command line, the `temporal` program, the Web UI."""
REFUSED = "OperationRefused"
"""The type of the error of an update that was refused."""
LOOK = "look"
"""Signal from the outbox: an order concerned this launch's campaign; the store says which."""
STATUS = "status"
PROGRESS = "progress"
ORDERS = "orders"


def main_queue(workspace: str) -> str:
    """The task queue of workflows and database steps."""
    return f"connector-{workspace}"


def channel_queue(workspace: str, channel: str) -> str:
    """The task queue of one channel's sends, so that one channel's outage holds up no other."""
    return f"connector-{workspace}-send-{channel}"


def registry_id(workspace: str) -> str:
    """The workflow id of the workspace's registry."""
    return f"registry/{workspace}"


def launch_id(workspace: str, campaign: str, launch: str) -> str:
    """The workflow id of one launch of a scheduled campaign."""
    return f"launch/{workspace}/{campaign}/{launch}"


def follow_up_id(workspace: str, campaign: str, user_key: str, follow_up: str) -> str:
    """The workflow id of one follow-up (design 6)."""
    return f"follow-up/{workspace}/{campaign}/{user_key}/{follow_up}"
