"""Side by side with django-anymail's normaliser, on the same published payloads.

Anymail knows kinds, ids, recipients, links, agents and times of five of our six providers; it knows nothing of Twilio,
of whether an address is bad for good, or of machines. Where we differ on purpose, `DIFFERENT` says why.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from connector.rules.provider_events.events import ProviderEvent
from starter.webhooks.ses import parse_notification
from tests.support.webhook_senders import AT, SENDERS, samples

anymail = pytest.importorskip("anymail")

REASONS = {
    "bounced": {
        "bounced",
        "bounce",
        "suppress_bounce",
        "permanent_general",
        "transient_mailbox_full",
        "hard_bounce",
        "soft_bounce",
    },
    "spam": {"spam", "abuse", "spam_complaint"},
    "invalid": {"invalid", "bad_email_address"},
    "unsubscribed": {"unsubscribed", "manual_suppression"},
    "blocked": {"blocked", "bad_content", "permanent_suppressed"},
    "other": {"generic", "rejected", "dropped"},
    None: {None},
}
"""Anymail's classes of reasons, and our codes in each."""

DIFFERENT: dict[tuple[str, str], dict[str, str]] = {
    ("sendgrid", "bounce"): {"reason": "anymail gives no reason for bounces"},
    ("sendgrid", "bounce, no such account"): {"reason": "anymail gives no reason for bounces"},
    ("sendgrid", "block, over quota"): {"reason": "anymail gives no reason for bounces"},
    ("sendgrid", "spamreport"): {"reason": "anymail gives no reason for complaints"},
    ("ses", "Complaint"): {"agent": "the program of the mailbox provider is not the reader's"},
    ("ses", "Complaint notification"): {"agent": "the same"},
    ("ses", "DeliveryDelay"): {"happened": "anymail does not know delays", "reason": "nor why"},
    ("ses", "Subscription"): {"happened": "anymail does not know subscriptions"},
    ("ses", "Rendering Failure"): {"reason": "anymail gives no reason for these"},
    ("mailgun", "failed, over quota"): {"reason": "a full mailbox is not a bad address: anymail has one word for both"},
    ("mailgun", "complained"): {"reason": "anymail gives no reason for complaints"},
    ("postmark", "Bounce, out of office"): {"reason": "we keep Postmark's word"},
    ("postmark", "SubscriptionChange, complained"): {"message": "zeros stand for no message"},
    ("postmark", "Bounce, spam notification"): {
        "happened": "a filter refused the content, the reader did not complain: a bounce, and the address stays good",
        "reason": "so it is no complaint's",
    },
    ("postmark", "Bounce, transient"): {"reason": "we keep Postmark's word"},
    ("resend", "sent"): {"recipient": "of several nobody knows whose event it is; anymail takes the first"},
    ("resend", "bounced"): {"reason": "we have Resend's type; anymail reads its sentences, and finds none of its own"},
    ("resend", "bounced for now"): {"reason": "the same"},
    ("resend", "suppressed, before it was an event"): {"reason": "no type is told, and we read no sentences"},
    ("resend", "suppressed"): {"happened": "anymail does not know it", "reason": "nor why"},
    ("resend", "failed"): {"happened": "anymail does not know it", "reason": "nor why"},
    ("resend", "complained"): {"reason": "anymail gives no reason for complaints"},
}
LEFT_OUT = {
    ("sendgrid", "account status change"): "of no message",
    ("resend", "contact unsubscribed"): "of no message, but of consent; anymail fails on it",
    ("resend", "contact changed"): "of no message",
    ("resend", "domain"): "of no message",
}


@dataclass(frozen=True)
class Seen:
    """What both know of an event."""

    happened: str
    message: str | None
    recipient: str | None
    url: str | None
    agent: str | None
    at: Any
    reason: str | None


@pytest.fixture(scope="module", autouse=True)
def _django() -> Iterator[None]:
    """Anymail's views ask Django for their settings; no application is needed."""
    from django.conf import settings

    if not settings.configured:
        settings.configure(ANYMAIL={"MAILGUN_WEBHOOK_SIGNING_KEY": "key", "WEBHOOK_SECRET": "a:b"}, USE_TZ=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def theirs(provider: str, body: Any) -> list[Any]:
    """The event as anymail's own webhook view reads it."""
    if provider == "sendgrid":
        from anymail.webhooks.sendgrid import SendGridTrackingWebhookView

        return [SendGridTrackingWebhookView().esp_to_anymail_event(body)]
    if provider == "ses":
        from anymail.webhooks.amazon_ses import AmazonSESTrackingWebhookView

        published = {"MessageId": "19ba9823-d7f2-53c1-860e-cb10e0d13dfc", "Timestamp": AT.isoformat()}
        return AmazonSESTrackingWebhookView().esp_to_anymail_events(body, published)
    if provider == "mailgun":
        from anymail.webhooks.mailgun import MailgunTrackingWebhookView

        return [MailgunTrackingWebhookView().esp_to_anymail_event({"event-data": body, "signature": {}})]
    if provider == "postmark":
        from anymail.webhooks.postmark import PostmarkTrackingWebhookView

        return [PostmarkTrackingWebhookView().esp_to_anymail_event(body)]
    from anymail.webhooks.resend import ResendTrackingWebhookView

    request = SimpleNamespace(headers={"svix-id": "msg_1"}, body=json.dumps(body).encode())
    return ResendTrackingWebhookView().parse_events(request)


async def ours(provider: str, body: Any) -> list[ProviderEvent]:
    [sender] = [sender for sender in SENDERS if sender.name == provider]
    reads = sender.provider()
    told = await reads.parse(sender.call(body)) if provider != "ses" else parse_notification(body, AT.isoformat())
    events = [reads.normalise(one) for one in told]
    assert all(events)
    return [event for event in events if event is not None]


def their_view(event: Any) -> Seen:
    # We have no word for a machine's answer.
    happened = "other" if event.event_type in ("unknown", "autoresponded") else event.event_type
    return Seen(
        happened=happened,
        message=event.message_id,
        recipient=event.recipient,
        url=event.click_url,
        agent=event.user_agent,
        at=event.timestamp,
        reason=event.reject_reason,
    )


def our_view(provider: str, event: ProviderEvent) -> Seen:
    sent_by_anymail = event.arguments.get("anymail_id") or (f"<{event.sent_id}>" if event.sent_id else None)
    [reason] = [name for name, codes in REASONS.items() if event.fault in codes] or ["other"]
    return Seen(
        happened=str(event.happened),
        message=sent_by_anymail if provider == "sendgrid" else event.message_id,
        recipient=event.recipient,
        url=event.url,
        agent=event.agent,
        at=event.at,
        reason=reason,
    )


FIELDS = tuple(Seen.__annotations__)
ROWS = [
    (sender.name, name)
    for sender in SENDERS
    if sender.name != "twilio"
    for name in samples(sender.name)
    if (sender.name, name) not in LEFT_OUT
]


@pytest.mark.parametrize(("provider", "name"), ROWS)
async def test_both_see_the_same(provider: str, name: str) -> None:
    """Kind, message, recipient, link, agent, time and the class of the reason; but for what is meant to differ.

    Anymail dates SES's events when SNS published them, we when they happened, where SES tells it.
    """
    body = samples(provider)[name]
    seen = [their_view(event) for event in theirs(provider, body)]
    made = [our_view(provider, event) for event in await ours(provider, body)]
    assert len(seen) == len(made)
    pairs = [(getattr(one, f), getattr(other, f), f) for one, other in zip(seen, made, strict=True) for f in FIELDS]
    different = {field for one, other, field in pairs if one != other}
    own_time = {"at"} if provider == "ses" and "timestamp" in str({**body, "mail": None}) else set()
    assert different == DIFFERENT.get((provider, name), {}).keys() | own_time, (seen, made)


def test_every_difference_is_of_a_sample() -> None:
    """No line of the table is left over; that each is one is asserted above, for both sides must be equal."""
    assert DIFFERENT.keys() <= set(ROWS)
