"""Messages as lines on the console."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from connector.channels.console import ConsoleChannel
from connector.channels.protocol import Accepted, Address, OutgoingMessage


def outgoing(channel: str, content: dict[str, Any]) -> OutgoingMessage:
    return OutgoingMessage("d-1", "welcome", channel, Address("u-1", "ann@example.com"), content)


@pytest.mark.parametrize(
    ("channel", "content", "title", "body"),
    [
        ("email", {"subject": "Hi", "text": "Hello", "html": "<p>Hello</p>", "from": None}, "Hi", "Hello"),
        ("email", {"subject": "Hi", "text": None, "html": "<p>Hello</p>"}, "Hi", "<p>Hello</p>"),
        ("sms", {"body": "Hello"}, "", "Hello"),
        ("push", {"title": "Hi", "body": "Hello", "link": None, "buttons": []}, "Hi", "Hello"),
        ("webhook", {"url": "https://x.test/", "method": "PUT", "body": "{}"}, "PUT https://x.test/", "{}"),
        ("webhook", {"url": "https://x.test/", "body": None}, "POST https://x.test/", ""),
        ("in_app_message", {"title": "Hi", "body": "Hello"}, "Hi", "Hello"),
        ("content_card", {"title": "Hi", "body": "Hello"}, "Hi", "Hello"),
        ("news_feed_card", {"title": "Hi", "body": "Hello"}, "Hi", "Hello"),
    ],
)
async def test_each_channels_message_is_one_line(channel: str, content: dict[str, Any], title: str, body: str):
    """A line shows channel, campaign, user, title and body of any of the seven channels."""
    lines: list[dict[str, str]] = []
    console = ConsoleChannel(lambda event, **fields: lines.append({"event": event} | fields))
    assert await console.send(outgoing(channel, content)) == Accepted()
    await console.close()
    known = {"event": "message", "channel": channel, "campaign": "welcome", "user": "u-1"}
    assert lines == [known | {"title": title, "body": body}]


async def test_a_line_stays_a_short_line():
    """Line breaks and terminal codes become spaces, and long texts are cut."""
    lines: list[dict[str, str]] = []
    console = ConsoleChannel(lambda event, **fields: lines.append(fields))
    await console.send(outgoing("push", {"title": "a\nb\x1b[31mc\u2028d", "body": "word " * 1000}))
    assert lines[0]["title"] == "a b [31mc d"
    assert len(lines[0]["body"]) <= 200
    assert lines[0]["body"].endswith("word…")


async def test_the_log_is_the_default():
    """Without a writer, lines go to structlog at info."""
    with capture_logs() as lines:
        await ConsoleChannel().send(outgoing("sms", {"body": "Hello"}))
    assert [(line["log_level"], line["event"], line["body"]) for line in lines] == [("info", "message", "Hello")]
