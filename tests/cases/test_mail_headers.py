"""Headers and bodies of emails as three readers see them: the standard library's two, and the mailparse crate."""
# ruff: noqa: E501 - a row of a table is one line

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.policy import compat32, default
from email.utils import getaddresses, parseaddr
from hashlib import sha256
from typing import Any

import fast_mail_parser
import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.channels.mime import MimeMessage, build_mime_message
from connector.channels.mime_body import add_preheader
from connector.channels.protocol import Address, OutgoingMessage, Rejected
from connector.rules.model.campaigns import Campaign
from connector.templating.checking import check_templates
from connector.templating.templates import render
from tests.support.builders import original
from tests.support.templates import MOMENT

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def write(*, provider: Any = None, unsubscribe: str | None = None, **content: Any) -> MimeMessage:
    content = {"from": "news@shop.example", "subject": "Hi", "text": "Hello"} | content
    message = OutgoingMessage("d.1", "c", "email", Address("u", "ann@example.com"), content, unsubscribe=unsubscribe)
    return build_mime_message(message, sender=None, at=AT, provider=provider)


def modern(mime: MimeMessage) -> EmailMessage:
    return message_from_bytes(mime.data, policy=default)


def legacy(mime: MimeMessage) -> Message:
    return message_from_bytes(mime.data, policy=compat32)


def header_lines(mime: MimeMessage) -> list[bytes]:
    return mime.data.partition(b"\r\n\r\n")[0].split(b"\r\n")


ISSUE = "Sparen Sie jetzt – Größe Übergröße jetzt Grüße aus Österreich für Frau Müller-Lüdenscheidt heute"
SUBJECTS: list[tuple[str, str]] = [
    (ISSUE, "RFC 2047, 6.2: white space between encoded words is no text; python/cpython#92081"),
    ("", "RFC 5322, 2.2.1: an empty body of a field"),
    ("x", "RFC 5322, 3.6.5"),
    ("x" * 998, "RFC 5322, 2.1.1: a token without spaces"),
    ("word " * 199, "RFC 5322, 2.2.3: folded at spaces"),
    ("a  b   c", "RFC 5322, 2.2.3: spaces stay"),
    ("日本語の件名です。" * 30, "RFC 2047, 5 (3): no character is split; emersion/go-message#54"),
    ("😀" * 200, "RFC 2047, 5 (3): no character is split"),
    ("👨‍👩‍👧 " * 40, "RFC 2047, 5 (3)"),
    ("e\u0301" * 150, "RFC 2047, 5 (3): combining characters"),
    ("ü" + " ü" * 200, "RFC 2047, 6.2: every space is in a word"),
    ("=?utf-8?q", "RFC 2047, 6.1: text that begins as an encoded word"),
    ("50% off = good? _yes_ =20", "RFC 2047, 4.2: its own signs"),
    ("Grüße = 50% _off_ ?", "RFC 2047, 4.2: its own signs, encoded"),
    ('Re: "quoted", (comment) <x@y>; a\\b', "RFC 5322, 3.6.5: unstructured"),
    ("Grüße: x@y.example, z", "RFC 2047, 5"),
    ("a" * 70 + " " + "b" * 70, "RFC 5322, 2.1.1"),
    ("Größe " + "a" * 200, "RFC 2047, 2"),
    ("מבצע סוף עונה לכולם " * 5, "RFC 2047, 5"),
    ("نهاية الموسم " * 10, "RFC 2047, 5"),
    ("ลดราคาพิเศษวันนี้เท่านั้น" * 5, "RFC 2047, 5"),
]


def check_subject(subject: str) -> None:
    mime = write(subject=subject)
    expected = subject.strip()
    assert modern(mime)["Subject"] == expected
    assert str(make_header(decode_header(legacy(mime)["Subject"].replace("\r\n", "")))) == expected
    assert fast_mail_parser.parse_email(mime.data).subject == expected
    check_lines(mime)


def check_lines(mime: MimeMessage) -> None:
    """RFC 2047, 2, and RFC 5322, 2.1.1."""
    for line in header_lines(mime):
        assert len(line) <= 76
        assert line.isascii()
        assert line.strip()
        words = re.findall(rb"=\?utf-8\?[bq]\?[^?\s]*\?=", line)
        assert all(len(word) <= 75 for word in words)
        assert all(decode_header(word.decode())[0][0].decode() for word in words)  # whole characters, each by itself


@pytest.mark.parametrize(("subject", "source"), SUBJECTS, ids=range(len(SUBJECTS)))
def test_subjects(subject: str, source: str) -> None:
    """Every parser reads a subject as it was written."""
    check_subject(subject)


WORDS = {
    "de": "Sparen Sie jetzt Größe Übergröße – Grüße aus Österreich für Frau Müller-Lüdenscheidt heute 20%",
    "fr": "Économisez dès aujourd’hui « été » à l’œuvre ; ça coûte 20 € !",
    "pl": "Oszczędzaj już dziś wyjątkową źdźbło łąki ćma",
    "ja": "本日限り セール 開催中 です、 お見逃しなく！ カタカナ",
    "zh": "今天 特价 限时 优惠， 请 点击 查看。",
    "ar": "خصم خاص اليوم فقط لا تفوت الفرصة",
    "ru": "Скидка только сегодня не пропустите «распродажа» 😀",
}


@settings(max_examples=350, deadline=None)
@given(
    st.sampled_from(sorted(WORDS)).flatmap(
        lambda name: st.lists(st.sampled_from(WORDS[name].split()), min_size=1, max_size=25)
    )
)
def test_subjects_in_seven_languages(words: list[str]) -> None:
    """No space is lost and no character broken, for any length, in seven languages and by three readers."""
    subject = " ".join(words)
    if len(subject.encode()) <= 998:
        check_subject(subject)


ACME = "Acme Incorporated Widgets and Gadgets Worldwide, Head Office Department Newsletter"
SENDERS: list[tuple[str, str, str]] = [
    # (from, the name, source)
    (f'"{ACME}" <news@shop.example>', ACME, "RFC 5322, 3.2.4; python/cpython#87720, #80222"),
    (f"{ACME} <news@shop.example>", ACME, "RFC 5322, 3.2.3: a comma needs quotes, which the connector writes"),
    ("news@shop.example", "", "RFC 5322, 3.4"),
    ("<news@shop.example>", "", "RFC 5322, 3.4"),
    ("Shop <news@shop.example>", "Shop", "RFC 5322, 3.4"),
    ("Shop<news@shop.example>", "Shop", "RFC 5322, 3.4: no space is needed"),
    ("Shop < news@shop.example >", "Shop", "RFC 5322, 3.4: white space around the address"),
    ("Shop, Inc. <news@shop.example>", "Shop, Inc.", "RFC 5322, 3.2.3: specials"),
    ('"Shop \\"1\\", Inc." <news@shop.example>', 'Shop "1", Inc.', "RFC 5322, 3.2.1: quoted pairs"),
    ('"a\\\\b" <news@shop.example>', "a\\b", "RFC 5322, 3.2.1: quoted pairs"),
    ('Shop "EU" Nord <news@shop.example>', "Shop EU Nord", "RFC 5322, 3.2.5: a phrase of atoms and quoted strings"),
    ('"" <news@shop.example>', "", "RFC 5322, 3.2.4: an empty quoted string"),
    ("Dr. Ann O'Hara <news@shop.example>", "Dr. Ann O'Hara", "RFC 5322, 4.1: a dot in a phrase is obsolete"),
    ("Shop (EU) <news@shop.example>", "Shop (EU)", "RFC 5322, 3.2.2: quoted, so that no reader drops it as a comment"),
    ("news@shop.example (Shop)", "Shop", "RFC 822, A.1.1: the name in a comment"),
    ("Shop <news@shop.example> (EU)", "Shop", "RFC 5322, 3.2.2: a comment is no part of the name"),
    ("Team: Shop <news@shop.example>", "Team: Shop", "RFC 5322, 3.2.3: a colon is quoted, so it begins no group"),
    ("Zoë's Shop <news@shop.example>", "Zoë's Shop", "RFC 2047, 5 (3)"),
    ("Größe, Übergröße & Söhne <news@shop.example>", "Größe, Übergröße & Söhne", "RFC 2047, 5 (3); jstedfast/MimeKit#170"),
    ("Fotololo.ru - Интернет магазин <news@shop.example>", "Fotololo.ru - Интернет магазин", "jstedfast/MimeKit#170"),
    ("田中俊介 <news@shop.example>", "田中俊介", "purebred-mua/purebred-email#93"),
    ("商店" * 60 + " <news@shop.example>", "商店" * 60, "RFC 2047, 2"),
    ("x" * 255 + " <news@shop.example>", "x" * 255, "RFC 5322, 2.1.1"),
    ("Txxxxxx Mxxxxxxx de Vxxxxxx, Fxxxxxxxx <news@shop.example>", "Txxxxxx Mxxxxxxx de Vxxxxxx, Fxxxxxxxx", "python/cpython#114362"),
    ("a, " * 60 + "b <news@shop.example>", "a, " * 60 + "b", "python/cpython#80222"),
]  # fmt: skip


@pytest.mark.parametrize(("sender", "name", "source"), SENDERS, ids=range(len(SENDERS)))
@pytest.mark.parametrize(("field", "header"), [("from", "From"), ("reply_to", "Reply-To")])
def test_mailboxes(field: str, header: str, sender: str, name: str, source: str) -> None:
    """Every parser reads a name and its one address as they were written: DMARC needs one From."""
    mime = write(**{field: sender})
    [address] = modern(mime)[header].addresses
    # The standard library puts a space between two encoded words of a name, against RFC 2047, 6.2.
    assert ("".join(address.display_name.split()), address.addr_spec) == ("".join(name.split()), "news@shop.example"), (
        source
    )
    assert not modern(mime)[header].defects
    raw = legacy(mime)[header].replace("\r\n", "")
    assert len(getaddresses([raw])) == 1
    written, bare = parseaddr(raw)
    assert (str(make_header(decode_header(written))), bare) == (name, "news@shop.example")
    [read] = fast_mail_parser.parse_email(mime.data).headers[header]
    assert re.sub(r'^"(.*)" <', lambda match: re.sub(r"\\(.)", r"\1", match[1]) + " <", read) == (
        f"{name} <news@shop.example>" if name else "news@shop.example"
    )
    check_lines(mime)


NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=60) | st.lists(
    st.sampled_from([",", '"', "\\", "(", ")", "<", ">", "@", ":", ";", " ", ".", "a", "ü", "中", "Acme Incorporated"]),
    max_size=40,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(NAMES)
def test_any_name_is_quoted(name: str) -> None:
    """RFC 5322, 3.2.4: whatever is in a quoted name, there is one address, and readers see the name."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    try:
        mime = write(**{"from": f'"{quoted}" <news@shop.example>'})
    except Rejected:
        assert "=?" in name
        return
    assert [address.addr_spec for address in modern(mime)["From"].addresses] == ["news@shop.example"]
    assert "".join(modern(mime)["From"].addresses[0].display_name.split()) == "".join(name.split())
    raw = legacy(mime)["From"].replace("\r\n", "")
    assert [bare for _, bare in getaddresses([raw])] == ["news@shop.example"]
    assert set(modern(mime).keys()) == {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    }


@pytest.mark.parametrize(
    "sender",
    ["Team: a@b.example, c@d.example;", "Team: a@b.example;", "Team:;", "a@b.example, c@d.example", "a@b.example c@d.example",
     "A <a@b.example>, C <c@d.example>", "A <a@b.example", "A a@b.example>", "A <a@b.example> C", "A <a@b@c.example>",
     "A <@relay.example:a@b.example>", '"A <a@b.example>', "A <>", "A", "<a@b.example\r\nBcc: x@y.example>",
     "A\r\nBcc: x@y.example <a@b.example>", "A\n <a@b.example>", "A\u2028 <a@b.example>", "A\x00 <a@b.example>"],
)  # fmt: skip
@pytest.mark.parametrize("field", ["from", "reply_to"])
def test_other_fields_than_one_mailbox_are_refused(field: str, sender: str) -> None:
    """RFC 5322, 3.4: no list, no group, no route, no second header; and the refusal quotes nothing."""
    with pytest.raises(Rejected, match="email_invalid") as refusal:
        write(**{field: sender})
    assert "example" not in str(refusal.value).replace("news@shop.example", "")


def test_an_empty_reply_to_is_left_out() -> None:
    """A template may render to nothing: replies then go to the sender."""
    assert modern(write(reply_to=" "))["Reply-To"] is None


@pytest.mark.parametrize("path", ["x", "a" * 800, "a-b_c." * 100])
def test_the_address_to_unsubscribe_at_is_not_broken(path: str) -> None:
    """RFC 2369, 2: the URL in its brackets, on one line, as RFC 8058 needs it."""
    url = f"https://t.example/u/{path}"
    mime = write(unsubscribe=url)
    assert f"List-Unsubscribe: <{url}>".encode() in header_lines(mime)
    assert fast_mail_parser.parse_email(mime.data).headers["List-Unsubscribe"] == [f"<{url}>"]


BODIES = [
    "Hello",
    "Grüße\r\n\r\nÄ",
    "x" * 2000,
    "日本語" * 300,
    "a\n.\n..\nFrom me\n",
    "trailing \t\n =\n",
    "one\rtwo\x0cthree",
    "a\x00b",
    "",
    "=" * 500,
    "é" * 100 + "\n" * 3,
]


@pytest.mark.parametrize("html", [None, "<p>Hallo</p>", "<p>" + "Größe " * 300 + "</p>"])
@pytest.mark.parametrize("text", BODIES)
def test_bodies(text: str, html: str | None) -> None:
    """RFC 2045, 6, and RFC 2046, 5.1.4: what was written is read, in lines of at most 76 characters of ASCII."""
    mime = write(text=text, html=html)
    lines = "\n".join(re.split(r"\r\n|\r|\n", text))
    expected = lines if lines.endswith("\n") else lines + "\n"
    read = fast_mail_parser.parse_email(mime.data)
    plain = modern(mime).get_body(("plain",)).get_content()
    assert plain.replace("\r\n", "\n") == expected
    assert [part.replace("\r\n", "\n").rstrip("\n") for part in read.text_plain] == [expected.rstrip("\n")]
    assert [part.strip() for part in read.text_html] == ([html] if html else [])
    assert all(len(line) <= 76 and line.isascii() for line in mime.data.split(b"\r\n"))
    assert not {b"\r", b"\n"} & {bytes([octet]) for octet in mime.data.replace(b"\r\n", b"")}


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(" \t\r\n.=-é中"), max_size=300))
def test_any_body_is_read_back(text: str) -> None:
    """RFC 2045, 6: every text survives a transport of 7 bits; line ends become those of mail."""
    mime = write(text=text)
    lines = "\n".join(re.split(r"\r\n|\r|\n", text))
    assert modern(mime).get_content().replace("\r\n", "\n") == (lines if lines.endswith("\n") else lines + "\n")
    assert all(len(line) <= 76 and line.isascii() for line in mime.data.split(b"\r\n"))


def test_the_bytes_are_the_same_everywhere() -> None:
    """Guarantee 4: one delivery is one mail, on every release of Python and in every attempt: not even the boundary differs."""
    mail = {"from": SENDERS[0][0], "subject": ISSUE, "text": "Grüße\n" * 9, "html": "<p>日本語</p>" * 40, "preheader": "Nur heute – 20 %",
            "reply_to": "Größe, Übergröße <hilfe@shop.example>", "headers": {"X-Tag": "Frühling"}}  # fmt: skip
    mime = write(provider="sendgrid", unsubscribe="https://t.example/u/x", **mail)
    assert mime.data == write(provider="sendgrid", unsubscribe="https://t.example/u/x", **mail).data
    assert sha256(mime.data).hexdigest() == "e25446baac566b8ded76522d727b1df78f1ced5e1304d6d0268bd084f66eb9ac"


# ---- preheader


@pytest.mark.parametrize(
    ("html", "before"),
    [
        ("<p>x</p>", ""),
        ("<!DOCTYPE html>\n<p>x</p>", "<!DOCTYPE html>"),
        ("<html><head><title>t</title></head><body class='>'><p>x</p></body></html>", "<html><head><title>t</title></head><body class='>'>"),
        ("<!-- <body> --><BODY\n bgcolor=x><p>x</p>", "<!-- <body> --><BODY\n bgcolor=x>"),
    ],
)  # fmt: skip
def test_the_position_of_a_preheader(html: str, before: str) -> None:
    """It is the first text of the body; a mail without one keeps its document type first."""
    done = add_preheader(html, "Nur <b>heute</b> & morgen")
    assert done.startswith(before + '<div style="display:none;')
    assert done.endswith(html[len(before) :])
    body = html5lib.parse(done, namespaceHTMLElements=False).find("body")
    assert body[0].text == "Nur <b>heute</b> & morgen"
    assert body[1].get("aria-hidden") == "true"
    assert "".join(body[1].itertext()).strip("\u034f\u200c\u00a0") == ""


def test_an_empty_preheader_is_left_out() -> None:
    """A template may render to nothing; then nothing is hidden in the mail."""
    assert modern(write(text=None, html="<p>x</p>", preheader=" ")).get_content().strip() == "<p>x</p>"


# ---- headers of the campaign


def mail_of(**email: Any) -> Campaign:
    return Campaign.model_validate(original(messages={"email": {"subject": "s", "html": "<p>x</p>", **email}}))


@pytest.mark.parametrize(
    "name",
    ["X-Mailgun-Tag", "X-Mailgun-Variables", "X-PM-Tag", "X-PM-Message-Stream", "X-PM-Metadata-color", "X-SES-CONFIGURATION-SET",
     "X-SES-MESSAGE-TAGS", "X-SMTPAPI", "X-MC-Tags", "X-MSYS-API", "X-Mailin-Tag", "X-Entity-Ref-ID", "x-category", "X-1",
     "Feedback-ID", "feedback-id", "List-ID", "List-Help", "Precedence", "Auto-Submitted", "Importance", "Priority", "Organization"],
)  # fmt: skip
def test_headers_that_a_campaign_sets(name: str) -> None:
    """The headers of providers, and a documented list."""
    value = "{}" if name in ("X-SMTPAPI", "X-MSYS-API", "X-Mailgun-Variables") else "spring"
    assert check_templates(mail_of(headers={name: value})) == []
    assert modern(write(headers={name: value}))[name] == value


@pytest.mark.parametrize(
    "headers",
    [*({name: "x"} for name in [
        "From", "To", "Cc", "Bcc", "cc", "Reply-To", "Sender", "Return-Path", "Resent-To", "Subject", "Date", "Message-ID", "Received",
        "DKIM-Signature", "ARC-Seal", "Authentication-Results", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
        "List-Unsubscribe", "List-Unsubscribe-Post", "In-Reply-To", "References", "Errors-To", "Disposition-Notification-To",
        "X-MC-BccAddress", "X-MC-PreserveRecipients", "X-Mailgun-Dkim", "X-Mailgun-Recipient-Variables", "X-Original-To", "X-Envelope-To",
        "X-Forwarded-To", "X-Bcc", "X-Cc", "X-From", "X-Sender", "X-PM-Metadata-Delivery", "Resend-Idempotency-Key",
        "X", "X-", "X--a", "X-a b", "X-a:", "X-a\r\nBcc", "X-é", "", "X-" + "a" * 100]),
     {"X-SMTPAPI": '{"to": ["evil@x.example"]}'}, {"X-SMTPAPI": '{"filters": {"bcc": {}}}'}, {"X-SMTPAPI": "spring"}, {"X-SMTPAPI": "[]"},
     {"x-msys-api": '{"bcc": []}'}, {"X-Mailgun-Variables": "a=b"}, {"X-Tag": "a", "x-tag": "b"}, {f"X-{n}": "a" for n in range(21)}],
)  # fmt: skip
def test_headers_that_a_campaign_must_not_set(headers: dict[str, str]) -> None:
    """No header sets a sender, recipient, signature or frame of the mail; `cc` and `bcc` do not exist by design."""
    with pytest.raises(ValueError, match=r"header|cannot be set|set by the connector|must be|only the keys"):
        mail_of(headers=headers)


@pytest.mark.parametrize("field", ["cc", "bcc", "sender", "to"])
def test_there_is_one_recipient_by_design(field: str) -> None:
    """An email goes to its user alone."""
    with pytest.raises(ValueError, match=field):
        mail_of(**{field: "a@b.example"})


def test_a_preheader_needs_html() -> None:
    """A mail of text alone has its beginning as its preview."""
    with pytest.raises(ValueError, match="preheader needs html"):
        mail_of(html=None, text="x", preheader="y")


@pytest.mark.parametrize("value", ["a\r\nBcc: x@y.example", "a\nb", "a\x00", "a\u2028b", "=?utf-8?q?=0A?=", "x" * 999])
def test_a_value_adds_no_header(value: str) -> None:
    """RFC 5322, 2.2: a value that user data broke over lines is refused, as in a subject."""
    with pytest.raises(Rejected, match="email_invalid"):
        write(headers={"X-Tag": value})


def test_values_of_headers_are_templates() -> None:
    """A value is encoded by its place: in JSON it cannot end its string."""
    headers = {
        "X-Tag": "{{ user.plan }}",
        "X-SMTPAPI": '{"category": ["{{ user.plan }}"]}',
        "X-Empty": "{{ user.none }}",
    }
    campaign = mail_of(headers=headers, reply_to="{{ user.agent }}", preheader="{{ user.plan }}")
    assert check_templates(campaign) == []
    assert campaign.messages is not None
    variables = {"user": {"plan": '"], "to": ["x', "agent": "a@b.example"}, "campaign": {"id": "o"}}
    content = render(campaign.messages, "email", variables, MOMENT)
    mail = modern(write(provider="sendgrid", **content))
    assert json.loads(mail["X-SMTPAPI"]) == {"category": ['"], "to": ["x'], "unique_args": {"delivery": "d.1"}}
    assert (mail["X-Tag"], mail["X-Empty"], mail["Reply-To"]) == ('"], "to": ["x', None, "a@b.example")
    assert check_templates(mail_of(headers={"X-Tag": "{{ usr.plan }}"}))[0].key == "messages.email.headers.X-Tag"


@pytest.mark.parametrize(
    ("provider", "headers", "name", "value"),
    [
        ("sendgrid", {"x-smtpapi": '{"category": "spring", "unique_args": {"a": "b"}}'}, "X-SMTPAPI",
         '{"category": "spring", "unique_args": {"a": "b", "delivery": "d.1"}}'),
        ("sendgrid", {"X-SMTPAPI": '{"unique_args": {"delivery": "forged"}}'}, "X-SMTPAPI", '{"unique_args": {"delivery": "d.1"}}'),
        ("mailgun", {"X-Mailgun-Variables": '{"a": "ü"}'}, "X-Mailgun-Variables", '{"a": "\\u00fc", "delivery": "d.1"}'),
        ("ses", {"X-SES-MESSAGE-TAGS": "season=spring"}, "X-SES-MESSAGE-TAGS", "season=spring, delivery=d_2e1"),
        ("postmark", {"X-PM-Tag": "spring"}, "X-PM-Tag", "spring"),
        ("postmark", {"X-PM-Tag": "spring"}, "X-PM-Metadata-delivery", "d.1"),
        (None, {"X-SMTPAPI": '{"category": "ü"}'}, "X-SMTPAPI", '{"category": "\\u00fc"}'),
        (None, {"X-Tag": "a" * 200}, "X-Tag", "a" * 200),
        (None, {"X-Tag": "Frühling"}, "X-Tag", "Frühling"),
    ],
)  # fmt: skip
def test_headers_of_providers_are_beside_the_delivery(
    provider: Any, headers: dict[str, str], name: str, value: str
) -> None:
    """SendGrid, Mailgun and SES read one header each, so the campaign's values and the delivery's id are in the same one."""
    mime = write(provider=provider, headers=headers)
    assert modern(mime).get_all(name) == [value]
    assert fast_mail_parser.parse_email(mime.data).headers[{n.lower(): n for n in modern(mime)}[name.lower()]] == [
        value
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-SMTPAPI": '{"to": ["x@y.example"]}'},
        {"X-SMTPAPI": "x"},
        {"Bcc": "x@y.example"},
        {"X-MSYS-API": '{"cc": []}'},
    ],
)
def test_rendered_headers_are_checked_again(headers: dict[str, str]) -> None:
    """What `apply` could not see is refused when it is sent, and quotes nothing."""
    for provider in ("sendgrid", None):
        with pytest.raises(Rejected, match="header_invalid"):
            write(provider=provider, headers=headers)
