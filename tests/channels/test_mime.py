"""The email message itself: headers, bodies, recipients."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.channels.mime import MimeMessage, build_mime_message
from connector.channels.protocol import Address, OutgoingMessage, Rejected

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
HEADERS = {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
ENCODED_BREAK = "=?utf-8?q?x=0D=0ABcc:_evil=40x.test?="


def write(
    *, to: str | None = "ann@example.com", sender: str | None = "news@shop.test", delivery: str = "d-1", **content: str
) -> MimeMessage:
    content = {"subject": "Hi", "text": "Hello"} | content
    return build_mime_message(
        OutgoingMessage(delivery, "welcome", "email", Address("u-1", to), content), sender=sender, at=AT
    )


def read(mime: MimeMessage) -> EmailMessage:
    return message_from_bytes(mime.data, policy=default)


def test_an_email_has_its_headers():
    """From, To, Subject and Date are those of the message."""
    mail = read(write(**{"subject": "Grüße", "from": "Zoë's Shop <zoe@shop.test>"}))
    assert mail["From"].addresses[0].display_name == "Zoë's Shop"
    assert (mail["To"], mail["Subject"], mail["Date"].datetime) == ("ann@example.com", "Grüße", AT)


def test_the_message_id_is_the_deliverys():
    """The id is the same in every attempt and differs between deliveries, whatever characters these have."""
    first = write(delivery="follow-up/a b/1:email")
    assert first.message_id == write(delivery="follow-up/a b/1:email", text="else").message_id
    assert first.message_id == read(first)["Message-ID"] == "<follow-up%2Fa%20b%2F1%3Aemail@shop.test>"
    assert first.message_id != write(delivery="d-2").message_id


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        ({"text": "Hello"}, ["text/plain"]),
        ({"text": None, "html": "<p>Hé</p>"}, ["text/html"]),
        ({"text": "Hello", "html": "<p>Hé</p>"}, ["multipart/alternative", "text/plain", "text/html"]),
    ],
)
def test_bodies(content: dict[str, str], kinds: list[str]):
    """Text and HTML together are alternatives, the HTML last (RFC 2046); alone each is the whole mail."""
    assert [part.get_content_type() for part in read(write(**content)).walk()] == kinds


def test_any_text_arrives_as_written():
    """Letters beyond ASCII, long lines and lone dots survive a transport of 7 bits."""
    text = "Ünïcode ✓ " + "x" * 3000 + "\n.\n..end\n"
    mime = write(text=text)
    assert mime.data.isascii()
    assert read(mime).get_content().replace("\r\n", "\n") == text


@pytest.mark.parametrize(
    ("to", "written", "international"),
    [
        ("ann@example.com", "ann@example.com", False),
        (" ann@example.com ", "ann@example.com", False),
        ("ann@bücher.example", "ann@xn--bcher-kva.example", False),
        ("änn@bücher.example", "änn@xn--bcher-kva.example", True),
    ],
)
def test_recipients(to: str, written: str, international: bool):
    """An international domain is written in ASCII; only a name beyond ASCII needs SMTPUTF8."""
    mime = write(to=to)
    assert (mime.recipient, mime.international) == (written, international)


@pytest.mark.parametrize(
    ("sender", "name", "address"),
    [
        ("news@shop.test", "", "news@shop.test"),
        ("<news@shop.test>", "", "news@shop.test"),
        ("Shop, Inc. <news@shop.test>", "Shop, Inc.", "news@shop.test"),
        ('"Shop \\"1\\", Inc." <news@shop.test>', 'Shop "1", Inc.', "news@shop.test"),
        ("Bücher <news@bücher.example>", "Bücher", "news@xn--bcher-kva.example"),
        ("商店 Ünï <news@shop.test>", "商店 Ünï", "news@shop.test"),
    ],
)
def test_senders(sender: str, name: str, address: str):
    """A sender is an address, with or without a name in any letters."""
    [found] = read(write(sender=sender))["From"].addresses
    assert (found.display_name, found.addr_spec) == (name, address)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"to": None}, "no_address"),
        ({"to": "ann"}, "email_invalid"),
        ({"to": "ann@"}, "email_invalid"),
        ({"to": "@example.com"}, "email_invalid"),
        ({"to": "ann@example..com"}, "email_invalid"),
        ({"to": "ann@a.test, bob@b.test"}, "email_invalid"),
        ({"to": "ann@a.test\r\nBcc: evil@x.test"}, "email_invalid"),
        ({"to": "ann@a.test> SIZE=1"}, "email_invalid"),
        ({"to": "ann@a.test\uff0cevil\uff20x.test"}, "email_invalid"),
        ({"to": "ann@a.test\uff1e"}, "email_invalid"),
        ({"sender": None}, "no_sender"),
        ({"from": "Ann"}, "email_invalid"),
        ({"from": "Ann <a@a.test\uff1b>"}, "email_invalid"),
        ({"from": "a@a.test, b@b.test"}, "email_invalid"),
        ({"from": "a@a.test\nBcc: evil@x.test"}, "email_invalid"),
        ({"from": f"{ENCODED_BREAK} <a@a.test>"}, "email_invalid"),
        ({"subject": "Hi\nBcc: evil@x.test"}, "email_invalid"),
        ({"subject": "Hi\r\n\r\nbody"}, "email_invalid"),
        ({"subject": "Hi\u2028there"}, "email_invalid"),
        ({"subject": ENCODED_BREAK}, "email_invalid"),
        ({"subject": "=?utf-8?b?DQo=?="}, "email_invalid"),
        ({"text": "\ud800"}, "email_invalid"),
        ({"text": None}, "email_invalid"),
    ],
)
def test_what_is_no_email_is_rejected(content: dict[str, str], code: str):
    """Bad addresses and hidden line breaks are refused for good, and the error quotes nothing of them."""
    with pytest.raises(Rejected) as refusal:
        write(**content)
    assert refusal.value.code == code
    assert "evil" not in str(refusal.value)


PIECES = st.lists(
    st.sampled_from(["\r", "\n", "\x0b", "\x85", "\u2029", "=?utf-8?q?", "=0A", "=0D=0A", "?=", "=?utf-8?b?DQo=?=",
                     "\uff0c", "\uff20", "\uff1e", "\uff1b", "\uff02",
                     "Bcc: evil@x.test", "<", ">", "@", ",", ";", ":", '"', "\\", "(", ")", " "]) | st.text(max_size=8),
    max_size=8,
).map("".join)  # fmt: skip


@given(subject=PIECES, name=PIECES, to=PIECES)
def test_no_text_adds_a_header_or_a_recipient(subject: str, name: str, to: str):
    """Whatever a template renders, an email that is written has only our headers, each once, and one recipient."""
    try:
        mime = write(**{"subject": subject, "from": f"{name} <news@shop.test>", "to": f"ann{to}@example.com"})
    except Rejected:
        return
    mail = read(mime)
    assert mail["Subject"] == subject.strip()
    assert set(mail.keys()) == HEADERS
    assert len(mail.keys()) == len(HEADERS)
    assert len(mail["To"].addresses) == len(mail["From"].addresses) == 1
    assert not {"\r", "\n", "<", ">"} & set(mime.recipient.rpartition("@")[2])


SUBJECTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=240)


@given(subject=SUBJECTS, name=SUBJECTS, to=st.sampled_from(["ann@example.com", "änn@example.com"]))
def test_headers_are_short_lines_that_read_back(subject: str, name: str, to: str):
    """Lines have at most 76 octets with encoded words of at most 75, whatever the language (RFC 5322, RFC 2047)."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    try:
        mime = write(**{"subject": subject, "from": f'"{quoted}" <news@shop.test>', "to": to})
    except Rejected:
        return
    mail = read(mime)
    assert mail["Subject"] == subject.strip()
    lines = mime.data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(len(line) <= 76 for line in lines)
    assert all(len(word) <= 75 for line in lines for word in line.split() if word.startswith(b"=?"))
    assert not any(line.isspace() for line in lines)


@pytest.mark.parametrize(
    ("subject", "lines"),
    [
        ("Hi there", [b"Subject: Hi there"]),
        ("word " * 20, [b"Subject:" + b" word" * 13, b" word" * 7]),
        ("Grüße an alle am Sonntag, um 9", [b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_an_alle_am_Sonntag=2C_um_9?="]),
        ("\u5546\u5e97", [b"Subject: =?utf-8?b?5ZWG5bqX?="]),
        ("x" * 100, [b"Subject: =?utf-8?q?" + b"x" * 54 + b"?=", b" =?utf-8?q?" + b"x" * 46 + b"?="]),
    ],
)
def test_how_a_subject_is_written(subject: str, lines: list[bytes]):
    """ASCII is folded between words; everything else is in encoded words, in the shorter encoding."""
    assert b"\r\n".join(lines) + b"\r\n" in write(subject=subject).data


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"subject": "x" * 998}, None),
        ({"subject": "x" * 999}, "subject_too_long"),
        ({"subject": "é" * 500}, "subject_too_long"),
        ({"from": f"{'x' * 255} <a@b.test>"}, None),
        ({"from": f"{'x' * 256} <a@b.test>"}, "email_invalid"),
    ],
)
def test_headers_are_bounded(content: dict[str, str], code: str | None):
    """A subject has at most 998 octets, a name 255 characters; a longer one is refused, not cut."""
    with pytest.raises(Rejected) if code else nullcontext() as refusal:
        write(**content)
    assert code is None or refusal.value.code == code


@pytest.mark.parametrize(("scheme", "one_click"), [("https", "List-Unsubscribe=One-Click"), ("http", None)])
def test_one_click_needs_https(scheme: str, one_click: str | None):
    """RFC 8058, section 3.1: over http there is the address alone, which a person opens."""
    message = OutgoingMessage(
        "d-1",
        "c",
        "email",
        Address("u", "a@b.test"),
        {"subject": "s", "text": "t"},
        unsubscribe=f"{scheme}://t.test/u/x",
    )
    mail = message_from_bytes(build_mime_message(message, sender="a@shop.test", at=AT).data, policy=default)
    assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (f"<{scheme}://t.test/u/x>", one_click)
