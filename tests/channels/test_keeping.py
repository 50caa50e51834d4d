"""The text of a message that is kept: bounded, without our tokens, and without headers and paths of webhooks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connector.channels.keeping import KEEP_NOTHING, MAX_KEPT_CHARACTERS, TextKeeper
from connector.channels.protocol import Address, OutgoingMessage

LINKS = "https://links.shop.test"
KEEPER = TextKeeper(timedelta(days=30), LINKS)
LONG = "x" * MAX_KEPT_CHARACTERS


def _message(channel: str, content: dict[str, Any]) -> OutgoingMessage:
    unsubscribe = f"{LINKS}/u/token" if channel == "email" else None
    return OutgoingMessage("d", "c", channel, Address("u", "u@shop.test"), content, unsubscribe)


@pytest.mark.parametrize(
    ("channel", "content", "kept", "cut"),
    [
        (
            "email",
            {"subject": "Hi", "html": '<a href="https://shop.test/a">A</a>', "from": "a@b.test", "headers": {"X": "1"}},
            {"subject": "Hi", "html": '<a href="https://shop.test/a">A</a>', "from": "a@b.test"},
            (),
        ),
        (
            "email",
            {"subject": "Hi", "text": f"by {LINKS}/u/AbC-1_2.x, {LINKS}/c/t", "html": f'<a href="{LINKS}/u/tok">'},
            {"subject": "Hi", "text": f"by {LINKS}/u/… {LINKS}/c/…", "html": f'<a href="{LINKS}/u/…">'},
            (),
        ),
        ("email", {"subject": "Hi", "html": LONG}, {"subject": "Hi", "html": LONG[:-2]}, ("html",)),
        (
            "email",
            {"subject": LONG, "text": "t", "html": "h"},
            {"subject": LONG, "text": "", "html": ""},
            ("text", "html"),
        ),
        ("sms", {"body": "a\0b\ud800"}, {"body": "a\ufffdb\ufffd"}, ()),
        (
            "push",
            {"title": "T", "body": "B", "link": None, "buttons": [{"id": "1", "text": "Go\0"}], "pages": []},
            {"title": "T", "body": "B", "buttons": [{"id": "1", "text": "Go\ufffd"}], "pages": []},
            (),
        ),
        ("push", {"title": "T", "body": LONG, "pages": [{}]}, {"title": "T", "body": LONG[:-1]}, ("body", "pages")),
        (
            "webhook",
            {
                "method": "PUT",
                "url": "https://me:pw@hooks.test:8443/T0/secret?k=1",
                "headers": {"K": "s"},
                "body": "{}",
            },
            {"method": "PUT", "url": "https://hooks.test:8443/…", "body": "{}"},
            (),
        ),
        (
            "webhook",
            {"method": "POST", "url": "https://hooks.test/"},
            {"method": "POST", "url": "https://hooks.test/"},
            (),
        ),
    ],
)
def test_what_is_kept(channel: str, content: dict[str, Any], kept: dict[str, Any], cut: tuple[str, ...]) -> None:
    """By channel, the fields in their order of precedence; headers and paths of webhooks are left out."""
    text = KEEPER.take(_message(channel, content))
    assert text is not None
    assert (text.content, text.cut, text.keep_for) == (kept, cut, timedelta(days=30))


@pytest.mark.parametrize(
    ("keeper", "channel", "content"),
    [
        (KEEP_NOTHING, "sms", {"body": "b"}),
        (KEEPER, "content_card", {"title": "t", "body": "b"}),
        (KEEPER, "webhook", {"url": "https://[broken", "body": "b"}),
    ],
)
def test_what_is_not_kept(keeper: TextKeeper, channel: str, content: dict[str, Any]) -> None:
    """No text without the setting, of inbox messages, or if extraction fails; the message is sent anyway."""
    assert keeper.take(_message(channel, content)) is None
