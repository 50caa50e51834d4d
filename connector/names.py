"""The names of workflows, activities, messages, queues and ids in Temporal."""

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
"""The only activity that workflows of other systems may call, by this name on `main_queue`."""
INVALID_INTERACTIONS = "InvalidInteractions"
"""The type of its error if the input is not a batch."""

STATE_ATTRIBUTE = "FollowUpState"
REASON_ATTRIBUTE = "FollowUpReason"
"""Set with the final state, in the same event; a follow-up that was sent has none."""

ENDED = "ended"
"""Signal from the outbox: the store ended this follow-up; carries a `FollowUpEnd`."""
MOVED = "moved"
"""Signal from the outbox: an operator moved this follow-up's wait in the store; carries a `FollowUpMove`."""
EXCEPTION = "exception"
"""Signal from any other sender: a reported interaction, which the intake evaluates."""
SEND_NOW = "send_now"
POSTPONE = "postpone"
CANCEL = "cancel"
"""Updates of a follow-up, for operators: from the command line, the `temporal` CLI or the Web UI."""
REFUSED = "OperationRefused"
"""The type of the error of a refused update."""
LOOK = "look"
"""Signal from the outbox: an order changed the campaign of this launch; the store has the change."""
STATUS = "status"
PROGRESS = "progress"
ORDERS = "orders"


def main_queue(workspace: str) -> str:
    """Return the task queue of follow-ups, launches and their database steps."""
    return f"connector-{workspace}"


def registry_queue(workspace: str) -> str:
    """Return the task queue of the registry and its activities, on which orders do not wait for follow-ups."""
    return f"connector-{workspace}-registry"


def channel_queue(workspace: str, channel: str) -> str:
    """Return the task queue of one channel's sends: an outage of one channel does not delay the others."""
    return f"connector-{workspace}-send-{channel}"


def registry_id(workspace: str) -> str:
    """Return the workflow id of the workspace's registry."""
    return f"registry/{workspace}"


def launch_id(workspace: str, campaign: str, launch: str) -> str:
    """Return the workflow id of one launch of a scheduled campaign."""
    return f"launch/{workspace}/{campaign}/{launch}"


def follow_up_id(workspace: str, campaign: str, user_key: str, follow_up: str, resends: int = 0) -> str:
    """Return the workflow id of one follow-up (design 6).

    Args:
        resends: how often it was sent again; each time another workflow begins, for an id is used once.
    """
    again = f".{resends + 1}" if resends else ""
    return f"follow-up/{workspace}/{campaign}/{user_key}/{follow_up}{again}"


def read_follow_up_id(workflow_id: str) -> tuple[str, int]:
    """Return the follow-up of a workflow id, and the number of its resend; 0: it is the follow-up's first workflow."""
    follow_up, _, number = workflow_id.rpartition("/")[2].partition(".")
    return follow_up, int(number) - 1 if number.isdigit() else 0


def parse_follow_up_id(text: str) -> tuple[str | None, str]:
    """Return the workspace and the follow-up's id of a workflow id; of any other text, None and the text itself."""
    kind, _, rest = text.partition("/")
    parts = rest.split("/")
    if kind != "follow-up" or len(parts) < 4:
        return None, text
    return parts[0], read_follow_up_id(text)[0]
