"""Links in HTML: the URL is what a browser would open, whatever the quoting, the tag and the references.

"HTML" is the HTML Standard (html.spec.whatwg.org), by section. html5lib is the independent reading.
"""

from __future__ import annotations

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.rules.model.campaigns import Campaign
from connector.rules.model.html_source import decode_references, read_tags
from connector.templating.links import check_links
from connector.templating.liquid_bounds import ENVIRONMENTS
from connector.tracking.rewriting import rewrite_html
from tests.support.builders import original

HREFS: list[tuple[str, str, str]] = [
    # (the value as written, the URL, source)
    ("https://shop.example/pay?amount=10&currency=EUR", "https://shop.example/pay?amount=10&currency=EUR",
     "HTML 13.2.5.73: no reference without ';' before '=' or an alphanumeric; antoniandre/simple-syntax-highlighter#5"),
    ("https://shop.example/?a=1&amp;b=2", "https://shop.example/?a=1&b=2", "HTML 13.5; mozmeao/snippets#64"),
    ("https://shop.example/?a=1&b=2", "https://shop.example/?a=1&b=2", "HTML 13.2.5.72: an ambiguous ampersand"),
    ("https://shop.example/?a=1&copy=2", "https://shop.example/?a=1&copy=2", "HTML 13.2.5.73: before '='"),
    ("https://shop.example/?a=1&copy2", "https://shop.example/?a=1&copy2", "HTML 13.2.5.73: before a digit"),
    ("https://shop.example/?a=1&copyright", "https://shop.example/?a=1&copyright", "HTML 13.2.5.73: before a letter"),
    ("https://shop.example/?a=1&copy", "https://shop.example/?a=1©", "HTML 13.2.5.73: at the end it is a reference"),
    ("https://shop.example/?a=1&copy;=2", "https://shop.example/?a=1©=2", "HTML 13.2.5.73: with ';' it is one"),
    ("https://shop.example/?a=1&copy/2", "https://shop.example/?a=1©/2", "HTML 13.2.5.73: before another character"),
    ("https://shop.example/?a=1&copy&b", "https://shop.example/?a=1©&b", "HTML 13.2.5.73: before '&'"),
    ("https://shop.example/?a&section=1", "https://shop.example/?a&section=1", "HTML 13.2.5.73 (&sect)"),
    ("https://shop.example/?a&region=eu", "https://shop.example/?a&region=eu", "HTML 13.2.5.73 (&reg)"),
    ("https://shop.example/?a&param=1", "https://shop.example/?a&param=1", "HTML 13.2.5.73 (&para)"),
    ("https://shop.example/?a&notify=1", "https://shop.example/?a&notify=1", "HTML 13.2.5.73 (&not)"),
    ("https://shop.example/?a&order=1", "https://shop.example/?a&order=1", "HTML 13.2.5.73 (&ord without ';')"),
    ("https://shop.example/?a&lang=de", "https://shop.example/?a&lang=de", "HTML 13.5: &lang has no form without ';'"),
    ("https://shop.example/?a&times=1", "https://shop.example/?a&times=1", "HTML 13.2.5.73 (&times)"),
    ("https://shop.example/?a&yen=1", "https://shop.example/?a&yen=1", "HTML 13.2.5.73 (&yen)"),
    ("https://shop.example/?a&degree=1", "https://shop.example/?a&degree=1", "HTML 13.2.5.73 (&deg)"),
    ("https://shop.example/?a&amplify=1", "https://shop.example/?a&amplify=1", "HTML 13.2.5.73 (&amp)"),
    ("https://shop.example/?a&amp=1", "https://shop.example/?a&amp=1", "HTML 13.2.5.73: &amp before '='"),
    ("https://shop.example/?a&lt=1&gt=2", "https://shop.example/?a&lt=1&gt=2", "HTML 13.2.5.73"),
    ("https://shop.example/?a&quot=1", "https://shop.example/?a&quot=1", "HTML 13.2.5.73"),
    ("https://shop.example/?a&notit;b", "https://shop.example/?a&notit;b", "HTML 13.2.5.73: its own example"),
    ("https://shop.example/?a&notin;b", "https://shop.example/?a∉b", "HTML 13.2.5.73: its own example"),
    ("https://shop.example/?a&notin", "https://shop.example/?a&notin", "HTML 13.2.5.73: &not before 'i'"),
    ("https://shop.example/?a&amp;amp;b", "https://shop.example/?a&amp;b", "HTML 13.2.5.73: decoded once"),
    ("https://shop.example/?a&AMP;b", "https://shop.example/?a&b", "HTML 13.5: &AMP;"),
    ("https://shop.example/?a&Amp;b", "https://shop.example/?a&Amp;b", "HTML 13.5: names are case-sensitive"),
    ("https://shop.example/?a&nosuch;b", "https://shop.example/?a&nosuch;b", "HTML 13.2.5.74"),
    ("https://shop.example/?a&;b&", "https://shop.example/?a&;b&", "HTML 13.2.5.72"),
    ("https://shop.example/?a& b", "https://shop.example/?a& b", "HTML 13.2.5.72"),
    ("https://shop.example/?a&#38;b", "https://shop.example/?a&b", "HTML 13.2.5.78"),
    ("https://shop.example/?a&#38b=1", "https://shop.example/?a&b=1", "HTML 13.2.5.79: a number needs no ';', nowhere"),
    ("https://shop.example/?a&#x26;b", "https://shop.example/?a&b", "HTML 13.2.5.76"),
    ("https://shop.example/?a&#X26=1", "https://shop.example/?a&=1", "HTML 13.2.5.75"),
    ("https://shop.example/?a&#0000038;b", "https://shop.example/?a&b", "HTML 13.2.5.79: leading zeros"),
    ("https://shop.example/?a&#x;b", "https://shop.example/?a&#x;b", "HTML 13.2.5.76: no digits"),
    ("https://shop.example/?a&#;b", "https://shop.example/?a&#;b", "HTML 13.2.5.77: no digits"),
    ("https://shop.example/#a", "https://shop.example/#a", "HTML 13.2.5.72"),
    ("https://shop.example/?p=&#128;", "https://shop.example/?p=€", "HTML 13.2.5.80: windows-1252"),
    ("https://shop.example/?p=&#x99;", "https://shop.example/?p=™", "HTML 13.2.5.80: windows-1252"),
    ("https://shop.example/?p=&#0;", "https://shop.example/?p=\ufffd", "HTML 13.2.5.80: null"),
    ("https://shop.example/?p=&#xD800;", "https://shop.example/?p=\ufffd", "HTML 13.2.5.80: a surrogate"),
    ("https://shop.example/?p=&#x110000;", "https://shop.example/?p=\ufffd", "HTML 13.2.5.80: beyond Unicode"),
    ("https://shop.example/?p=&#xFFFE;", "https://shop.example/?p=\ufffe", "HTML 13.2.5.80: a noncharacter stays"),
    ("https://shop.example/?p=&#x1F600;", "https://shop.example/?p=😀", "HTML 13.2.5.80"),
    ("https://shop.example/?p=&acE;", "https://shop.example/?p=\u223e\u0333", "HTML 13.5: two characters"),
    ("&#104;ttps&colon;&sol;&sol;shop.example", "https://shop.example", "HTML 13.5: also in the scheme"),
    ("&nbsp;", "\u00a0", "HTML 13.5"),
    (f"https://shop.example/?p=&#{'9' * 5000};", "https://shop.example/?p=\ufffd",
     "HTML 13.2.5.80; python/cpython#95778: int() refuses more than 4,300 digits"),
    (f"https://shop.example/?p=&#x{'0' * 5000}26;", "https://shop.example/?p=&", "HTML 13.2.5.79"),
]  # fmt: skip
TAGS = [
    "<a href={}>",
    "<area href={}>",
    "<A HREF={} class=x>",
    "<a\n\thref\r\n=\f{} >",
    "<a/href={} href='https://shop.example/second'>",
    "<a title='>' href={}>",
    '<a title="<a href=x>"href={}>',
    "<p><!-- <a href=x> --><a = href={}>",
    "<title><a href=x></title><a href={}>",
    "<textarea><a href=x></textarea ><a href={}>",
    "<script><!-- '<a href=x>' --></script><a href={}>",
    "<!--><a href={}> -->",
    "<!-- --!><a href={}> -->",
    "</><a href={}>",
    "<![CDATA[><a href={}>",
    "< a><a href={}>",
]
QUOTES = ['"{}"', "'{}'", "{}"]


def signed(html: str) -> list[str]:
    """The targets of the tracked links of a mail."""
    found: list[str] = []
    rewrite_html(html, link=lambda _, url, __: found.append(url), own="https://t.example/u/", unsubscribe="", pixel="")
    return found


def opened(html: str) -> list[str]:
    """The values of the links' hrefs, as html5lib reads them."""
    tree = html5lib.parse(html, namespaceHTMLElements=False)
    return [element.get("href") for element in tree.iter() if element.tag in ("a", "area") and "href" in element.attrib]


@pytest.mark.parametrize(("written", "url", "source"), HREFS, ids=[row[0][:60] for row in HREFS])
@pytest.mark.parametrize("quotes", QUOTES)
def test_references_in_a_link(quotes: str, written: str, url: str, source: str) -> None:
    """A tracked link has the target of the author's link, in all three forms of quoting."""
    if quotes == "{}" and " " in written:
        return
    html = f"<a href={quotes.format(written)}>"
    [tag] = read_tags(html)
    assert tag.value("href") == url, source
    assert signed(html) == ([url] if url.startswith("https:") else [])
    if len(written) < 1000:  # html5lib fails as int() does
        assert opened(html) == [url], source


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("quotes", QUOTES)
def test_links_of_every_tag(quotes: str, tag: str) -> None:
    """HTML 13.2.5: the same value is read in every tag that browsers read, and in nothing else."""
    html = tag.format(quotes.format("https://shop.example/pay?amount=10&currency=EUR&amp;x"))
    assert signed(html)[:1] == opened(html)[:1] == ["https://shop.example/pay?amount=10&currency=EUR&x"]


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("&notit; &notin;", "¬it; ∉"),
        ("10&currency", "10¤cy"),
        ("&copy2", "©2"),
        ("&#x80;&#9;", "€\t"),
        ("& &a; &", "& &a; &"),
    ],
)
def test_references_in_a_text(text: str, decoded: str) -> None:
    """HTML 13.2.5.73: outside attributes a name needs no semicolon."""
    assert decode_references(text) == decoded
    assert html5lib.parseFragment(text, namespaceHTMLElements=False).text == decoded


@pytest.mark.parametrize("place", ["text", "html"])
def test_a_long_number_in_a_value_fails_no_message(place: str) -> None:
    """python/cpython#95778: a user's value of thousands of digits renders, whatever the filter."""
    for name in ("escape_once", "escape", "strip_html"):
        template = ENVIRONMENTS[place].from_string("{{ user.x | " + name + " }}")  # type: ignore[index]
        assert template.render(user={"x": f"&lt;&#{'9' * 5000};"}).startswith(("&lt;", "&amp;lt;"))


PIECES = st.sampled_from(
    ["&", "&amp", "&amp;", "&not", "&notin;", "&copy", "&currency", "&#", "&#x", "&#3", "&#128;", ";", "=", "a", "Z",
     "7", "é", " ", "\n", "\t", "\f", "/", ">", "<", "<a href=", "<a ", "<area href='", '"', "'", "<!--", "-->", "--!>",
     "<!", "<?", "</", "</a>", "<b>", "</title>", "</script>", "<i x=", "https://shop.example/", "-"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_links_are_read_as_html5lib_reads_them(pieces: str) -> None:
    """Whatever is written, the links of a mail and their values are those of an independent parser."""
    html = f"<a href=https://shop.example/{pieces}"
    ours = [tag.value("href") for tag in read_tags(html) if tag.name in ("a", "area") and not tag.is_end]
    assert [value for value in ours if value is not None] == opened(html)


@pytest.mark.parametrize(
    "html",
    [
        '<a href="&#104;ttps://{{ event.host }}/x">',
        '<a href="https&colon;//{{ event.host }}/x">',
        '<a href="https:&sol;&#47;{{ event.host }}/x">',
        '<a href="ht&NewLine;tps://{{ event.host }}/x">',
        '<form action="//{{ event.host }}/x">',
        "<button formaction={{ event.url }}>",
    ],
)
def test_hosts_from_user_data_are_found_behind_references(html: str) -> None:
    """HTML 13.2.5.73, URL Standard 4.4: a reference or a line break in a URL hides no host that user data sets."""
    campaign = Campaign.model_validate(original(messages={"email": {"subject": "s", "html": html}}))
    assert ["the host of a link comes from user data" in fault.problem for fault in check_links(campaign)] == [True]
