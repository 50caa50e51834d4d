"""Signatures that the providers and their libraries publish, each checked at its own time."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from connector.settings.signing import read_public_key
from starter.webhooks.mailgun import Mailgun
from starter.webhooks.protocol import SignatureInvalid, WebhookCall
from starter.webhooks.resend import Resend
from starter.webhooks.sendgrid import SIGNATURE, TIMESTAMP, SendGrid
from starter.webhooks.twilio import Twilio

# sendgrid/sendgrid-python, test/unit/test_eventwebhook.py; the same in every one of SendGrid's libraries.
SENDGRID_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+"
    "2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
SENDGRID_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)
SENDGRID = WebhookCall(
    "",
    {
        SIGNATURE: "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
        TIMESTAMP: "1600112502",
    },
    SENDGRID_BODY,
    datetime.fromtimestamp(1600112502, UTC),
)


async def test_sendgrid() -> None:
    """SendGrid's own vector; another key, a body without its end of line, another time, another signature are none."""
    provider = SendGrid(read_public_key(SENDGRID_KEY))
    await provider.verify(SENDGRID)
    [event] = [provider.normalise(told) for told in await provider.parse(SENDGRID)]
    assert event is not None
    assert (event.happened, event.message_id, event.permanent) == ("rejected", "LRzXl_NHStOGhQ4kofSm_A", True)
    for forged in (
        replace(SENDGRID, body=SENDGRID_BODY.rstrip()),
        replace(SENDGRID, headers={**SENDGRID.headers, TIMESTAMP: "1600112503"}),
        replace(SENDGRID, headers={**SENDGRID.headers, SIGNATURE: SENDGRID.headers[SIGNATURE].replace("MEUC", "MEQC")}),
        replace(SENDGRID, at=SENDGRID.at + timedelta(minutes=11)),
    ):
        with pytest.raises(SignatureInvalid):
            await provider.verify(forged)
    another = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(SignatureInvalid):
        await SendGrid(another).verify(SENDGRID)


@pytest.mark.parametrize("prefix", ["svix", "webhook"])
@pytest.mark.parametrize(
    "signature",
    [
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1,bm9wZQ== v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ],
    ids=["one", "several"],
)
async def test_standard_webhooks(prefix: str, signature: str) -> None:
    """The vector of Standard Webhooks and of Svix, alone and among others, under both names of the headers."""
    headers = {"id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "timestamp": "1614265330", "signature": signature}
    named = {f"{prefix}-{name}": value for name, value in headers.items()}
    call = WebhookCall("", named, b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC))
    provider = Resend("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    await provider.verify(call)
    await Resend("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").verify(call)
    for forged in (
        replace(call, body=b'{"test": 2432232315}'),
        replace(call, headers={**named, f"{prefix}-signature": signature.replace("v1", "v2")}),
        replace(call, at=call.at + timedelta(minutes=6)),
        replace(call, at=call.at - timedelta(minutes=6)),
    ):
        with pytest.raises(SignatureInvalid):
            await provider.verify(forged)


TWILIO_FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
NOW = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "form", "signature"),
    [
        ("https://mycompany.com/myapp.php", TWILIO_FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com:1234/myapp.php", TWILIO_FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("http://mycompany.com:1234/myapp.php", TWILIO_FORM, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("https://mycompany.com/myapp.php", TWILIO_FORM, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com/myapp.php", TWILIO_FORM, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        (
            "https://mycompany.com/myapp.php",
            [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234")],
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
    ],
    ids=["as it is", "without its port", "with its port", "with 443", "with 80", "a field twice"],
)
async def test_twilio_forms(url: str, form: object, signature: str) -> None:
    """twilio/twilio-python, tests/unit/test_request_validator.py: the documented example and its variants."""
    call = WebhookCall("foo=1&bar=2", {"x-twilio-signature": signature}, urlencode(form).encode(), NOW)
    await Twilio("12345", url).verify(call)
    for forged in (
        replace(call, query="foo=1&bar=3"),
        replace(call, query=""),
        replace(call, body=call.body.replace(b"1234", b"1235")),
        replace(call, body=call.body + b"&More=1"),
    ):
        with pytest.raises(SignatureInvalid):
            await Twilio("12345", url).verify(forged)
    for other in (Twilio("12346", url), Twilio("12345", url.replace("mycompany", "yourcompany"))):
        with pytest.raises(SignatureInvalid):
            await other.verify(call)


async def test_twilio_json() -> None:
    """The same source: a JSON body, whose hash is in the signed query."""
    body = b'{"property": "value", "boolean": true}'
    query = "foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    call = WebhookCall(query, {"x-twilio-signature": "a9nBmqA0ju/hNViExpshrM61xv4="}, body, NOW)
    provider = Twilio("12345", "https://mycompany.com/myapp.php")
    await provider.verify(call)
    for forged in (replace(call, body=body + b" "), replace(call, query=query.replace("0a1f", "0a1e"))):
        with pytest.raises(SignatureInvalid):
            await provider.verify(forged)


MAILGUN_KEY = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"


def mailgun_call(token: str, timestamp: str, event: dict[str, object], **more: str) -> WebhookCall:
    signed = {"token": token, "timestamp": timestamp, **more}
    body = json.dumps({"signature": signed, "event-data": event}).encode()
    return WebhookCall("", {}, body, datetime.fromtimestamp(int(timestamp), UTC))


async def test_mailgun_as_its_documentation_says() -> None:
    """Timestamp and token joined without a separator, HMAC-SHA256, in lower-case hex (Mailgun publishes no key)."""
    token, timestamp = "e0b5477167110d68991efc6b9f89f0a11066af27834600e123", "1770920772"
    made = hmac.new(MAILGUN_KEY.encode(), (timestamp + token).encode(), "sha256").hexdigest()
    event: dict[str, object] = {"event": "opened", "id": "Ase7i2zsRYeDXztHGENqRA"}
    await Mailgun(MAILGUN_KEY).verify(mailgun_call(token, timestamp, event, signature=made))
    of_the_main_account = mailgun_call(token, timestamp, event, signature="0" * 64, **{"parent-signature": made})
    await Mailgun(MAILGUN_KEY).verify(of_the_main_account)


async def test_a_token_of_mailgun_is_good_for_one_event() -> None:
    """Mailgun signs no body: a repeated call is a retry and accepted, another event with its token is not."""
    provider = Mailgun(MAILGUN_KEY)
    token, timestamp = "0" * 50, "1770920772"
    made = hmac.new(MAILGUN_KEY.encode(), (timestamp + token).encode(), "sha256").hexdigest()
    call = mailgun_call(token, timestamp, {"event": "opened"}, signature=made)
    for hours in (0, 1, 8):
        await provider.verify(replace(call, at=call.at + timedelta(hours=hours)))
    with pytest.raises(SignatureInvalid, match="with another event"):
        await provider.verify(mailgun_call(token, timestamp, {"event": "clicked"}, signature=made))
    await provider.verify(call)


async def test_what_is_remembered_of_mailgun_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest tokens, and none of calls that are not Mailgun's."""
    monkeypatch.setattr("starter.webhooks.mailgun.MAX_TOKENS", 10)
    provider = Mailgun(MAILGUN_KEY)
    for number in range(30):
        token = f"{number:050}"
        made = hmac.new(MAILGUN_KEY.encode(), f"1770920772{token}".encode(), "sha256").hexdigest()
        await provider.verify(mailgun_call(token, "1770920772", {}, signature=made))
        with pytest.raises(SignatureInvalid):
            await provider.verify(mailgun_call(f"x{token}", "1770920772", {}, signature=made))
    assert len(provider._seen) == 10
