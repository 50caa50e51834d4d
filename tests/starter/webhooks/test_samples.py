"""The providers' published samples in the common form: each with what happened, to whom, and what it names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.rules.provider_events.events import ProviderEvent
from tests.support.webhook_senders import AT, SENDERS, SesSender, TwilioSender, samples

BY_NAME = {sender.name: sender for sender in SENDERS}


async def told(provider: str, body: Any) -> list[ProviderEvent | None]:
    """What comes of one event, sent as the provider sends it."""
    sender = BY_NAME[provider]
    call, reads = sender.call(body), sender.provider()
    await reads.verify(call)
    return [reads.normalise(one) for one in await reads.parse(call)]


async def one(provider: str, name: str, **changed: Any) -> ProviderEvent:
    [event] = await told(provider, {**samples(provider)[name], **changed})
    assert event is not None
    return event


# provider, sample, what happened, permanent, fault, recipient
HAPPENED = [
    ("sendgrid", "processed", "queued", False, None, "example@test.com"),
    ("sendgrid", "deferred", "deferred", False, None, "example@test.com"),
    ("sendgrid", "delivered", "delivered", False, None, "example@test.com"),
    ("sendgrid", "open", "opened", False, None, "example@test.com"),
    ("sendgrid", "open by a machine", "opened", False, None, "example@test.com"),
    ("sendgrid", "click", "clicked", False, None, "example@test.com"),
    ("sendgrid", "bounce", "bounced", True, "bounced", "example@test.com"),
    ("sendgrid", "bounce, no such account", "bounced", True, "bounced", "noreply@example.com"),
    ("sendgrid", "block, over quota", "bounced", False, "mailbox_full", "invalid@example.com"),
    ("sendgrid", "dropped", "rejected", True, "bounced", "example@test.com"),
    ("sendgrid", "dropped, invalid", "rejected", True, "invalid", "invalid@invalid"),
    ("sendgrid", "dropped, unsubscribed", "rejected", False, "unsubscribed", "unsubscribe@example.com"),
    ("sendgrid", "spamreport", "complained", True, "spam", "example@test.com"),
    ("sendgrid", "unsubscribe", "unsubscribed", False, None, "example@test.com"),
    ("sendgrid", "group_unsubscribe", "unsubscribed", False, None, "example@test.com"),
    ("sendgrid", "group_resubscribe", "subscribed", False, None, "example@test.com"),
    ("ses", "Bounce", "bounced", True, "permanent_general", "recipient@example.com"),
    ("ses", "Bounce notification with a DSN", "bounced", True, "permanent_general", "jane@example.com"),
    ("ses", "Bounce notification, a full mailbox", "bounced", False, "transient_mailbox_full", "jane@example.com"),
    ("ses", "Complaint", "complained", True, "abuse", "recipient@example.com"),
    ("ses", "Complaint notification", "complained", True, "abuse", "richard@example.com"),
    ("ses", "Delivery", "delivered", False, None, "recipient@example.com"),
    ("ses", "Delivery notification", "delivered", False, None, "jane@example.com"),
    ("ses", "Send", "sent", False, None, "recipient@example.com"),
    ("ses", "Reject", "rejected", False, "bad_content", "recipient@example.com"),
    ("ses", "Open", "opened", False, None, "recipient@example.com"),
    ("ses", "Click", "clicked", False, None, "recipient@example.com"),
    ("ses", "Rendering Failure", "failed", False, "rendering_failure", "recipient@example.com"),
    ("ses", "DeliveryDelay", "deferred", False, "transient_communication_failure", "recipient@example.com"),
    ("ses", "Subscription", "unsubscribed", False, None, "recipient@example.com"),
    ("mailgun", "delivered", "delivered", False, None, "recipient@example.com"),
    ("mailgun", "failed, permanent", "bounced", True, "bounce", "invalid@example.com"),
    ("mailgun", "failed, suppressed", "bounced", True, "suppress_bounce", "alice@example.com"),
    ("mailgun", "failed, over quota", "bounced", False, "mailbox_full", "alice@example.com"),
    ("mailgun", "failed, temporary", "deferred", False, "generic", "undeliverable@nomx.example.com"),
    ("mailgun", "rejected", "rejected", False, "rejected", "recipient@example.org"),
    ("mailgun", "complained", "complained", True, "spam", "recipient@example.com"),
    ("mailgun", "unsubscribed", "unsubscribed", False, None, "recipient@example.com"),
    ("mailgun", "opened", "opened", False, None, "recipient@example.com"),
    ("mailgun", "clicked", "clicked", False, None, "recipient@example.com"),
    ("postmark", "Bounce, hard", "bounced", True, "hard_bounce", "bounce@example.com"),
    ("postmark", "Bounce, soft", "bounced", False, "soft_bounce", "bounce@example.com"),
    ("postmark", "Bounce, bad address", "rejected", True, "bad_email_address", "bounce@example.com"),
    ("postmark", "Bounce, out of office", "other", False, "auto_responder", "bounce@example.com"),
    ("postmark", "Bounce, spam notification", "bounced", False, "spam_notification", "bounce@example.com"),
    ("postmark", "Bounce, transient", "deferred", False, "transient", "bounce@example.com"),
    ("postmark", "Delivery", "delivered", False, None, "recipient@example.com"),
    ("postmark", "Open", "opened", False, None, "recipient@example.com"),
    ("postmark", "Click", "clicked", False, None, "recipient@example.com"),
    ("postmark", "SpamComplaint", "complained", True, "spam_complaint", "spam@example.com"),
    ("postmark", "SubscriptionChange, unsubscribed", "unsubscribed", False, "manual_suppression", "john@example.com"),
    ("postmark", "SubscriptionChange, subscribed", "subscribed", False, None, "john@example.com"),
    ("postmark", "SubscriptionChange, bounced", "bounced", True, "hard_bounce", "john@example.com"),
    ("postmark", "SubscriptionChange, complained", "complained", True, "spam_complaint", "john@example.com"),
    ("resend", "sent", "sent", False, None, None),
    ("resend", "delivered", "delivered", False, None, "to@example.org"),
    ("resend", "bounced, before bounces had a type", "bounced", True, "bounced", "bounced@resend.dev"),
    ("resend", "bounced", "bounced", True, "permanent_suppressed", "delivered@resend.dev"),
    ("resend", "bounced for now", "bounced", False, "transient_mailbox_full", "to@example.org"),
    ("resend", "suppressed", "rejected", True, "suppressed", "to@example.org"),
    ("resend", "delayed", "deferred", False, None, "delivered@resend.dev"),
    ("resend", "complained", "complained", True, "spam", "complained@resend.dev"),
    ("resend", "opened", "opened", False, None, "to@example.org"),
    ("resend", "clicked", "clicked", False, None, "to@example.org"),
    ("resend", "failed", "failed", False, "reached_daily_quota", "to@example.org"),
    ("resend", "contact unsubscribed", "unsubscribed", False, None, "steve.wozniak@gmail.com"),
    ("twilio", "sent", "sent", False, None, "+15558675310"),
    ("twilio", "delivered", "delivered", False, None, "+15558675310"),
    ("twilio", "undelivered", "bounced", True, "30005", "+15558675310"),
    ("twilio", "undelivered for now", "bounced", False, "30003", "+15558675310"),
    ("twilio", "failed", "failed", False, "30007", "+15558675310"),
    ("twilio", "a stop", "unsubscribed", False, None, "+15558675310"),
    ("twilio", "a stop in one's own words", "unsubscribed", False, None, "+15558675310"),
    ("twilio", "a start", "subscribed", False, None, "+15558675310"),
    ("twilio", "a click", "clicked", False, None, "+11234567890"),
]
NOTHING = [
    ("sendgrid", "account status change"),
    ("resend", "contact changed"),
    ("resend", "domain"),
    ("twilio", "a help"),
    ("twilio", "a chat"),
    ("twilio", "a stop by WhatsApp"),
    ("twilio", "a shortened link"),
]


@pytest.mark.parametrize(("provider", "name", "happened", "permanent", "fault", "recipient"), HAPPENED)
async def test_what_happened(
    provider: str, name: str, happened: str, permanent: bool, fault: str | None, recipient: str | None
) -> None:
    """One row a sample: the kind, whether the address is bad for good, why, and whose it is."""
    event = await one(provider, name)
    assert (event.happened, event.permanent, event.fault, event.recipient) == (happened, permanent, fault, recipient)
    assert event.provider == provider
    assert event.channel == ("sms" if provider == "twilio" else "email")


@pytest.mark.parametrize(("provider", "name"), NOTHING)
async def test_what_tells_of_no_message(provider: str, name: str) -> None:
    """Accounts, domains, contacts, chats."""
    assert await told(provider, samples(provider)[name]) == [None]


def test_every_sample_is_judged() -> None:
    """No sample is left out of these tables, but those that the tests below take apart."""
    apart = {
        ("sendgrid", "processed with custom arguments"),
        ("sendgrid", "open with anymail's id"),
        ("sendgrid", "click with anymail's id"),
        ("ses", "Open, likely by a machine"),
        ("ses", "Bounce notification of two recipients"),
        ("mailgun", "opened by a bot"),
        ("mailgun", "opened by nobody's bot"),
        ("resend", "suppressed, before it was an event"),
    }
    tabled = {row[:2] for row in HAPPENED} | set(NOTHING) | apart
    assert tabled == {(sender.name, name) for sender in SENDERS for name in samples(sender.name)}


SES_ID = "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000"
NOTIFIED_ID = "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000"
MAILGUN_ID = "20180812211713.1.DF5966851B4BAA99@example.org"
# provider, sample, the provider's id for the message, the Message-ID header, when
IDENTITIES = [
    ("sendgrid", "click", "14c5d75ce93.dfd.64b469", "14c5d75ce93.dfd.64b469@ismtpd-555", "2017-12-15T00:59:29"),
    ("ses", "Click", SES_ID, SES_ID, "2017-08-09T23:51:25.570"),
    ("ses", "Delivery notification", NOTIFIED_ID, "custom-message-ID", "2016-01-27T14:59:38.237"),
    ("mailgun", "delivered", f"<{MAILGUN_ID}>", MAILGUN_ID, "2018-08-12T21:17:17.153125"),
    ("postmark", "Click", "f4830d10-9c35-4f0c-bca3-3d9b459821f8", None, "2017-10-25T15:21:11.906561"),
    ("postmark", "SubscriptionChange, complained", None, None, "2022-06-05T17:17:32"),
    ("resend", "clicked", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", None, "2023-09-28T17:21:35.257"),
    ("twilio", "a click", "SM0000000000000000000000000000001", None, "2025-01-01T00:10:00"),
]


@pytest.mark.parametrize(("provider", "name", "message_id", "sent_id", "at"), IDENTITIES)
async def test_which_message_and_when(
    provider: str, name: str, message_id: str | None, sent_id: str | None, at: str
) -> None:
    """The id as the provider's API returned it, the header as the sender wrote it, the time in UTC."""
    event = await one(provider, name)
    assert (event.message_id, event.sent_id) == (message_id, sent_id)
    assert event.at == datetime.fromisoformat(at).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("provider", "name", "url", "agent"),
    [
        ("sendgrid", "click", "http://www.sendgrid.com/", "Mozilla/4.0 (compatible; MSIE 6.1; Windows XP; "),
        ("ses", "Click", "http://docs.aws.amazon.com/ses/latest/DeveloperGuide/send-email-smtp.html", "Mozilla/5.0 (W"),
        ("ses", "Complaint", None, None),
        ("mailgun", "opened", None, "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_6)..."),
        ("mailgun", "clicked", "https://example.com/test", None),
        ("postmark", "Click", "https://example.com/click/me", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_7_5) etc."),
        ("resend", "clicked", "https://example.com/test", "Mozilla/5.0 ..."),
        ("twilio", "a click", "https://mycompany.com/my-very-long-endpoint?withSomeQuery=values", "Mozilla/5.0 (X11; "),
    ],
)
async def test_what_was_clicked_with_what(provider: str, name: str, url: str | None, agent: str | None) -> None:
    """The link as it was before it was rewritten, and the reader's program."""
    event = await one(provider, name)
    assert event.url == url
    assert (event.agent or "").startswith(agent or "")
    assert (event.agent is None) is (agent is None)


@pytest.mark.parametrize(
    ("provider", "name", "machine"),
    [
        ("sendgrid", "open", None),
        ("sendgrid", "open by a machine", True),
        ("ses", "Open", None),
        ("ses", "Open, likely by a machine", True),
        ("mailgun", "opened", None),
        ("mailgun", "opened by a bot", True),
        ("mailgun", "opened by nobody's bot", False),
        ("postmark", "Open", None),
        ("resend", "opened", None),
    ],
)
async def test_what_the_provider_says_of_machines(provider: str, name: str, machine: bool | None) -> None:
    """SendGrid's sg_machine_open, SES's isBotEvent, Mailgun's bot; the others say nothing of it."""
    assert (await one(provider, name)).machine is machine


LEAD = {"campaign": "welcome", "user": "u-17"}
TAGS = [{"name": name, "value": value} for name, value in LEAD.items()]
HEADERS = [{"name": f"X-Connector-{name.title()}", "value": value} for name, value in LEAD.items()]
LOUD = [{"name": one["name"].upper(), "value": one["value"]} for one in HEADERS]
ARGUMENTS = [
    ("sendgrid", "click", LEAD),
    ("sendgrid", "click", {"category": ["news", "campaign:welcome", "user:u-17"]}),
    ("ses", "Open", {"mail": {"messageId": "m", "tags": {name: [value] for name, value in LEAD.items()}}}),
    ("ses", "Open", {"mail": {"messageId": "m", "headers": HEADERS}}),
    ("mailgun", "opened", {"user-variables": LEAD, "tags": []}),
    ("mailgun", "opened", {"user-variables": {}, "tags": ["campaign:welcome", "user:u-17"]}),
    ("postmark", "Open", {"Metadata": LEAD}),
    ("postmark", "Open", {"Metadata": {"user": "u-17"}, "Tag": "campaign:welcome"}),
    ("resend", "opened", {"data": {"email_id": "m", "tags": LEAD}}),
    ("resend", "opened", {"data": {"email_id": "m", "tags": TAGS}}),
    ("resend", "opened", {"data": {"email_id": "m", "headers": LOUD}}),
    ("twilio", "delivered", {}),
    ("twilio", "a click", {}),
]


@pytest.mark.parametrize(("provider", "name", "changed"), ARGUMENTS)
async def test_what_leads_back(provider: str, name: str, changed: dict[str, Any]) -> None:
    """The campaign's and the user's ids, each in the way that the provider has for them."""
    event = await one(provider, name, **changed)
    assert dict(event.arguments) == LEAD


async def test_all_custom_arguments_are_kept() -> None:
    """Others too, and tags as they are; the provider's own fields are none of them."""
    event = await one("sendgrid", "processed with custom arguments")
    assert dict(event.arguments) == {
        "anymail_id": "3c2f4df8-c6dd-4cd2-9b91-6582b81a0349",
        "custom1": "value1",
        "custom2": "value2",
    }
    assert event.tags == ("tag1", "tag2")
    assert dict((await one("ses", "Click")).arguments) == {
        "myCustomTag1": "myCustomTagValue1",
        "myCustomTag2": "myCustomTagValue2",
    }
    assert (await one("postmark", "Delivery")).tags == ("welcome-email",)
    assert dict((await one("resend", "sent")).arguments) == {"tag1": "Tag_1_value", "tag2": "Tag_2_value"}


async def test_what_leads_back_is_kept_before_all_else() -> None:
    """A message with a thousand variables does not lose its campaign."""
    event = await one("mailgun", "opened", **{"user-variables": {f"v{n}": n for n in range(1000)} | LEAD, "tags": []})
    assert len(event.arguments) == 50
    assert list(event.arguments)[:2] == ["campaign", "user"]


async def test_an_event_for_each_recipient() -> None:
    """SES reports several at once: each has an id of its own, and only those concerned have one."""
    events = await told("ses", samples("ses")["Bounce notification of two recipients"])
    assert [event.recipient for event in events if event] == ["jane@example.com", "richard@example.com"]
    assert len({event.id for event in events if event}) == 2


@pytest.mark.parametrize("name", ["Open", "Click"])
async def test_nobody_knows_who_of_several_it_was(name: str) -> None:
    """SES does not report which of a message's readers opened it: one event, without a recipient."""
    mail = {"messageId": "m", "destination": ["jane@example.com", "mary@example.com"]}
    [event] = await told("ses", {**samples("ses")[name], "mail": mail})
    assert event is not None
    assert event.recipient is None


@pytest.mark.parametrize(
    ("provider", "body", "recipient"),
    [
        ("sendgrid", {"event": "open", "timestamp": 1, "email": "  a@example.com "}, "a@example.com"),
        ("sendgrid", {"event": "open", "timestamp": 1, "email": "Ann B <A@Example.com>"}, "A@Example.com"),
        ("sendgrid", {"event": "open", "timestamp": 1, "email": '"B, Ann" <a@example.com>'}, "a@example.com"),
        ("sendgrid", {"event": "open", "timestamp": 1, "email": "not an address", "sg_message_id": "m"}, None),
        ("sendgrid", {"event": "open", "timestamp": 1, "email": "a@b, c@d", "sg_message_id": "m"}, None),
    ],
)
async def test_addresses_are_bare(provider: str, body: dict[str, Any], recipient: str | None) -> None:
    """Trimmed, without a display name, their case kept; anything else is left out."""
    [event] = await told(provider, body)
    assert event is not None
    assert event.recipient == recipient


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
async def test_an_event_told_again_has_its_id_again(sender: Any) -> None:
    """A retry is another call with the same events; no two samples share an id, and none shows whose it is."""
    told: dict[str, set[str]] = {}
    for name, body in samples(sender.name).items():
        for at in (AT, AT + timedelta(hours=1)):
            signs = type(sender)(id=f"msg_{name}") if sender.name == "resend" else sender
            reads = signs.provider()
            for event in filter(None, map(reads.normalise, await reads.parse(signs.call(body, at)))):
                told.setdefault(f"{name} {event.recipient}", set()).add(event.id)
    assert all(len(ids) == 1 for ids in told.values())
    assert len(set.union(*told.values())) == len(told)
    assert not any("example" in id or "+1" in id for id in set.union(*told.values()))


def topics(**statuses: str) -> list[dict[str, str]]:
    return [{"topicName": name, "subscriptionStatus": status} for name, status in statuses.items()]


@pytest.mark.parametrize(
    ("new", "old", "happened"),
    [
        ({"unsubscribeAll": False}, {"unsubscribeAll": True}, "subscribed"),
        ({"unsubscribeAll": False, "topicSubscriptionStatus": topics(a="OptOut")}, {}, "unsubscribed"),
        ({"unsubscribeAll": False, "topicSubscriptionStatus": topics(a="OptOut", b="OptIn")}, {}, "other"),
        ({}, {}, "other"),
    ],
)
async def test_subscriptions_of_ses(new: dict[str, Any], old: dict[str, Any], happened: str) -> None:
    """The whole list, its last topic, or one of several."""
    told = {"timestamp": "2022-01-12T01:00:17.910Z", "newTopicPreferences": new, "oldTopicPreferences": old}
    assert (await one("ses", "Subscription", subscription=told)).happened == happened


async def test_a_complaint_that_is_none() -> None:
    """SES passes on that a reader took a message out of the spam folder."""
    complaint = {"complainedRecipients": [{"emailAddress": "a@example.com"}], "complaintFeedbackType": "not-spam"}
    event = await one("ses", "Complaint", complaint=complaint)
    assert (event.happened, event.permanent) == ("other", False)


async def test_what_is_no_event_of_a_message() -> None:
    """SES's greeting, mail that came in, and a subscription of its own."""
    sender = SesSender()
    provider = sender.provider()
    assert await provider.parse(sender.call("Successfully validated SNS topic for Amazon SES event publishing.")) == []
    for event in (
        {"notificationType": "Received", "mail": {"messageId": "m"}},
        {"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have successfully subscribed"},
    ):
        assert [provider.normalise(told) for told in await provider.parse(sender.call(event))] == [None]


@pytest.mark.parametrize("word", ["STOP", "stopall", "Unsubscribe", "cancel", "END", "quit", "START", "yes", "unstop"])
async def test_twilios_keywords(word: str) -> None:
    """Alone in the message; our query names the campaign and user, if the number's webhook has one."""
    event = await one("twilio", "a stop", Body=word)
    assert event.happened == ("subscribed" if word.upper() in ("START", "YES", "UNSTOP") else "unsubscribed")
    assert event.message_id is None


@pytest.mark.parametrize("shape", ["a list", "one event", "flat"])
async def test_clicks_of_twilio_in_each_shape(shape: str) -> None:
    """Event Streams send lists; a link-shortening domain's own callback one event, with its fields at the top."""
    sender = TwilioSender()
    event = samples("twilio")["a click"]
    if shape == "flat":
        event = {"event_type": "click", "sms_sid": event["data"]["message_sid"], **event["data"]}
        del event["message_sid"]
    [told] = await sender.provider().parse(sender.call(event))
    made = sender.provider().normalise(told)
    assert made is not None
    assert (made.happened, made.message_id) == ("clicked", "SM0000000000000000000000000000001")


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
async def test_a_kind_that_nobody_knows_yet(sender: Any) -> None:
    """Providers add kinds: they are "other", with all that is known of them."""
    bodies = {
        "sendgrid": {**samples("sendgrid")["click"], "event": "teleported"},
        "ses": {**samples("ses")["Open"], "eventType": "Teleported"},
        "mailgun": {**samples("mailgun")["opened"], "event": "teleported"},
        "postmark": {**samples("postmark")["Open"], "RecordType": "Teleported"},
        "resend": {**samples("resend")["opened"], "type": "email.teleported"},
        "twilio": {**samples("twilio")["sent"], "MessageStatus": "teleported"},
    }
    [event] = await told(sender.name, bodies[sender.name])
    assert event is not None
    assert event.happened == "other"
    assert event.message_id is not None
