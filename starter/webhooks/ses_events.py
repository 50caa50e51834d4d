"""SES's events, in both of its shapes: event publishing (`eventType`) and notifications (`notificationType`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from connector.rules.provider_events.events import EventKind, ProviderEvent
from starter.webhooks.fields import (
    LONGEST_URL,
    address,
    arguments,
    arguments_of_headers,
    at,
    digest,
    header,
    instant,
    message_id,
    text,
    word,
)

MOST_RECIPIENTS = 1000

_HAPPENED = {
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
_WHERE = {"Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay"}
"""Where an event's own part stands, if not under its name."""
_CONCERNED = {
    "Bounce": "bouncedRecipients",
    "Complaint": "complainedRecipients",
    "Delivery": "recipients",
    "DeliveryDelay": "delayedRecipients",
}
_OF_ONE_READER = frozenset({"Open", "Click", "Subscription"})
"""SES does not tell which of a message's recipients it was."""
_MACHINE = {"Likely": True, "Unlikely": False}
_CONSENT = "UnsubscribedRecipient"
_NOT_SPAM = "not-spam"


@dataclass(frozen=True)
class SesNotification:
    """One event of one message to one recipient, as it came; `published` is SNS's time."""

    kind: str
    event: dict[str, Any]
    recipient: Any
    published: Any

    @property
    def part(self) -> Any:
        """What SES tells of this kind of event alone."""
        return at(self.event, _WHERE.get(self.kind, self.kind.lower()))


def parse_notification(event: dict[str, Any], published: Any) -> Sequence[SesNotification]:
    """An event for each of its recipients; one without a recipient where nobody knows whose it is."""
    kind = text(event.get("eventType"), 64) or text(event.get("notificationType"), 64) or ""
    kind = "Rendering Failure" if kind == "RenderingFailure" else kind
    one = SesNotification(kind, event, None, published)
    listed = at(one.part, _CONCERNED[kind]) if kind in _CONCERNED else at(event, "mail", "destination")
    recipients = listed[:MOST_RECIPIENTS] if isinstance(listed, list) and listed else [None]
    if kind in _OF_ONE_READER and len(recipients) > 1:
        recipients = [None]
    return [SesNotification(kind, event, recipient, published) for recipient in recipients]


def normalise_notification(told: Any) -> ProviderEvent | None:
    """One of them in the common form; None for one without a message, a kind or a time, and for mail that came in."""
    if not isinstance(told, SesNotification) or not told.kind or told.kind == "Received":
        return None
    when = instant(at(told.part, "timestamp")) or instant(told.published)
    mail, sent = at(told.event, "mail"), text(at(told.event, "mail", "messageId"), 256)
    recipient = address(told.recipient) or address(at(told.recipient, "emailAddress"))
    if when is None or not (recipient or sent):
        return None
    happened, fault, permanent = _judged(told.kind, told.part)
    url = text(at(told.part, "link"), LONGEST_URL)
    headers, tags = at(mail, "headers"), at(mail, "tags")
    return ProviderEvent(
        provider="ses",
        id=_id(told, sent, recipient, url),
        happened=happened,
        at=when,
        message_id=sent,
        sent_id=message_id(header(headers, "message-id")) or message_id(at(mail, "commonHeaders", "messageId")),
        arguments=arguments([*arguments_of_headers(headers), *_tags(tags)]),
        recipient=recipient,
        url=url,
        agent=text(at(told.part, "userAgent")) if told.kind in _OF_ONE_READER else None,
        machine=_MACHINE.get(str(at(told.part, "isBotEvent"))[:16]),
        permanent=permanent,
        fault=fault,
    )


def _id(told: SesNotification, sent: str | None, recipient: str | None, url: str | None) -> str:
    """By SES's own words alone: SNS's id and time are others where two topics hear of one event."""
    when, feedback = text(at(told.part, "timestamp")), text(at(told.part, "feedbackId"))
    return digest(sent, told.kind, recipient, when, feedback, url)


def _tags(told: Any) -> list[tuple[Any, Any]]:
    """SES tells a list of values for each tag; its own begin with "ses:"."""
    listed = told.items() if isinstance(told, dict) else ()
    return [(name, value[0]) for name, value in listed if isinstance(value, list) and value and name[:4] != "ses:"]


def _judged(kind: str, part: Any) -> tuple[EventKind, str | None, bool]:
    """What happened, why the message did not arrive, and whether the address is bad for good."""
    if kind == "Bounce":
        words = [word(at(part, "bounceType")), word(at(part, "bounceSubType"))]
        hard = words[0] == "permanent" and at(part, "bounceSubType") != _CONSENT
        return EventKind.BOUNCED, "_".join(filter(None, words)) or "bounced", hard
    if kind == "Complaint":
        if at(part, "complaintFeedbackType") == _NOT_SPAM:
            return EventKind.OTHER, None, False
        return EventKind.COMPLAINED, word(at(part, "complaintFeedbackType")) or "spam", True
    if kind == "Subscription":
        return _subscription(part), None, False
    happened = _HAPPENED.get(kind, EventKind.OTHER)
    faults = {
        "Reject": word(at(part, "reason")) or "rejected",
        "Rendering Failure": "rendering_failure",
        "DeliveryDelay": word(at(part, "delayType")),
    }
    return happened, faults.get(kind), False


def _subscription(part: Any) -> EventKind:
    """Leaving the list, or its last topic, is unsubscribing; coming back to the list is subscribing."""
    new, old = at(part, "newTopicPreferences"), at(part, "oldTopicPreferences")
    if at(new, "unsubscribeAll") is True:
        return EventKind.UNSUBSCRIBED
    if at(old, "unsubscribeAll") is True and at(new, "unsubscribeAll") is False:
        return EventKind.SUBSCRIBED
    topics = at(new, "topicSubscriptionStatus")
    left = isinstance(topics, list) and topics and all(at(one, "subscriptionStatus") == "OptOut" for one in topics)
    return EventKind.UNSUBSCRIBED if left else EventKind.OTHER
