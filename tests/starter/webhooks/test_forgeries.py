"""Calls that the providers did not make, or made long ago: all are refused, with the same messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connector.channels.twilio import sign_request
from starter.webhooks.mailgun import Mailgun
from starter.webhooks.postmark import Postmark
from starter.webhooks.protocol import BodyInvalid, SignatureInvalid, WebhookCall, WebhookError
from starter.webhooks.resend import Resend
from starter.webhooks.twilio import Twilio
from tests.support.webhook_senders import (
    AT,
    SENDERS,
    TOPIC,
    MailgunSender,
    PostmarkSender,
    ResendSender,
    SendGridSender,
    SesSender,
    TwilioSender,
    one_call,
    samples,
    with_headers,
    without,
)

PROOFS = {
    "sendgrid": ("x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"),
    "resend": ("svix-id", "svix-timestamp", "svix-signature"),
    "postmark": ("authorization", "x-webhook-token"),
    "twilio": ("x-twilio-signature",),
}
"""The headers that authenticate a call; SES and Mailgun sign in the body."""
STRANGERS = {
    "sendgrid": SendGridSender(),
    "ses": SesSender(),
    "mailgun": MailgunSender("another-key-of-another-account"),
    "postmark": PostmarkSender(password="another long password"),
    "resend": ResendSender("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    "twilio": TwilioSender("e" * 32),
}
OLDEST = {
    "sendgrid": timedelta(minutes=10),
    "ses": timedelta(days=1),
    "mailgun": timedelta(hours=12),
    "resend": timedelta(minutes=5),
}
"""Postmark and Twilio sign no time."""
NEWEST = {
    "sendgrid": timedelta(minutes=10),
    "ses": timedelta(minutes=15),
    "mailgun": timedelta(minutes=10),
    "resend": timedelta(minutes=5),
}
BY_NAME = {sender.name: sender for sender in SENDERS}
ALL = pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)


async def refused(sender: Any, call: WebhookCall) -> str:
    """Check that the call is refused with a WebhookError; return its message."""
    with pytest.raises(SignatureInvalid) as error:
        await sender.provider().verify(call)
    return str(error.value)


def in_body(call: WebhookCall, change: Callable[[dict[str, Any]], Any]) -> WebhookCall:
    told = json.loads(call.body)
    change(told)
    return replace(call, body=json.dumps(told).encode())


@ALL
async def test_what_the_provider_sent_is_taken(sender: Any) -> None:
    """A right call is verified, read, and understood."""
    call, provider = one_call(sender), sender.provider()
    await provider.verify(call)
    [told] = await provider.parse(call)
    assert provider.normalise(told) is not None


@ALL
async def test_another_key_proves_nothing(sender: Any) -> None:
    """Somebody with a key of their own, right in all else."""
    await refused(sender, one_call(STRANGERS[sender.name]))


@pytest.mark.parametrize(("name", "header"), [(name, header) for name, them in PROOFS.items() for header in them])
@pytest.mark.parametrize(
    "garbage", [None, "", "x", "====", "v1,", ",", "\0", "é", "\ud800", "9" * 5000, "Basic", "v1,v1"]
)
async def test_a_header_that_proves_nothing(name: str, header: str, garbage: str | None) -> None:
    """Each header of a proof: left out, empty, or garbage."""
    call = one_call(BY_NAME[name])
    forged = without(call, header) if garbage is None else with_headers(call, **{header: garbage})
    await refused(BY_NAME[name], forged)


@pytest.mark.parametrize("name", ["sendgrid", "resend", "twilio"])
async def test_a_truncated_signature(name: str) -> None:
    """Every beginning of a right signature is none."""
    call, header = one_call(BY_NAME[name]), PROOFS[name][0 if name != "resend" else 2]
    for length in range(0, len(call.headers[header]), 7):
        await refused(BY_NAME[name], with_headers(call, **{header: call.headers[header][:length]}))


@pytest.mark.parametrize("name", ["sendgrid", "resend", "twilio"])
async def test_a_body_changed_by_one_byte(name: str) -> None:
    """A bit flipped anywhere in the body is found."""
    call = one_call(BY_NAME[name])
    for place in range(0, len(call.body), 11):
        changed = bytearray(call.body)
        changed[place] ^= 1
        with pytest.raises(WebhookError):
            await BY_NAME[name].provider().verify(replace(call, body=bytes(changed)))


@pytest.mark.parametrize("name", ["sendgrid", "resend", "twilio"])
async def test_the_signature_of_another_body(name: str) -> None:
    """A signature that is right, for something else."""
    one, other = one_call(BY_NAME[name]), BY_NAME[name].call(next(iter(samples(name).values())))
    await refused(BY_NAME[name], replace(one, body=other.body))


@pytest.mark.parametrize("name", list(OLDEST))
async def test_a_replayed_call(name: str) -> None:
    """A signature holds as long as the provider may retry, and not a second longer; nor before its time."""
    sender = BY_NAME[name]
    call, second = one_call(sender), timedelta(seconds=1)
    for taken in (AT + OLDEST[name], AT - NEWEST[name] + second):
        await sender.provider().verify(replace(call, at=taken))
    for late in (AT + OLDEST[name] + second, AT + timedelta(days=900), AT - NEWEST[name] - second):
        assert "in the future" in (words := await refused(sender, replace(call, at=late))) or "older than" in words


@pytest.mark.parametrize(
    "forge",
    [
        lambda m: m.pop("Signature"),
        lambda m: m.update(Signature=""),
        lambda m: m.update(Signature="EXAMPLE=="),
        lambda m: m.update(Signature=17),
        lambda m: m.update(Signature=m["Signature"][:-8]),
        lambda m: m.update(Message=m["Message"].replace("recipient", "Recipient")),
        lambda m: m.update(MessageId="19ba9823-d7f2-53c1-860e-cb10e0d13dfd"),
        lambda m: m.update(Subject="Another"),
        lambda m: m.pop("Subject"),
        lambda m: m.update(Timestamp="2026-11-27T12:00:01.675Z"),
        lambda m: m.update(TopicArn=TOPIC + "2"),
        lambda m: m.update(TopicArn=None),
        lambda m: m.update(SignatureVersion="2"),
        lambda m: m.update(SignatureVersion="3"),
        lambda m: m.update(SignatureVersion=None),
        lambda m: m.update(SigningCertURL=None),
    ],
    ids=lambda forge: None,
)
async def test_a_message_of_sns_that_was_changed(forge: Callable[[dict[str, Any]], Any]) -> None:
    """Everything that is signed, and everything that describes the signature."""
    sender = BY_NAME["ses"]
    with pytest.raises((SignatureInvalid, BodyInvalid)):
        await sender.provider().verify(in_body(one_call(sender), forge))


@pytest.mark.parametrize(
    "forge",
    [
        lambda b: b.pop("signature"),
        lambda b: b.update(signature={}),
        lambda b: b.update(signature="x"),
        lambda b: b["signature"].update(signature=""),
        lambda b: b["signature"].update(signature=b["signature"]["signature"][:-1]),
        lambda b: b["signature"].update(signature=b["signature"]["signature"].upper()),
        lambda b: b["signature"].update(signature="é" * 64),
        lambda b: b["signature"].update(token="0" * 50),
        lambda b: b["signature"].update(token=""),
        lambda b: b["signature"].update(token=None),
        lambda b: b["signature"].update(token="0" * 5000),
        lambda b: b["signature"].update(timestamp=str(int(b["signature"]["timestamp"]) + 1)),
        lambda b: b["signature"].update(timestamp=None),
        lambda b: b["signature"].update(timestamp=1e300),
    ],
    ids=lambda forge: None,
)
async def test_a_signature_of_mailgun_that_was_changed(forge: Callable[[dict[str, Any]], Any]) -> None:
    """Whatever is signed, and the signature itself."""
    await refused(BY_NAME["mailgun"], in_body(one_call(BY_NAME["mailgun"]), forge))


@pytest.mark.parametrize("query", ["", "campaign=other&user=u-17", "campaign=welcome&user=u-17&delivery=d-1"])
async def test_another_query(query: str) -> None:
    """Twilio signs the query, in which our arguments are."""
    await refused(BY_NAME["twilio"], replace(one_call(BY_NAME["twilio"]), query=query))


async def test_a_body_hash_that_somebody_added() -> None:
    """A query with the body's hash is as signed as any other; and a signed one holds for its own body alone."""
    sender = TwilioSender()
    form = one_call(sender)
    await refused(sender, replace(form, query=f"{form.query}&bodySHA256={'0' * 64}"))
    click = sender.call(samples("twilio")["a click"])
    await sender.provider().verify(click)
    await refused(sender, replace(click, body=click.body.replace(b"mycompany", b"yourcompany")))
    at_their_host = with_headers(
        click, **{"x-twilio-signature": sign_request("https://evil.example/?" + click.query, [], "f" * 32)}
    )
    await refused(sender, at_their_host)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mailgun(""),
        lambda: Postmark("", "password"),
        lambda: Postmark("user", ""),
        lambda: Postmark("user", "password", token=""),
        lambda: Resend(""),
        lambda: Resend("whsec_"),
        lambda: Twilio("", "https://connector.example.com/webhooks/twilio"),
    ],
    ids=lambda make: None,
)
def test_an_empty_secret_is_none(make: Callable[[], Any]) -> None:
    """What is signed with nothing, everybody can sign."""
    with pytest.raises(ValueError, match=r"empty|base64"):
        make()


@ALL
async def test_words_quote_nothing(sender: Any) -> None:
    """No error message quotes the call: no address, no signature."""
    call = one_call(STRANGERS[sender.name])
    words = await refused(sender, call)
    assert not any(value and value in words for value in call.headers.values())
    assert "@" not in words
    assert "example" not in words
