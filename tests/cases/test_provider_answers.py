"""A provider's answer to a send has the same effect on the address and the consent as a later report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import aiosmtplib
import pytest

from connector.channels.email import _classify, _Stage
from connector.channels.http_client import ProviderResponse
from connector.channels.protocol import Rejected, TryLater
from connector.channels.twilio import _refusal
from connector.rules.model.addresses import AddressMeaning
from connector.rules.model.users import User
from connector.rules.provider_events.effects import interpret_event
from connector.rules.provider_events.events import EventKind, answer_event
from starter.webhooks.twilio import Twilio, TwilioEvent
from tests.support.builders import PUSHED, follow_on, push
from tests.support.installation import Installation
from tests.support.provider_event_harness import ProviderEventHarness, event

NOTHING, UNUSABLE, UNSUBSCRIBED = AddressMeaning.NOTHING, AddressMeaning.UNUSABLE, AddressMeaning.UNSUBSCRIBED
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SMTP: list[tuple[str, str, AddressMeaning, str]] = [
    # command, reply, what it says of the address, source
    ("rcpt", "550 5.1.1 <ada@shop.example> unknown", UNUSABLE, "RFC 3463, X.1.1 bad destination mailbox address"),
    ("rcpt", "550 5.1.1\nThe email account does not exist", UNUSABLE, "RFC 3463, X.1.1, of several lines"),
    ("rcpt", "550 5.1.2 Host unknown", UNUSABLE, "RFC 3463, X.1.2 bad destination system address"),
    ("rcpt", "553 5.1.3 Malformed address", UNUSABLE, "RFC 3463, X.1.3 bad destination mailbox address syntax"),
    ("rcpt", "550 5.1.4 Ambiguous", UNUSABLE, "RFC 3463, X.1.4 destination mailbox address ambiguous"),
    ("rcpt", "551 5.1.6 Moved", UNUSABLE, "RFC 3463, X.1.6 destination mailbox has moved, no forwarding address"),
    ("rcpt", "556 5.1.10 Null MX", UNUSABLE, "RFC 7505, section 4.1, X.1.10 recipient address has null MX"),
    ("rcpt", "550 5.1.0 Address rejected", UNUSABLE, "RFC 3463, X.1.0 other address status"),
    ("data", "550 5.1.1 No such user", UNUSABLE, "RFC 5321, section 4.2.5: the whole message's answer"),
    ("rcpt", "550 5.1.5 Valid", NOTHING, "RFC 3463, X.1.5 destination address valid"),
    ("rcpt", "550 5.1.7 Bad sender's mailbox syntax", NOTHING, "RFC 3463, X.1.7 concerns the sender"),
    ("rcpt", "550 5.1.8 Bad sender's system address", NOTHING, "RFC 3463, X.1.8 concerns the sender"),
    ("rcpt", "550 5.1.9 Relayed", NOTHING, "RFC 3886, X.1.9 message relayed to non-compliant mailer"),
    ("rcpt", "550 5.2.1 Mailbox disabled", NOTHING, "RFC 3463, X.2.1: permanent or not"),
    ("rcpt", "552 5.2.2 Mailbox full", NOTHING, "RFC 3463, X.2.2"),
    ("rcpt", "550 5.4.4 Unable to route", NOTHING, "RFC 3463, X.4.4"),
    ("rcpt", "550 5.7.1 Blocked by policy", NOTHING, "RFC 3463, X.7.1 delivery not authorized"),
    ("data", "550 5.7.1 Spam", NOTHING, "RFC 3463, X.7.1"),
    ("rcpt", "550 5.7.26 DMARC", NOTHING, "RFC 7372, X.7.26"),
    ("rcpt", "550 5.7.133 Sender not authenticated for group", NOTHING, "Microsoft, NDR codes: 5.7.133"),
    ("rcpt", "554 5.7.0 Policy: see 5.1.1", NOTHING, "RFC 2034: the code is at the beginning"),
    ("rcpt", "550 No such user here", NOTHING, "RFC 5321, section 4.2.3: 550 also refuses for policy"),
    ("rcpt", "550 4.1.1 Try again", NOTHING, "RFC 3463, class 4 is transient"),
    ("rcpt", "550 5.1.11 x", NOTHING, "not registered with IANA"),
    ("rcpt", "550 5.1.1.1 x", NOTHING, "RFC 3463: three numbers"),
    ("mail", "550 5.1.1 From unknown", NOTHING, "RFC 5321: a reply to MAIL is about the sender"),
    ("rcpt", "450 5.1.1 Greylisted", NOTHING, "RFC 5321, section 4.2.1: 4yz is transient"),
    ("rcpt", "451 4.1.1 Try again", NOTHING, "RFC 3463, class 4 is transient"),
    ("rcpt", "450 4.2.0 Greylisted", NOTHING, "RFC 6647"),
    ("data", "452 4.2.2 Full", NOTHING, "RFC 5321, section 4.2.1"),
]
TWILIO: list[tuple[int, AddressMeaning, str]] = [
    # code, what it says of the number, twilio.com/docs/api/errors
    (21211, UNUSABLE, "Invalid 'To' Phone Number"),
    (21214, UNUSABLE, "'To' phone number cannot be reached"),
    (21217, UNUSABLE, "Phone number does not appear to be valid"),
    (21265, UNUSABLE, "'To' number cannot be a Short Code"),
    (21614, UNUSABLE, "'To' number is not a valid mobile number"),
    (21635, UNUSABLE, "'To' number cannot be a landline"),
    (30005, UNUSABLE, "Unknown destination handset"),
    (30006, UNUSABLE, "Landline or unreachable carrier"),
    (21610, UNSUBSCRIBED, "Attempt to send to unsubscribed recipient"),
    (21408, NOTHING, "Permission to send an SMS has not been enabled for the region"),
    (21606, NOTHING, "The 'From' phone number is not a valid, SMS-capable inbound phone number"),
    (21611, NOTHING, "This 'From' number has exceeded the maximum number of queued messages"),
    (21612, NOTHING, "The combination of 'To' and 'From' has no route"),
    (21617, NOTHING, "The concatenated message body exceeds the 1600 character limit"),
    (30001, NOTHING, "Queue overflow"),
    (30002, NOTHING, "Account suspended"),
    (30003, NOTHING, "Unreachable destination handset: switched off, or without signal"),
    (30004, NOTHING, "Message blocked"),
    (30007, NOTHING, "Message filtered"),
    (30008, NOTHING, "Unknown error"),
    (30034, NOTHING, "Message from an unregistered number"),
    (20003, NOTHING, "Authenticate"),
]


@pytest.mark.parametrize(("command", "reply", "meaning", "source"), SMTP)
def test_a_reply_of_a_mail_server(command: str, reply: str, meaning: AddressMeaning, source: str) -> None:
    """Only 5.1.x of the recipient suppresses the address: never policy (5.7.x), never a transient reply."""
    code, text = int(reply[:3]), reply[4:]
    faults: dict[str, Any] = {
        "mail": lambda: aiosmtplib.SMTPSenderRefused(code, text, "news@shop.example"),
        "rcpt": lambda: aiosmtplib.SMTPRecipientRefused(code, text, "ada@shop.example"),
        "data": lambda: aiosmtplib.SMTPDataError(code, text),
    }
    fault = _classify(faults[command](), _Stage.DATA if command == "data" else _Stage.ENVELOPE)
    is_passing = code < 500 or command == "mail"  # the sender is a matter of the settings (W6)
    assert isinstance(fault, TryLater if is_passing else Rejected), source
    assert getattr(fault, "meaning", NOTHING) is meaning, source


@pytest.mark.parametrize(("code", "meaning", "title"), TWILIO)
def test_a_code_of_twilio_as_an_answer_and_as_a_report(code: int, meaning: AddressMeaning, title: str) -> None:
    """The same code has the same effect, whether Twilio answers it to the send or reports it afterwards."""
    answered = _refusal(ProviderResponse(400, {"code": code, "message": title}))
    assert getattr(answered, "meaning", NOTHING) is meaning
    form = {"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": str(code), "To": "+4915112345678"}
    reported = Twilio("token", "https://t.example/webhooks/twilio").normalise(TwilioEvent(form, {}, NOW))
    assert reported is not None
    of_answer = interpret_event(answer_event("sms", "+4915112345678", meaning, NOW))
    assert interpret_event(reported) == of_answer


@pytest.mark.parametrize("code", [None, True, "21610", 21610.0, -1, 10**9, {}])
def test_an_answer_without_a_code_says_nothing(code: Any) -> None:
    """Twilio's codes are whole numbers; anything else is no code."""
    assert getattr(_refusal(ProviderResponse(400, {"code": code})), "meaning", NOTHING) is NOTHING


def test_a_queued_status_with_a_code_says_nothing() -> None:
    """An error code counts only with a status by which the text did not arrive."""
    form = {"MessageSid": "SM1", "MessageStatus": "delivered", "ErrorCode": "21610", "To": "+4915112345678"}
    reported = Twilio("token", "https://t.example/webhooks/twilio").normalise(TwilioEvent(form, {}, NOW))
    assert reported is not None
    assert (reported.permanent, reported.withdrawn) == (False, False)


ALL_CHANNELS = follow_on(
    "f", PUSHED, messages={"email": {"subject": "Hi", "text": "there"}}, delay={"after": "30 minutes"},
    eligible_again="always",
)  # fmt: skip


@pytest.mark.parametrize(
    ("meaning", "unreachable", "state"),
    [(UNUSABLE, {"email"}, None), (UNSUBSCRIBED, set(), "unsubscribed"), (NOTHING, set(), None)],
)
async def test_an_answer_is_applied_with_the_result(
    installation: Installation, meaning: AddressMeaning, unreachable: set[str], state: str | None
) -> None:
    """The address is suppressed for every user who has it; the provider withdraws the consent, with the time."""
    harness = ProviderEventHarness(installation)
    await installation.publish({"campaign": "o", "delivery": {"type": "external"}}, ALL_CHANNELS)
    await harness.save_users(User(id="u", email="ada@bücher.example"), User(id="v", email="ADA@BÜCHER.example"))
    await harness.send_mail(Rejected("recipient_refused", meaning=meaning))
    user, other = await harness.find_user("u"), await harness.find_user("v")
    assert (set(user.unreachable), set(other.unreachable)) == (unreachable, unreachable)
    statement = user.statements.get("email")
    assert (statement and statement.state) == state
    if statement is not None:
        assert (statement.source.value, statement.is_explicit, user.user.consent) == (
            "provider", True, {"email": "unsubscribed"},
        )  # fmt: skip
    await installation.ingest(push("e2", 40))
    outcome = await harness.sending.send(minutes=70, channel="email")
    expected = "unreachable" if unreachable else "no_consent" if state else "send_failed"
    assert outcome.reason == expected, outcome


async def test_a_later_report_says_the_same(installation: Installation) -> None:
    """A report of a withdrawn consent has the effect of the answer."""
    harness = ProviderEventHarness(installation)
    await harness.save_users(User(id="u", phone="+49 151 12345678"))
    failed = event(EventKind.FAILED, provider="twilio", channel="sms", recipient="+4915112345678", withdrawn=True)
    assert await harness.ingest(failed) == {"heeded": 1}
    assert (await harness.find_user()).user.consent == {"sms": "unsubscribed"}
