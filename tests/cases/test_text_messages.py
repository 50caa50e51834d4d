"""Text messages: the offsets of links, short links with text appended, and the number of segments of a text."""

# ruff: noqa: E501 - a row of a table is one line

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.rules.model.campaigns import Campaign
from connector.rules.model.segments import SegmentCount, count_segments
from connector.settings.application import Settings
from connector.settings.tracking import TrackingSettings
from connector.tracking.rewriting import rewrite_text
from connector.tracking.text_links import hosts_in, leads_to
from connector.tracking.tokens import LinkKind, OwnLinks, Token, TokenInvalid, Tokens
from starter.operations.text_sizes import TextSize, measure_texts
from tests.support.builders import original

URL = "https://shop.example/ab"
WIKI = "https://en.wikipedia.org/wiki/Foo_(bar)"
APPENDIX = "RFC 3986, appendix C: white space and delimiters"
UTS = "UTS 58, Link_Term"

LINKS: list[tuple[str, list[str], str]] = [
    # (the text, its links, source); first what follows a link
    *((f"{URL}{space}jetzt", [URL], f"{APPENDIX}; {UTS}=Hard: White_Space")
      for space in " \t\n\r\x0b\x0c\x85\u00a0\u1680\u2000\u2003\u2007\u2009\u200a\u2028\u2029\u202f\u205f\u3000"),
    *((f"{URL}{sign}jetzt", [URL], f"{UTS}=Hard: controls and invisible characters")
      for sign in "\x00\x1f\x7f\u200b\u200e\u200f\u202a\u202c\u2060\u2066\u2069\ufeff\u00ad\ue000"),
    *((f"Sale: {URL}{mark} Jetzt", [URL], f"{UTS}=Soft")
      for mark in ".,;:!?'…‚"),
    *((f"Sale: {URL}{mark}", [URL], f"{UTS}=Soft, at the end")
      for mark in [".", ",", "!", "?!", "...", "…", "?)", "!”", ".\u201d", "\u2019", "'", '"', "»", ".«", "“", "’.", ">"]),
    *((f"见{URL}{mark}谢谢", [URL], "ubugeeei-prod/ox-content#1138, tiann/hapi#478, github/cmark-gfm#153")
      for mark in "。，、！？；：．）］】」』》〉〕｝｡､｣“”"),
    *((f"见{URL}{mark}谢谢", [URL], "openchamber/openchamber#3039, nfrasser/linkifyjs#82") for mark in "（［【「『《〈〔｛｢"),
    *((f"{URL}{mark} x", [URL], f"{UTS}=Soft: full stops of other scripts")
      for mark in "؟،؛۔।॥։։჻።፣។៖၊။᠂᙮"),
    *((f"{opening}{URL}{closing} x", [URL], f"{APPENDIX}; {UTS}=Close") for opening, closing in
      ["()", "[]", "{}", "<>", "«»", "»«", "“”", "„“", "‘’", "‚‘", "‹›", "「」", "（）", "【】", '""', "''", "``"]),
    (f"({URL})。", [URL], "github/cmark-gfm#153"),
    (f"({URL})0", [URL], "github/cmark-gfm#153"),
    (f"[{URL}]0", [URL], "github/cmark-gfm#153"),
    (f"[Sale]({URL}), now", [URL], UTS),
    (f"({URL}).", [URL], UTS),
    # what belongs to a link
    (WIKI, [WIKI], f"{UTS}: matched brackets; GFM 6.9"),
    (f"({WIKI})", [WIKI], "nfrasser/linkifyjs#460"),
    (f"(see {WIKI}).", [WIKI], "GFM 6.9"),
    (f"（{WIKI}）", [WIKI], "nfrasser/linkifyjs#460"),
    (f"{WIKI}_(again)", [f"{WIKI}_(again)"], "nfrasser/linkifyjs#460"),
    (f"{URL}?a[]=1&b[x]=2", [f"{URL}?a[]=1&b[x]=2"], f"{UTS}: matched brackets"),
    (f"{URL}/{{id}}", [f"{URL}/{{id}}"], f"{UTS}: matched brackets"),
    (f"{URL}(", [URL], f"{UTS}=Open, never closed"),
    (f"{URL}/a,b;c.d:e!f?g='h'&i", [f"{URL}/a,b;c.d:e!f?g='h'&i"], f"{UTS}=Soft, inside"),
    (f"{URL}/x-", [f"{URL}/x-"], "RFC 3986, 2.3: unreserved"),
    (f"{URL}/x_", [f"{URL}/x_"], "RFC 3986, 2.3: unreserved"),
    (f"{URL}/~x*$+=@%20", [f"{URL}/~x*$+=@%20"], "RFC 3986, 3.3"),
    (f"{URL}/#", [f"{URL}/#"], "RFC 3986, 3.5"),
    ("https://de.example/größe?maß=ß", ["https://de.example/größe?maß=ß"], f"{UTS}=Include; RFC 3987"),
    ("https://ja.wikipedia.org/wiki/アルベルト・アインシュタイン へ", ["https://ja.wikipedia.org/wiki/アルベルト・アインシュタイン"],
     "L2/24-122, Linkification of URLs: its first example"),
    ("https://fa.example/می\u200cخواهم x", ["https://fa.example/می\u200cخواهم"], "RFC 5892, A.1: joiners in words"),
    ("https://en.example/2019–20 x", ["https://en.example/2019–20"], f"{UTS}=Include: a dash in a title"),
    ("https://fr.example/L’été.", ["https://fr.example/L’été"], f"{UTS}=Soft, inside"),
    ("HTTPS://SHOP.EXAMPLE!", ["HTTPS://SHOP.EXAMPLE"], "RFC 3986, 3.1: schemes in either case"),
    ("http://shop.example:8080/a.", ["http://shop.example:8080/a"], "RFC 3986, 3.2.3"),
    # where a link begins
    *((f"{before}{URL}", [URL], "gregjacobs/Autolinker.js#394; the scheme begins a link whatever script stands before it")
      for before in ["请点击", "こちら→", "지금", "คลิก", "смотри", "链接：", "链接:", "é", "ß", "(", "“", "-", "…", "（", "\u00a0", "😀"]),
    (f"x{URL}", [], "RFC 3986, 3.1: another scheme"),
    (f"9{URL} _{URL}", [], "RFC 3986, 3.1; GFM 6.9"),
    (f"{URL} {URL}/2", [URL, f"{URL}/2"], APPENDIX),
    (f"{URL}，{URL}/2。", [URL, f"{URL}/2"], "nfrasser/linkifyjs#82"),
    (f"《一尺闲梦》当当网{URL}《一尺闲梦》亚马逊{URL}/2", [URL, f"{URL}/2"], "nfrasser/linkifyjs#82"),
    ("https:// http:// https://) https://.", [], "no host"),
    ("www.shop.example shop.example ftp://shop.example", [], "docs/tracking.md: only http and https"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "links", "source"), LINKS)
def test_links_in_a_text(text: str, links: list[str], source: str) -> None:
    """A link is found with any text around it, and the other text does not change."""
    found: list[str] = []

    def link(number: int, url: str, _alias: str | None) -> str:
        found.append(url)
        return f"\N{ANCHOR}{number}"

    done = rewrite_text(text, link=link, own="https://t.example/u/")
    assert found == links, source
    for number, url in enumerate(links):
        done = done.replace(f"\N{ANCHOR}{number}", url, 1)
    assert done == text


@pytest.mark.parametrize(
    ("template", "rendered", "is_authors"),
    [
        ("请点击https://shop.example/a", "https://shop.example/a", True),
        ("https://shop.example。谢谢", "https://shop.example", True),
        ("https://shop.example\u00a0jetzt", "https://shop.example", True),
        ("(https://shop.example)", "https://shop.example", True),
        ("https://shop.example, {{ user.x }}", "https://shop.example", True),
        ("https://shop.example{{ user.x }}", "https://shop.example.evil.example", False),
        ("https://shop.example.{{ user.x }}", "https://shop.example.evil.example", False),
        ("https://shop.example({{ user.x }})", "https://shop.example(x.evil.example/)", False),
        ("https://shop.example/{{ user.x }}", "https://shop.example@evil.example/", False),
        ("https://shop.example/{{ user.x }}", "https://shop.example\\.evil.example/", False),
    ],
)
def test_hosts_that_an_author_wrote(template: str, rendered: str, is_authors: bool) -> None:
    """A link is signed only if the template contains its whole host, in texts of every script."""
    assert leads_to(rendered, hosts_in(template)) == is_authors


AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
TOKENS = Tokens(["a secret that only the tests know, and long"], "default", lifetime=timedelta(days=400))


@given(st.integers(0, 0xFFFF), st.sampled_from(["/", "/s", "/sa", "/sal", "/sale"]))
def test_no_token_ends_with_a_dash(number: int, path: str) -> None:
    """UTS 58 and the link detection of phones: a link that ends with "-" or "_" may lose its end."""
    for kind in (LinkKind.SHORT, LinkKind.CLICK):
        token = Token(kind, "0123456789abcdef0123456789.sms", number, None, f"https://shop.example{path}")
        text = TOKENS.write(token, at=AT)
        assert text[-1].isalnum()
        assert TOKENS.read(text, kind, at=AT) == token


def _token_with_filler() -> tuple[Token, str]:
    for number in range(1000):
        token = Token(LinkKind.SHORT, "0123456789abcdef0123456789.sms", number, None, "https://shop.example/sa")
        text = TOKENS.write(token, at=AT)
        if len(text) % 4 == 1:
            return token, text
    raise AssertionError("no token ends with a dash before its filler")


def test_links_that_were_sent_before_go_on_working() -> None:
    """A token without the filler is what earlier releases wrote; with any other filler it is forged."""
    token, text = _token_with_filler()
    assert text[-2:] in ("-0", "_0")
    assert TOKENS.read(text[:-1], LinkKind.SHORT, at=AT) == token
    for forged in (text[:-1] + "1", text + "0", text[:-2] + "0", text[:-1] + "-"):
        with pytest.raises(TokenInvalid):
            TOKENS.read(forged, LinkKind.SHORT, at=AT)


@pytest.mark.parametrize(
    "appended",
    ["", ".", ")", ").", " ", "%20", "%20jetzt", "&amp;x=1", "&x=1", ",", "!", "?x=1", "#a", "\u00a0jetzt", "。", "”", "…", '"', "'",
     ">", "]", "*", "~", "=", "==", ";", ":", "|", "\\", "\r\n", "%C2%A0", "%E3%80%82", "/", "/x"],
)  # fmt: skip
@pytest.mark.parametrize("kind", [LinkKind.CLICK, LinkKind.SHORT, LinkKind.UNSUBSCRIBE])
def test_text_appended_to_a_link_changes_nothing(kind: LinkKind, appended: str) -> None:
    """RFC 3986, appendix C: programs that find links take along what follows; the token ends where its alphabet does."""
    url = None if kind is LinkKind.UNSUBSCRIBE else "https://shop.example/a"
    token = Token(kind, "0123456789abcdef0123456789.sms", 0, None, url)
    text = TOKENS.write(token, at=AT)
    assert TOKENS.read_link(text + appended, kind, at=AT) == token
    assert OwnLinks(TOKENS, "https://t.example").read(f"https://t.example/{kind}/{text}{appended}", AT) == token


@pytest.mark.parametrize("changed", ["x", "0", "A"])
def test_a_changed_token_is_no_link(changed: str) -> None:
    """Text that is appended in the token's own alphabet cannot be distinguished from the token."""
    text = TOKENS.write(Token(LinkKind.UNSUBSCRIBE, "d"), at=AT)
    with pytest.raises(TokenInvalid):
        TOKENS.read_link(text + changed, LinkKind.UNSUBSCRIBE, at=AT)
    assert OwnLinks(TOKENS, "https://t.example").read(f"https://t.example/u/{text}{changed}", AT) is None


GSM, UCS = "GSM-7", "UCS-2"
TABLE = "3GPP TS 23.038, 6.2.1"
EXTENDED = "3GPP TS 23.038, 6.2.1.1"
PARTS = "3GPP TS 23.040, 9.2.3.24.1"
SEGMENTS: list[tuple[str, SegmentCount, str]] = [
    ("", SegmentCount(GSM, 0, 1), TABLE),
    ("a", SegmentCount(GSM, 1, 1), TABLE),
    ("a" * 160, SegmentCount(GSM, 160, 1), "3GPP TS 23.038, 6.1.2.1: 160 septets in 140 octets"),
    ("a" * 161, SegmentCount(GSM, 161, 2), PARTS),
    ("a" * 306, SegmentCount(GSM, 306, 2), f"{PARTS}: 153 in each"),
    ("a" * 307, SegmentCount(GSM, 307, 3), PARTS),
    ("a" * 459, SegmentCount(GSM, 459, 3), PARTS),
    ("a" * 460, SegmentCount(GSM, 460, 4), PARTS),
    *((letter * 160, SegmentCount(GSM, 160, 1), TABLE) for letter in "äöüßÄÖÜñÑéèàùìòÇåÅæÆøØÉ£¥§¿¡¤ΔΦΓΛΩΠΨΣΘΞ@$_\n\r"),
    *((letter * 71, SegmentCount(UCS, 71, 2), f"{TABLE}: not in it") for letter in "çáíóúâêôõãëïÀÈÁÍłşğışčžАΑ請中あ가\t`’“–…•™©"),
    *((letter * 80, SegmentCount(GSM, 160, 1), EXTENDED) for letter in "^{}\\[~]|€\f"),
    ("€" * 81, SegmentCount(GSM, 162, 2), f"{EXTENDED}; {PARTS}"),
    ("a" * 159 + "€", SegmentCount(GSM, 161, 2), f"{EXTENDED}; Nexmo/nexmo-developer#1866"),
    ("]" * 153, SegmentCount(GSM, 306, 3), "TwilioDevEd/message-segment-calculator#39: an escape is not cut off"),
    ("a" * 152 + "€" + "a" * 152, SegmentCount(GSM, 306, 3), f"{PARTS}: an escape is not cut off"),
    ("a" * 151 + "€" + "a" * 153, SegmentCount(GSM, 306, 2), PARTS),
    ("é" * 69 + "’", SegmentCount(UCS, 70, 1), "3GPP TS 23.038, 6.2.3: 70 units in 140 octets"),
    ("é" * 70 + "’", SegmentCount(UCS, 71, 2), f"{PARTS}: 67 in each"),
    ("中" * 134, SegmentCount(UCS, 134, 2), PARTS),
    ("中" * 135, SegmentCount(UCS, 135, 3), PARTS),
    ("中" * 201, SegmentCount(UCS, 201, 3), PARTS),
    ("😀" * 35, SegmentCount(UCS, 70, 1), "TwilioDevEd/message-segment-calculator#5: surrogates"),
    ("😀" * 36, SegmentCount(UCS, 72, 2), f"{PARTS}: 33 whole pairs in the first"),
    ("😀" * 67, SegmentCount(UCS, 134, 3), f"{PARTS}: a pair is not cut"),
    ("a" * 66 + "😀" + "a" * 66, SegmentCount(UCS, 134, 3), f"{PARTS}: a pair is not cut"),
    ("]" * 69 + "∞", SegmentCount(UCS, 70, 1), "TwilioDevEd/message-segment-calculator#57: no escapes in UCS-2"),
    ("this is a " + "]" * 74 + "😘", SegmentCount(UCS, 86, 2), "TwilioDevEd/message-segment-calculator#18"),
    ("I\u0332F\u0332", SegmentCount(UCS, 4, 1), "TwilioDevEd/message-segment-calculator#28: combining characters"),
    ("👨‍👩‍👧", SegmentCount(UCS, 8, 1), "3GPP TS 23.038, 6.2.3"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "count", "source"), SEGMENTS, ids=[f"{s[:8]!r}x{c.units}" for s, c, _ in SEGMENTS])
def test_segments(text: str, count: SegmentCount, source: str) -> None:
    """A text has as many segments as a carrier charges for."""
    assert count_segments(text) == count, source


@given(st.text(st.sampled_from("aé€]ç中😀\n")) | st.text())
def test_segments_hold_every_character(text: str) -> None:
    """No segment is overfull, and only the last units of one stay empty."""
    count = count_segments(text)
    single, part = (160, 153) if count.encoding == GSM else (70, 67)
    if count.units <= single:
        assert count.segments == 1
    else:
        assert -(-count.units // part) <= count.segments <= -(-count.units // (part - 1))


def test_the_alphabet_is_complete() -> None:
    """3GPP TS 23.038, 6.2.1 and 6.2.1.1: 127 characters besides the escape, and ten of the extension table."""
    one_by_one = {character: count_segments(character) for character in map(chr, range(0x3000))}
    sizes = [count.units for count in one_by_one.values() if count.encoding == GSM]
    assert (sizes.count(1), sizes.count(2)) == (127, 10)


def sizes(body: str, **tracking: Any) -> list[TextSize]:
    campaign = Campaign.model_validate(original(messages={"sms": {"body": body}}))
    return measure_texts([campaign], Settings(tracking=TrackingSettings(**tracking)), AT)


def test_links_are_counted_as_long_as_they_are_sent() -> None:
    """A tracked link is the one that carriers see, whether it is shorter or longer than the author's."""
    tracking = {"url": "https://t.example", "secrets": ["a secret that only the tests know, and long"]}
    body = "Sale: https://shop.example/" + "spring/" * 40
    [plain], [tracked] = sizes(body), sizes(body, **tracking)
    assert (plain.units, plain.segments, plain.links) == (len(body), 3, 1)
    assert (tracked.segments, tracked.links, tracked.depends_on_values) == (1, 1, False)
    [with_value] = sizes("Hi {{ user.first_name | default: 'you' }}", **tracking)
    assert (with_value.units, with_value.links, with_value.depends_on_values) == (len("Hi you"), 0, True)


def test_a_text_that_does_not_render_has_no_size() -> None:
    """W7: a template may abort its message if a value is missing; then there is nothing to count."""
    assert sizes("{% if user.first_name == blank %}{% abort_message %}{% endif %}Hi") == []
    assert [size.segments for size in sizes("")] == [1]
