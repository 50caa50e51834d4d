"""The header that names the delivery to an SMTP provider, whose webhooks return it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.channels.email import EmailChannel
from connector.channels.mime import build_mime_message
from connector.channels.protocol import Address, OutgoingMessage
from connector.channels.provider_headers import extra_headers
from connector.rules.model.follow_up import follow_up_id_of
from connector.rules.provider_events.events import from_tag
from connector.rules.sending.deliveries import delivery_id
from connector.settings.providers import Smtp, SmtpProvider

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
DELIVERY = delivery_id(follow_up_id_of("c", "k", "", "t", 0), "email")
NAMES = {
    "sendgrid": "X-SMTPAPI",
    "ses": "X-SES-MESSAGE-TAGS",
    "mailgun": "X-Mailgun-Variables",
    "postmark": "X-PM-Metadata-delivery",
    "resend": "Resend-Idempotency-Key",
}


def read(provider: Any, value: str) -> str:
    """The delivery as the provider gives it back to us."""
    if provider == "sendgrid":
        return str(json.loads(value)["unique_args"]["delivery"])
    if provider == "mailgun":
        return str(json.loads(value)["delivery"])
    name, _, tag = value.rpartition("=") if provider == "ses" else ("delivery", "", value)
    assert name == "delivery"
    return tag


def write(delivery: str, provider: Any) -> Any:
    message = OutgoingMessage(
        delivery, "welcome", "email", Address("u", "a@shop.test"), {"subject": "Hi", "text": "there"}
    )
    written = build_mime_message(message, sender="news@shop.test", at=AT, provider=provider)
    return message_from_bytes(written.data, policy=default)


def test_every_provider_has_its_header() -> None:
    """One per provider, and none without a provider."""
    assert NAMES.keys() == set(get_args(SmtpProvider))
    assert extra_headers({}, None, DELIVERY) == b""
    assert not {name for name in NAMES.values() if write(DELIVERY, None)[name]}


@pytest.mark.parametrize("provider", NAMES)
def test_the_delivery_is_returned(provider: Any) -> None:
    """As it is, or encoded as a tag: Postmark accepts 80 characters, SES letters, digits, dashes and underscores."""
    mail = write(DELIVERY, provider)
    value = mail[NAMES[provider]]
    assert read(provider, value) in (DELIVERY, DELIVERY.replace(".", "_2e"))
    assert from_tag(read(provider, value)) == DELIVERY
    assert provider != "postmark" or len(value) <= 80
    assert [name for name in NAMES.values() if mail[name]] == [NAMES[provider]]


@given(st.sampled_from(sorted(NAMES)), st.text(min_size=1, max_size=80))
def test_no_id_adds_a_header(provider: Any, id: str) -> None:
    """Line breaks, controls, encoded words: whatever an id holds, it is one line of ASCII, and can be read again."""
    line = extra_headers({}, provider, id.encode(errors="replace").decode())
    assert line.endswith(b"\r\n")
    assert line.decode("ascii").removesuffix("\r\n").isprintable()
    returned = read(provider, line.decode().removesuffix("\r\n").partition(": ")[2])
    wanted = id.encode(errors="replace").decode()
    assert wanted in (returned, from_tag(returned))


def test_what_would_be_too_long_is_left_out() -> None:
    """A line has 998 characters at most."""
    assert extra_headers({}, "ses", "é" * 255) == b""


def test_the_setting_names_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """CONNECTOR_SMTP_PROVIDER; a name that is not known is refused as the settings are read."""
    monkeypatch.setenv("CONNECTOR_SMTP_PROVIDER", "ses")
    assert EmailChannel(Smtp())._settings.provider == "ses"
    monkeypatch.setenv("CONNECTOR_SMTP_PROVIDER", "sparkpost")
    with pytest.raises(ValueError, match="sendgrid"):
        Smtp()
