"""Messages with tracking on: the channel's own results, and only emails and text messages changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from pydantic import ValidationError

from connector.channels.console import ConsoleChannel
from connector.channels.mime import build_mime_message
from connector.channels.protocol import Accepted, Address, OutgoingMessage, Rejected, TryLater
from connector.channels.tracked import TrackedChannel, track_channels
from connector.settings.application import Settings
from connector.settings.tracking import TrackingSettings
from connector.tracking.tokens import open_tokens
from tests.support.fake_channel import FakeChannel

SECRET = "a secret that only the tests know, and long"
BASE = "https://t.shop.test"
SETTINGS = Settings(tracking=TrackingSettings(url=BASE + "/", secrets=[SECRET]))
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def outgoing(channel: str, **content: str) -> OutgoingMessage:
    return OutgoingMessage("0123456789abcdef0123456789." + channel, "c", channel, Address("u", "a@b.example"), content)


async def sent(message: OutgoingMessage, provider: FakeChannel | None = None) -> OutgoingMessage:
    provider = provider or FakeChannel()
    channels = track_channels({message.channel: provider}, SETTINGS, clock=AT.timestamp)
    assert await channels[message.channel].send(message) == Accepted("p-1")
    await channels[message.channel].close()
    assert provider.closed
    return provider.messages[0]


async def test_the_same_delivery_has_the_same_links() -> None:
    """Guarantee 4: a second attempt sends the same message, so that a provider recognises it."""
    message = outgoing("email", subject="s", html='<a href="https://a.example">x</a>')
    assert await sent(message) == await sent(message) != message


async def test_other_channels_are_left_alone() -> None:
    """A push's link opens an app, and a webhook's body may be signed."""
    for message in (outgoing("push", title="https://a.example"), outgoing("webhook", body="https://a.example")):
        assert await sent(message) is message


async def test_a_mail_of_text_alone_can_be_unsubscribed_from() -> None:
    """Without HTML there are no tracked links, but the two headers."""
    message = await sent(outgoing("email", subject="s", text="https://a.example"))
    assert message.content["text"] == "https://a.example"
    assert message.unsubscribe is not None
    assert message.unsubscribe.startswith(f"{BASE}/u/")


async def test_a_large_mail_does_not_hold_up_others() -> None:
    """Five megabytes are rewritten beside the event loop."""
    html = '<a href="https://a.example/?x=1">x</a>' * 70_000
    message = await sent(outgoing("email", subject="s", html=html))
    assert message.content["html"].count(f'href="{BASE}/c/') == 65_536  # what has a number; the others lead on directly


async def test_the_channels_faults_go_through() -> None:
    """The provider decides the result of a message."""
    with pytest.raises(TryLater):
        await sent(outgoing("email", subject="s", html="x"), FakeChannel(TryLater("busy")))


@pytest.mark.parametrize("tracking", [{}, {"secrets": [SECRET]}])
def test_without_an_address_nothing_is_tracked(tracking: dict[str, list[str]]) -> None:
    """A secret alone reads the links of others."""
    channel = ConsoleChannel()
    settings = Settings(tracking=TrackingSettings(**tracking))
    assert track_channels({"email": channel}, settings) == {"email": channel}
    assert (open_tokens(settings) is None) == (not tracking)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"url": "https://t.example"}, "SECRETS"),
        ({"url": "ftp://t.example", "secrets": [SECRET]}, "https://links"),
        ({"url": "https://t.example/?a=b", "secrets": [SECRET]}, "https://links"),
        ({"url": 'https://t.example/"><script>', "secrets": [SECRET]}, "https://links"),
        ({"url": "https://t.example\r\nX: y", "secrets": [SECRET]}, "https://links"),
        ({"secrets": ["short"]}, "32 characters"),
        ({"secrets": [""]}, "32 characters"),
        ({"lifetime": "0 days"}, 'longer than "0 seconds"'),
        ({"lifetime": "36 hours"}, "whole days"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object], says: str) -> None:
    """No default secret, no short one, and no URL that could break out of a link or a header."""
    with pytest.raises(ValidationError, match=says):
        TrackingSettings(**wrong)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """CONNECTOR_TRACKING_*; a slash at the address's end does not matter."""
    monkeypatch.setenv("CONNECTOR_TRACKING_URL", BASE + "/")
    monkeypatch.setenv("CONNECTOR_TRACKING_SECRETS", f'["{SECRET}"]')
    settings = Settings()
    assert (settings.tracking.url, settings.tracking.lifetime) == (BASE, timedelta(days=400))
    assert isinstance(track_channels({"email": ConsoleChannel()}, settings)["email"], TrackedChannel)


async def test_both_headers_stand_whole_in_the_mail() -> None:
    """RFC 8058: neither folded into encoded words nor truncated, however long the URL is."""
    message = await sent(outgoing("email", subject="s", text="t"))
    data = build_mime_message(message, sender="news@shop.test", at=AT).data
    mail = message_from_bytes(data, policy=default)
    assert f"List-Unsubscribe: <{message.unsubscribe}>\r\n".encode() in data
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (mail["Subject"], mail.get_content().strip()) == ("s", "t")


@pytest.mark.parametrize(
    "address", ["https://x/\r\nBcc: evil@x.test", "https://x/>,<https://y", "mailto:x", "https://x/ y", ""]
)
def test_an_address_that_would_break_the_header_is_refused(address: str) -> None:
    """Nothing can be added to a mail by way of its address to unsubscribe at."""
    message = OutgoingMessage(
        "d", "c", "email", Address("u", "a@b.example"), {"subject": "s", "text": "t"}, unsubscribe=address
    )
    with pytest.raises(Rejected):
        build_mime_message(message, sender="news@shop.test", at=AT)
