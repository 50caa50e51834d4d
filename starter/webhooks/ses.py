"""Amazon SES by SNS: an endpoint of SNS, with SES's events in its messages.

docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import structlog

from connector.rules.provider_events.events import ProviderEvent
from starter.webhooks.https_fetch import HttpsFetch
from starter.webhooks.protocol import BodyWrong, WebhookCall
from starter.webhooks.ses_events import normalise_notification, parse_notification
from starter.webhooks.sns import CONFIRM, ENDED, NOTIFICATION, Fetch, Sns
from starter.webhooks.verification import read_object

_GREETING = "Successfully validated SNS topic for Amazon SES event publishing."

_log = structlog.get_logger("webhooks.ses")


class Ses:
    """SES's side of the protocol.

    Args:
        topics: the ARNs of the SNS topics that SES publishes to.
        fetch: gets certificates and confirms subscriptions; None: by https.
    """

    name = "ses"
    most_bytes = 512 * 1024
    """SNS sends at most 256 KB, and escapes them once more."""

    def __init__(self, topics: Collection[str], *, fetch: Fetch | None = None) -> None:
        self._sns = Sns(topics, fetch or HttpsFetch())

    async def verify(self, call: WebhookCall) -> None:
        """See `Sns.verify`."""
        await self._sns.verify(call)

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """One event for each recipient; a subscription that is to be confirmed is confirmed here, and tells none.

        Raises:
            BodyWrong: the message holds no event of SES's.
            NotNow: the subscription could not be confirmed.
        """
        message = read_object(call.body)
        match message.get("Type"):
            case "SubscriptionConfirmation":
                await self._sns.confirm(message)
                return []
            case "UnsubscribeConfirmation":
                _log.warning("subscription_ended", topic=str(message.get("TopicArn"))[:300])
                return []
            case "Notification":
                return _events(message)
        raise BodyWrong(f"Type must be one of {NOTIFICATION}, {CONFIRM}, {ENDED}")

    def normalise(self, told: Any) -> ProviderEvent | None:
        """One event to one recipient in the common form; see `ses_events`."""
        return normalise_notification(told)


def _events(message: dict[str, Any]) -> Sequence[Any]:
    held = message.get("Message")
    if not isinstance(held, str):
        raise BodyWrong("the notification has no Message")
    return [] if held.strip() == _GREETING else parse_notification(read_object(held), message.get("Timestamp"))
