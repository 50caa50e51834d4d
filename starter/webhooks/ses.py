"""Amazon SES by SNS: an SNS endpoint whose messages hold SES's events.

docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html. SES's events have two shapes: event
publishing (`eventType`) and notifications (`notificationType`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from connector.rules.provider_events.events import EventKind, ProviderEvent
from starter.webhooks.payload import (
    MAX_URL_CHARACTERS,
    arguments_from_headers,
    find_header,
    hash_parts,
    read_address,
    read_arguments,
    read_instant,
    read_message_id,
    read_object,
    read_text,
    reason_code,
    value_at,
)
from starter.webhooks.protocol import BodyInvalid, WebhookCall
from starter.webhooks.sns import NOTIFICATION, SUBSCRIPTION, UNSUBSCRIBED, Fetch, SnsVerifier
from starter.webhooks.sns_fetch import SnsFetch

MAX_RECIPIENTS = 1000

_TEST_MESSAGE = "Successfully validated SNS topic for Amazon SES event publishing."
_KINDS = {
    "Send": EventKind.SENT,
    "Delivery": EventKind.DELIVERED,
    "DeliveryDelay": EventKind.DEFERRED,
    "Bounce": EventKind.BOUNCED,
    "Complaint": EventKind.COMPLAINED,
    "Reject": EventKind.REJECTED,
    "Rendering Failure": EventKind.FAILED,
    "Open": EventKind.OPENED,
    "Click": EventKind.CLICKED,
}
_DETAIL_KEYS = {"Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay"}
"""The key of an event's own part, if it is not its name in lower case."""
_RECIPIENT_KEYS = {
    "Bounce": "bouncedRecipients",
    "Complaint": "complainedRecipients",
    "Delivery": "recipients",
    "DeliveryDelay": "delayedRecipients",
}
_BY_ONE_READER = frozenset({"Open", "Click", "Subscription"})
"""Events of one reader; SES does not report which of a message's recipients it was."""
_IS_MACHINE = {"Likely": True, "Unlikely": False}
_UNSUBSCRIBED_RECIPIENT = "UnsubscribedRecipient"
_NOT_SPAM = "not-spam"

_log = structlog.get_logger("webhooks.ses")


@dataclass(frozen=True)
class SesNotification:
    """One event of one message to one recipient, as received; `published` is SNS's time."""

    kind: str
    event: dict[str, Any]
    recipient: Any
    published: Any

    @property
    def detail(self) -> Any:
        """The part of the event that only this kind has."""
        return value_at(self.event, _DETAIL_KEYS.get(self.kind, self.kind.lower()))


class Ses:
    """SES's webhook.

    Args:
        topics: the ARNs of the SNS topics that SES publishes to.
        fetch: fetches certificates and confirms subscriptions; default: over HTTPS.
    """

    name = "ses"
    max_body_bytes = 512 * 1024
    """SNS sends at most 256 KB, and escapes them once more."""

    def __init__(self, topics: Collection[str], *, fetch: Fetch | None = None) -> None:
        self._sns = SnsVerifier(topics, fetch or SnsFetch())

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Do nothing: the signature is in the body."""

    async def verify(self, call: WebhookCall) -> None:
        """Check SNS's signature; see `SnsVerifier.verify`."""
        await self._sns.verify(call)

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """Return one event per recipient. A subscription that waits for confirmation is confirmed, without events.

        Raises:
            BodyInvalid: the message holds no SES event.
            TryAgainLater: the subscription could not be confirmed.
        """
        message = read_object(call.body)
        kind = message.get("Type")
        if kind == NOTIFICATION:
            return _parse_message(message)
        if kind == SUBSCRIPTION:
            await self._sns.confirm(message)
            return []
        if kind == UNSUBSCRIBED:
            _log.warning("subscription_ended", topic=str(message.get("TopicArn"))[:300])
            return []
        raise BodyInvalid(f"Type must be one of {NOTIFICATION}, {SUBSCRIPTION}, {UNSUBSCRIBED}")

    def normalise(self, item: Any) -> ProviderEvent | None:
        """Return one event to one recipient; None without a message, kind or time, and for mail received by SES."""
        if not isinstance(item, SesNotification) or not item.kind or item.kind == "Received":
            return None
        when = read_instant(value_at(item.detail, "timestamp")) or read_instant(item.published)
        mail = value_at(item.event, "mail")
        message_id = read_text(value_at(mail, "messageId"), 256)
        recipient = read_address(item.recipient) or read_address(value_at(item.recipient, "emailAddress"))
        if when is None or not (recipient or message_id):
            return None
        happened, fault, permanent = _classify(item.kind, item.detail)
        url, headers = read_text(value_at(item.detail, "link"), MAX_URL_CHARACTERS), value_at(mail, "headers")
        return ProviderEvent(
            provider=self.name,
            id=_event_id(item, message_id, recipient, url),
            happened=happened,
            at=when,
            message_id=message_id,
            sent_id=read_message_id(find_header(headers, "message-id"))
            or read_message_id(value_at(mail, "commonHeaders", "messageId")),
            arguments=read_arguments([*arguments_from_headers(headers), *_tags(value_at(mail, "tags"))]),
            recipient=recipient,
            url=url,
            agent=read_text(value_at(item.detail, "userAgent")) if item.kind in _BY_ONE_READER else None,
            machine=_IS_MACHINE.get(str(value_at(item.detail, "isBotEvent"))[:16]),
            permanent=permanent,
            fault=fault,
        )


def parse_notification(event: dict[str, Any], published: Any) -> Sequence[SesNotification]:
    """Return one notification per recipient of an event; one without a recipient if the recipient is unknown."""
    kind = read_text(event.get("eventType"), 64) or read_text(event.get("notificationType"), 64) or ""
    kind = "Rendering Failure" if kind == "RenderingFailure" else kind
    whole = SesNotification(kind, event, None, published)
    listed = (
        value_at(whole.detail, _RECIPIENT_KEYS[kind])
        if kind in _RECIPIENT_KEYS
        else value_at(event, "mail", "destination")
    )
    recipients = listed[:MAX_RECIPIENTS] if isinstance(listed, list) and listed else [None]
    if kind in _BY_ONE_READER and len(recipients) > 1:
        recipients = [None]
    return [SesNotification(kind, event, recipient, published) for recipient in recipients]


def _parse_message(message: dict[str, Any]) -> Sequence[Any]:
    text = message.get("Message")
    if not isinstance(text, str):
        raise BodyInvalid("the notification has no Message")
    return [] if text.strip() == _TEST_MESSAGE else parse_notification(read_object(text), message.get("Timestamp"))


def _event_id(item: SesNotification, message_id: str | None, recipient: str | None, url: str | None) -> str:
    """Return an id derived from SES's own fields: SNS's id and time differ if two topics receive the same event."""
    when, feedback = read_text(value_at(item.detail, "timestamp")), read_text(value_at(item.detail, "feedbackId"))
    return hash_parts(message_id, item.kind, recipient, when, feedback, url)


def _tags(tags: Any) -> list[tuple[Any, Any]]:
    """Return each tag's name and first value; SES's own tags begin with "ses:" and are left out."""
    pairs = tags.items() if isinstance(tags, dict) else ()
    return [(name, values[0]) for name, values in pairs if isinstance(values, list) and values and name[:4] != "ses:"]


def _classify(kind: str, detail: Any) -> tuple[EventKind, str | None, bool]:
    """Return what happened, why the message did not arrive, and whether the address is permanently bad."""
    if kind == "Bounce":
        reasons = [reason_code(value_at(detail, "bounceType")), reason_code(value_at(detail, "bounceSubType"))]
        is_hard = reasons[0] == "permanent" and value_at(detail, "bounceSubType") != _UNSUBSCRIBED_RECIPIENT
        return EventKind.BOUNCED, "_".join(filter(None, reasons)) or "bounced", is_hard
    if kind == "Complaint":
        if value_at(detail, "complaintFeedbackType") == _NOT_SPAM:
            return EventKind.OTHER, None, False
        return EventKind.COMPLAINED, reason_code(value_at(detail, "complaintFeedbackType")) or "spam", True
    if kind == "Subscription":
        return _subscription_kind(detail), None, False
    faults = {
        "Reject": reason_code(value_at(detail, "reason")) or "rejected",
        "Rendering Failure": "rendering_failure",
        "DeliveryDelay": reason_code(value_at(detail, "delayType")),
    }
    return _KINDS.get(kind, EventKind.OTHER), faults.get(kind), False


def _subscription_kind(detail: Any) -> EventKind:
    """Return UNSUBSCRIBED for leaving the list or its last topic, SUBSCRIBED for returning to the list."""
    new, old = value_at(detail, "newTopicPreferences"), value_at(detail, "oldTopicPreferences")
    if value_at(new, "unsubscribeAll") is True:
        return EventKind.UNSUBSCRIBED
    if value_at(old, "unsubscribeAll") is True and value_at(new, "unsubscribeAll") is False:
        return EventKind.SUBSCRIBED
    topics = value_at(new, "topicSubscriptionStatus")
    has_left_all = (
        isinstance(topics, list)
        and topics
        and all(value_at(topic, "subscriptionStatus") == "OptOut" for topic in topics)
    )
    return EventKind.UNSUBSCRIBED if has_left_all else EventKind.OTHER
