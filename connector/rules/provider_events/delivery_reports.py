"""Delivery reports: what a provider's report changes of a message of ours. Repeating a report changes nothing.

A report makes the `receive_*` interaction of its channel (M4). It also settles a message whose result was lost: a
provider that reports on a message has accepted it (guarantee 4). An email counts as received when it was handed to its
provider, whatever happens later; a text when its carrier reports it delivered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connector.rules.sending.deliveries import DeliveryRecord, DeliveryState
from connector.rules.sending.resolving import NOT_SENT

UNSETTLED = (DeliveryState.OPEN, DeliveryState.CLAIMED, DeliveryState.UNKNOWN)
"""States of a message that a report may settle."""


def may_be_settled(message: DeliveryRecord) -> bool:
    """Return whether a report may settle a message; what an operator settled as not sent, it corrects."""
    return message.state in UNSETTLED or _is_not_sent_by_operator(message)


def _is_not_sent_by_operator(message: DeliveryRecord) -> bool:
    return message.state is DeliveryState.FAILED and message.fault == NOT_SENT


@dataclass(frozen=True)
class DeliveryReport:
    """A provider's report on one message of ours.

    Args:
        provider_id: the provider's id for it; None: the provider does not return one (email by SMTP).
        arrived: whether it was received as its channel counts it (M4); None: it is on its way.
        fault: why it did not arrive, a code of ours.
    """

    delivery_id: str
    provider_id: str | None
    arrived: bool | None = None
    fault: str | None = None

    def is_about(self, message: DeliveryRecord) -> bool:
        """Return whether the report is about this message: a provider's other id is another message's."""
        return not self.provider_id or message.provider_id in (None, self.provider_id)


@dataclass(frozen=True)
class ReportChanges:
    """The changes of a report.

    Args:
        accepted_at: the dispatch, UTC, of a message that turns out to be sent; None: the message was settled before.
        received_at: when the message was received, UTC; None: nothing new was received.
        clears_fault: the message arrived after all.
        fault: why the message did not arrive; None: the message keeps its fault.
    """

    accepted_at: datetime | None
    received_at: datetime | None
    clears_fault: bool
    fault: str | None


def decide_report(
    message: DeliveryRecord, report: DeliveryReport, *, follow_up_is_open: bool, is_received: bool, now: datetime
) -> ReportChanges:
    """Decide what a report changes.

    Args:
        follow_up_is_open: whether the message's follow-up has not ended.
        is_received: whether the log has the message's `receive_*` interaction.
        now: the time of receipt, UTC.
    """
    is_accepted = (
        message.state in (DeliveryState.CLAIMED, DeliveryState.UNKNOWN)
        or (message.state is DeliveryState.OPEN and follow_up_is_open)
        or _is_not_sent_by_operator(message)
    )
    dispatched_at = message.claimed_at or (now if is_accepted else None)
    is_sent = is_accepted or message.state is DeliveryState.SENT
    is_email, fault = message.channel == "email", None if is_accepted else message.fault
    is_fault_new = is_sent and report.fault not in (None, fault) and (is_email or not is_received)
    received_at = (dispatched_at or now) if is_email else now
    return ReportChanges(
        accepted_at=dispatched_at if is_accepted else None,
        received_at=received_at if report.arrived and not is_received else None,
        clears_fault=bool(report.arrived) and is_sent and fault is not None and not is_email,
        fault=report.fault if is_fault_new else None,
    )
