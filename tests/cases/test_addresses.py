"""Addresses have one form wherever they are stored, compared, suppressed and sent to; all others have a warning."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.app.context import AppContext, build_context
from connector.channels.mime import build_mime_message
from connector.channels.protocol import Address, OutgoingMessage
from connector.rules.model.addresses import (
    address_problem,
    address_warnings,
    canonical_address,
    domain_to_ascii,
    is_sendable,
    stored_address,
)
from connector.rules.model.users import User
from connector.rules.provider_events.events import EventKind
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.cli import run_command
from tests.support.api import open_client
from tests.support.installation import Installation
from tests.support.provider_event_harness import ProviderEventHarness, event

EMAILS: list[tuple[str, str, str]] = [
    # as given, as stored and sent to, source
    ("ada@straße.example", "ada@xn--strae-oqa.example", "UTS 46, deviation characters, non-transitional"),
    ("ada@faß.de", "ada@xn--fa-hia.de", "UTS 46, deviation characters; IdnaTestV2.txt"),
    ("ada@fass.de", "ada@fass.de", "IdnaTestV2.txt"),
    ("ada@βόλος.com", "ada@xn--nxasmm1c.com", "UTS 46, deviation characters (final sigma)"),
    ("ada@نامه\u200cای.com", "ada@xn--mgba3gch31f060k.com", "UTS 46, deviation characters (ZWNJ)"),
    ("ada@ශ්\u200dරී.com", "ada@xn--10cl1a0b660p.com", "UTS 46, deviation characters (ZWJ)"),
    ("ada@bücher.example", "ada@xn--bcher-kva.example", "UTS 46, ToASCII"),
    ("ada@Bücher.example", "ada@xn--bcher-kva.example", "UTS 46, section 4, step 1 (map)"),
    ("ada@BÜCHER.EXAMPLE", "ada@xn--bcher-kva.example", "UTS 46, section 4, step 1 (map)"),
    ("ada@bu\u0308cher.example", "ada@xn--bcher-kva.example", "UTS 46, section 4, step 2 (normalise)"),
    ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "RFC 5890, section 2.3.2.1"),
    ("ada@XN--BCHER-KVA.Example", "ada@xn--bcher-kva.example", "RFC 5890, section 2.3.2.1; RFC 4343"),
    ("ada@ｓｈｏｐ.example", "ada@shop.example", "UTS 46, section 4, step 1 (full-width letters)"),
    ("ada@shop．example", "ada@shop.example", "UTS 46, mapping table (U+FF0E)"),
    ("ada@日本語。ＪＰ", "ada@xn--wgv71a119e.jp", "UTS 46, examples of processing; IdnaTestV2.txt"),
    ("ada@shop｡example", "ada@shop.example", "UTS 46, mapping table (U+FF61)"),
    ("ada@sh\u00adop.example", "ada@shop.example", "UTS 46, mapping table (soft hyphen ignored)"),
    ("ada@ÖBB.at", "ada@xn--bb-eka.at", "UTS 46, ToASCII"),
    ("ada@Bloß.de", "ada@xn--blo-7ka.de", "UTS 46, examples of processing"),
    ("ada@u\u0308.com", "ada@xn--tda.com", "UTS 46, examples of processing"),
    ("ada@☕.us", "ada@xn--53h.us", "UTS 46, examples of processing (symbols)"),
    ("ada@xn--53h.us", "ada@xn--53h.us", "UTS 46, examples of processing (symbols)"),
    ("ada@例え.テスト", "ada@xn--r8jz45g.xn--zckzah", "RFC 5891; IANA, internationalised test domains"),
    ("ada@пример.испытание", "ada@xn--e1afmkfd.xn--80akhbyknj4f", "IANA, internationalised test domains"),
    ("ada@مثال.إختبار", "ada@xn--mgbh0fb.xn--kgbechtv", "IANA, internationalised test domains; RFC 5893"),
    ("ada@उदाहरण.परीक्षा", "ada@xn--p1b6ci4b4b3a.xn--11b5bs3a9aj6g", "IANA, internationalised test domains"),
    ("Ada.Lovelace@Shop.Example", "Ada.Lovelace@shop.example", "RFC 5321, section 2.4 (case of the local part)"),
    ("  ada@shop.example\r\n", "ada@shop.example", "behaviour: trimmed"),
    ("\ufeffada@shop.example\u200b", "ada@shop.example", "behaviour: trimmed"),
    ("\u00a0ada@shop.example\u3000", "ada@shop.example", "behaviour: trimmed"),
    ("ada@shop.example.", "ada@shop.example", "RFC 1034, section 3.1 (the root's dot)"),
    ("ada+news@shop.example", "ada+news@shop.example", "RFC 5322, section 3.2.3"),
    ("!#$%&'*+/=?^_`{|}~-@shop.example", "!#$%&'*+/=?^_`{|}~-@shop.example", "RFC 5322, section 3.2.3"),
    ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v", "RFC 6531, section 3.3"),
    ("Dörte@Sörensen.example", "Dörte@xn--srensen-90a.example", "RFC 6531; W3C, email in forms"),
    ("Do\u0308rte@shop.example", "D\u00f6rte@shop.example", "RFC 6532, section 3.1 (NFC)"),
    (f"{'a' * 64}@shop.example", f"{'a' * 64}@shop.example", "RFC 5321, section 4.5.3.1.1"),
    (f"a@{'b' * 63}.example", f"a@{'b' * 63}.example", "RFC 1035, section 2.3.4"),
    ("a@1.2.3.4", "a@1.2.3.4", "RFC 5321, section 4.1.2 (a domain of digits)"),
    ("a@3com.example", "a@3com.example", "RFC 1123, section 2.1"),
    ("a@x--y.example", "a@x--y.example", "RFC 5321, section 4.1.2; UTS 46, CheckHyphens=false"),
]
NOT_EMAILS: list[tuple[str, str]] = [
    ("nonsense", "RFC 5321, section 4.1.2"),
    ("@shop.example", "RFC 5321, section 4.1.2"),
    ("ada@", "RFC 5321, section 4.1.2"),
    ("ada", "RFC 5321, section 4.1.2"),
    ("ada at shop.example", "RFC 5321, section 4.1.2"),
    ("ada@shop@example", "RFC 5321, section 4.1.2"),
    ("ada..l@shop.example", "RFC 5321, section 4.1.2 (dot-string)"),
    (".ada@shop.example", "RFC 5321, section 4.1.2 (dot-string)"),
    ("ada.@shop.example", "RFC 5321, section 4.1.2 (dot-string)"),
    ("ada l@shop.example", "RFC 5321, section 4.1.2"),
    ("Ada <ada@shop.example>", "behaviour: one bare address"),
    ("ada@shop.example, ben@shop.example", "behaviour: one bare address"),
    ("mailto:ada@shop.example", "RFC 6068; behaviour: one bare address"),
    ('"ada l"@shop.example', "RFC 5321, section 4.1.2 allows it; quoted local parts are not supported"),
    ("ada@[192.0.2.1]", "RFC 5321, section 4.1.3 allows it; literals are not supported"),
    ("ada@-shop.example", "RFC 5321, section 4.1.2"),
    ("ada@shop-.example", "RFC 5321, section 4.1.2"),
    ("ada@my_shop.example", "RFC 5321, section 4.1.2; UTS 46, UseSTD3ASCIIRules"),
    ("ada@shop..example", "RFC 5321, section 4.1.2"),
    ("ada@sh op.example", "RFC 5321, section 4.1.2"),
    ("ada@xn--abc", "RFC 5891, section 4.2 (not an A-label)"),
    ("ada@xn--.example", "UTS 46, validity criteria"),
    ("ada@xn--u-ccb.com", "UTS 46, examples of processing (not in NFC)"),
    ("ada@a⒈com", "UTS 46, examples of processing (disallowed)"),
    ("ada@xn--a-ecp.ru", "UTS 46, examples of processing (disallowed)"),
    ("ada@xn--0.pt", "UTS 46, examples of processing (not Punycode)"),
    ("ada@a\u200cb.example", "RFC 5892, appendix A.1 (joiners)"),
    ("ada@אa.example", "RFC 5893, section 2 (bidi)"),
    ("ada@\u0301a.example", "RFC 5891, section 4.2.3.2 (leading combining mark)"),
    (f"{'a' * 65}@shop.example", "RFC 5321, section 4.5.3.1.1"),
    (f"a@{'b' * 64}.example", "RFC 1035, section 2.3.4"),
    (f"{'a' * 60}@{'.'.join(['b' * 60] * 4)}", "RFC 5321, section 4.5.3.1.3; erratum 1690 of RFC 3696"),
    ("ada\u200b@shop.example", "RFC 6532; an invisible character that no one can type again"),
    ("ada\x00@shop.example", "RFC 5321, section 4.1.2"),
]
NUMBERS: list[tuple[str, str, str]] = [
    ("+4915112345678", "+4915112345678", "ITU-T E.164"),
    ("+49 151 12345678", "+4915112345678", "ITU-T E.123, section 2.5"),
    ("+49 (0)151 12345678", "+4915112345678", "ITU-T E.123, section 7 (the national prefix is not dialled)"),
    ("+49 151/123-456.78", "+4915112345678", "ITU-T E.123; libphonenumber"),
    ("+49\u00a0151\u201112345678", "+4915112345678", "libphonenumber (no-break space and hyphen)"),
    ("+1 (415) 555-2671", "+14155552671", "NANP"),
    ("+1-202-555-0123", "+12025550123", "NANP"),
    ("tel:+1-201-555-0123", "+12015550123", "RFC 3966, section 3"),
    ("+44 (0)20 7946 0958", "+442079460958", "Ofcom, numbers for drama"),
    ("+39 06 698 12345", "+390669812345", "Italy keeps the zero; libphonenumber"),
    ("+7 (8) 916 123-45-67", "+79161234567", "libphonenumber"),
    ("+52 55 1234 5678", "+525512345678", "libphonenumber"),
    ("＋４９１５１１２３４５６７８", "+4915112345678", "Unicode decimal digits; libphonenumber"),
    ("+٤٩١٥١١٢٣٤٥٦٧٨", "+4915112345678", "Unicode decimal digits; libphonenumber"),
    ("+800 1234 5678", "+80012345678", "ITU-T E.164.1 (universal freephone)"),
    ("+15550100", "+15550100", "E.164 in form; the provider decides"),
    ("\u202a+4915112345678\u202c", "+4915112345678", "marks of direction that contacts' apps add"),
]
NOT_NUMBERS: list[tuple[str, str]] = [
    ("0151 123", "ITU-T E.164: no country code"),
    ("00491511234567", "ITU-T E.123: an international prefix depends on the country"),
    ("4915112345678", "ITU-T E.123: no plus"),
    ("+", "ITU-T E.164"),
    ("+1", "ITU-T E.164: a country code alone"),
    ("+0151123456", "ITU-T E.164: no country code begins with 0"),
    ("+999 123 4567", "ITU-T E.164: a country code that is not assigned"),
    ("+1234567890123456", "ITU-T E.164: more than 15 digits"),
    ("+1-800-FLOWERS", "ITU-T E.164: digits only"),
    ("+1 415 555 2671 ext. 5", "ITU-T E.164: an extension receives no texts"),
    ("call +4915112345678", "ITU-T E.164"),
    ("whatsapp:+4915112345678", "Twilio, another channel's addresses"),
    ("nonsense", "ITU-T E.164"),
    ("32665", "a short code, which sends and does not receive"),
]


@pytest.mark.parametrize(("given_text", "stored", "source"), EMAILS)
def test_an_email_address_is_stored_and_compared_in_one_form(given_text: str, stored: str, source: str) -> None:
    """A-labels by UTS 46; the case of ASCII letters does not matter when addresses are compared."""
    assert (stored_address("email", given_text), address_problem("email", given_text)) == (stored, None), source
    assert User(id="u", email=given_text).email == stored
    assert canonical_address("email", given_text) == canonical_address("email", stored)


@pytest.mark.parametrize(("given_text", "source"), NOT_EMAILS)
def test_other_texts_than_email_addresses_are_kept_with_a_warning(given_text: str, source: str) -> None:
    """It is stored as it was given, and cannot be sent to."""
    assert (stored_address("email", given_text), is_sendable("email", given_text)) == (given_text, False), source
    [warning] = address_warnings({"email": given_text, "phone": None})
    assert warning.startswith("email: is not")
    assert warning.endswith("it was stored, and email to it is dropped as unreachable")


@pytest.mark.parametrize(("given_text", "stored", "source"), NUMBERS)
def test_a_phone_number_is_stored_in_e164(given_text: str, stored: str, source: str) -> None:
    """Without separators, the national prefix, or other scripts' digits."""
    assert (stored_address("sms", given_text), address_problem("sms", given_text)) == (stored, None), source
    assert canonical_address("sms", given_text) == stored
    assert list(address_warnings({"phone": given_text})) == []


@pytest.mark.parametrize(("given_text", "source"), NOT_NUMBERS)
def test_other_texts_than_e164_are_kept_with_a_warning(given_text: str, source: str) -> None:
    """It is stored as it was given, and cannot be sent to."""
    assert (stored_address("sms", given_text), is_sendable("sms", given_text)) == (given_text, False), source
    [warning] = address_warnings({"phone": given_text})
    assert warning.startswith("phone: is not in E.164")


@given(st.text(max_size=40) | st.from_regex(r"\+[0-9 ()]{1,20}") | st.text("ab.-@ßüｘ。xn-é\u0308").map("a@".__add__))
def test_both_forms_are_their_own(text: str) -> None:
    """Storing and comparing twice changes nothing, whatever the text, and never fails."""
    for channel in ("email", "sms"):
        stored, compared = stored_address(channel, text), canonical_address(channel, text)
        assert stored_address(channel, stored) == stored
        assert canonical_address(channel, compared) == compared
        assert canonical_address(channel, stored) == compared or not is_sendable(channel, text)
        assert is_sendable(channel, stored) == is_sendable(channel, text)


def test_a_domain_without_a_dot_is_doubted_only() -> None:
    """Mail within one's own network goes to such names; RFC 5321, section 2.3.5, calls them local aliases."""
    assert is_sendable("email", "root@localhost")
    assert list(address_warnings({"email": "root@localhost"})) == [
        "email: the domain has no dot; it was stored, and email to it will probably be refused"
    ]


@pytest.mark.parametrize(("given_text", "sent_to", "source"), [row for row in EMAILS if len(row[0]) < 60])
def test_mail_is_sent_to_the_same_address(given_text: str, sent_to: str, source: str) -> None:
    """The envelope's recipient is the stored form, also of rows that nobody migrated."""
    address = Address("u", stored_address("email", given_text))
    content = {"subject": "Hi", "text": "there"}
    message = OutgoingMessage("d.email", "c", "email", address, content)
    sent = build_mime_message(message, sender="news@straße.example", at=datetime(2026, 3, 2, tzinfo=UTC))
    assert (sent.recipient, sent.sender) == (sent_to, "news@xn--strae-oqa.example"), source


@pytest.mark.parametrize("domain", ["", ".", "a..b", "\ud800.example", "a" * 300, "ａ" * 70 + ".example", "\x00"])
def test_no_domain_raises_one_error(domain: str) -> None:
    """A text that is not a domain raises ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - idna's messages differ
        domain_to_ascii(domain)


@pytest.fixture
async def api(sqlite_database: Database) -> AsyncIterator[tuple[httpx.AsyncClient, AppContext]]:
    """The API with a key."""
    context = build_context(Settings(), sqlite_database)
    async with open_client(context) as client:
        yield client, context


async def test_profiles_are_answered_with_warnings(api: tuple[httpx.AsyncClient, AppContext]) -> None:
    """PUT, PATCH and `users` beside interactions: stored, with a warning each; an empty text is no address."""
    client, bad = api[0], {"email": "nonsense", "phone": "0151 123", "first_name": "Ada"}
    put = (await client.put("/v1/users/u", json=bad)).json()
    assert (put["email"], put["phone"], put["first_name"], len(put["warnings"])) == ("nonsense", "0151 123", "Ada", 2)
    assert (await client.put("/v1/users/u", json=put)).status_code == 200
    patched = (await client.patch("/v1/users/u", json={"email": "Ada@STRASSE.example", "phone": ""})).json()
    assert (patched["email"], patched["phone"], "warnings" in patched) == ("Ada@strasse.example", None, False)
    numbered = (await client.patch("/v1/users/u", json={"phone": 4915112345678})).json()
    assert (numbered["phone"], len(numbered["warnings"])) == ("4915112345678", 1)
    assert (await client.patch("/v1/users/u", json={"phone": True})).status_code == 422
    batch = {"interactions": [], "users": [{"id": "v", **bad}, {"id": "w", "email": "w@shop.example"}]}
    [first, second] = (await client.post("/v1/interactions", json=batch)).json()["users"]
    assert (first["status"], len(first["warnings"]), "warnings" in second) == ("accepted", 2, False)


@pytest.mark.parametrize("spelling", ["ada@xn--bcher-kva.example", "ADA@Bücher.example", "ada@ｂücher。example"])
async def test_a_bounce_suppresses_every_spelling(installation: Installation, spelling: str) -> None:
    """A hard bounce applies to every user with the address, now and later, under any of its spellings."""
    harness = ProviderEventHarness(installation)
    await harness.save_users(User(id="u", email="ada@bücher.example"))
    await harness.ingest(event(EventKind.BOUNCED, permanent=True, recipient=spelling))
    await harness.save_users(User(id="later", email="Ada@BÜCHER.example"))
    for id in ("u", "later"):
        assert (await harness.find_user(id)).unreachable.keys() == {"email"}


@pytest.mark.parametrize(
    ("channel", "field", "text", "state"),
    [
        ("email", "email", "nonsense", "dropped unreachable"),
        ("email", "email", "ada@straße.example", "sent None"),
        ("sms", "phone", "0151 123", "dropped unreachable"),
        ("sms", "phone", "+49 (0)151 1234567", "sent None"),
    ],
)
def test_simulate_warns_and_drops(
    channel: str, field: str, text: str, state: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The warning goes to standard error, and the follow-up ends as `unreachable`."""
    content = {"email": {"subject": "Hi", "text": "there"}, "sms": {"body": "Hi"}}[channel]
    trigger = {"interaction": "open_email", "campaign": "o"}
    follow_on = {
        "campaign": "f", "delivery": {"type": "action_based", "trigger": [trigger]}, "messages": {channel: content},
    }  # fmt: skip
    campaigns, timeline = tmp_path / "campaigns.yaml", tmp_path / "timeline.jsonl"
    campaigns.write_text(f"campaign: o\ndelivery: {{type: external}}\n---\n{json.dumps(follow_on)}\n")
    lines: list[dict[str, Any]] = [
        {"user": {"id": "u", field: text}},
        {"publish": ["o", "f"]},
        {"interaction": {"id": "e", "user": "u", "type": "open_email", "campaign": "o"}},
    ]
    timeline.write_text("".join(json.dumps({"at": "2026-03-02T12:00:00Z", **line}) + "\n" for line in lines))
    code = run_command(["simulate", "--campaigns", str(campaigns), "--timeline", str(timeline), "--json"])
    printed = capsys.readouterr()
    outcome = json.loads(printed.out)
    assert (code, f"{outcome['state']} {outcome['reason']}") == (0, state), printed.err
    assert (f"user 'u': {field}: is not" in printed.err) == (state != "sent None")
