"""Links in mails: what is replaced, and that nothing else is (design 9)."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.tracking.rewriting import is_web, rewrite_html, rewrite_text
from connector.tracking.text_links import hosts_in

OWN, UNSUBSCRIBE, PIXEL = "https://t.example/u/", "https://t.example/u/TOKEN", "\N{BALLOT BOX}"


class Book:
    """Gives links numbers that can be found again, and remembers their targets."""

    def __init__(self) -> None:
        self.links: list[tuple[int, str, str | None]] = []

    def link(self, number: int, url: str, alias: str | None) -> str:
        self.links.append((number, url, alias))
        return f"\N{ANCHOR}{number}\N{ANCHOR}"

    def rewrite(self, html: str) -> str:
        return rewrite_html(html, link=self.link, own=OWN, unsubscribe=UNSUBSCRIBE, pixel=PIXEL)


def rewritten(html: str) -> tuple[str, list[tuple[int, str, str | None]]]:
    book = Book()
    return book.rewrite(html), book.links


@pytest.mark.parametrize(
    ("html", "url", "alias"),
    [
        ('<a href="http://a.example">', "http://a.example", None),
        (
            "<A HREF='HTTPS://a.example/?a=1&amp;b=2' Data-Alias='a &amp; b'>x</A>",
            "HTTPS://a.example/?a=1&b=2",
            "a & b",
        ),
        ("<a\n\thref = https://a.example/x class=b>", "https://a.example/x", None),
        ("<a/href=https://a.example/x/>", "https://a.example/x/", None),
        ('<area shape=rect href="https://a.example" data-alias="">', "https://a.example", None),
        ('<a title="href=\'http://no.example\'" href=" https://a.example\n">', "https://a.example", None),
        ('<a href="https://a.example/1" href="https://a.example/2">', "https://a.example/1", None),
        ('<a href="https://a.example/ü ö">', "https://a.example/ü ö", None),
        ('<a data-alias="%s" href="https://a.example">' % ("x" * 256), "https://a.example", None),
        ('<a data-track="on" href="https://a.example">', "https://a.example", None),
        ('<div><p><a href="https://a.example"><b></a></div></p></x', "https://a.example", None),
        ('<![if !mso]><![foo[x]><a href="https://a.example">', "https://a.example", None),
        ('<!DOCTYPE html><?php?><a href="https://a.example">', "https://a.example", None),
    ],
)
def test_web_links_are_replaced(html: str, url: str, alias: str | None) -> None:
    """The address, in whatever way it is written, with its alias."""
    done, links = rewritten(html)
    assert links == [(0, url, alias)]
    assert "\N{ANCHOR}0\N{ANCHOR}" in done


@pytest.mark.parametrize(
    "html",
    [
        '<a href="mailto:a@b.example">',
        '<a href="tel:+4912345">',
        '<a href="#top">',
        '<a href="">',
        "<a href>",
        "<a>",
        '<a href="/relative">',
        '<a href="//a.example">',
        '<a href="javascript:alert(1)">',
        '<a href="sms:1?body=x">',
        '<a href="java&#10;script:alert(1)//http://a.example">',
        '<a href="data:text/html,http://a.example">',
        '<a href="https://a.example" data-track="off">',
        '<a DATA-TRACK=" OFF " href=https://a.example>',
        f'<a href="{OWN}abc">',
        '<a href="http://">',
        '<a href="https:///x">',
        '<a href="http:\\\\a.example">',
        '<a href="https://a.example/\nSet-Cookie: a=b">',
        '<a href="https://a.example/&#13;&#10;X: y">',
        '<a data-href="https://a.example">',
        '<link href="https://a.example">',
        '<base href="https://a.example">',
        '<img src="https://a.example/i.png">',
        '<form action="https://a.example">',
        "https://a.example",
        "<ahref=https://a>",
        '<abbr href="https://a.example">',
        '<!-- <a href="https://a.example"> -->',
        '<!-- <a href="https://a.example">',
        "<script>\"<a href='https://a.example'>\"</script>",
        '<style><a href="https://a.example"></style>',
        '<a href="https://a.example',
        "<a href='https://a.example\" >",
        "<p title=\"<a href='https://a.example'>\">",
        '<?x <a href="https://a.example"',
        "</a href='https://a.example'>",
        '<!x <a href="https://a.example"',
    ],
)
def test_everything_else_stays(html: str) -> None:
    """Other schemes, fragments, what is marked, what is no link, and what never ends."""
    done, links = rewritten(html)
    assert links == []
    assert done.replace(PIXEL, "") == html


def test_a_link_to_unsubscribe_gets_its_address() -> None:
    """`data-track="unsubscribe"` marks the author's own link for it, of whatever scheme."""
    html = '<a href="#" data-track="Unsubscribe">no more</a><a href="https://a.example">'
    done, links = rewritten(html)
    assert f'<a href="{UNSUBSCRIBE}" data-track="Unsubscribe">' in done
    assert links == [(0, "https://a.example", None)]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<body>x</body></html>", f"<body>x{PIXEL}</body></html>"),
        ("<body>x</BODY >y</body\n></html>", f"<body>x</BODY >y{PIXEL}</body\n></html>"),
        ("x", f"x{PIXEL}"),
        ("", PIXEL),
        ("x<!-- </body> -->", f"x<!-- </body> -->{PIXEL}"),
        ("<script>'</body>'</script>y", f"<script>'</body>'</script>y{PIXEL}"),
        ("</bodyx>", f"</bodyx>{PIXEL}"),
        ("x</body>\r\n<a href='https://a'>\r\n", f"x</body>\r\n<a href='\N{ANCHOR}0\N{ANCHOR}'>\r\n{PIXEL}"),
    ],
)
def test_where_the_pixel_goes(html: str, expected: str) -> None:
    """Before the last end of the body, else at the end of all."""
    assert rewritten(html)[0] == expected


def test_a_link_that_cannot_be_tracked_stays() -> None:
    """Its number stays taken, so that those of the others do not depend on it."""
    html = '<a href="https://a.example/1"><a href="https://a.example/2">'
    link = lambda number, url, alias: None if number == 0 else "NEW"  # noqa: E731
    done = rewrite_html(html, link=link, own=OWN, unsubscribe="", pixel="")
    assert done == '<a href="https://a.example/1"><a href="NEW">'


PIECES = st.sampled_from(
    [
        '<a href="',
        "<a href='",
        "<a href=",
        '" data-alias="cta">',
        "'>",
        ">",
        "<area ",
        "</a>",
        "</body>",
        "<body>",
        "https://a.example/?a=1&amp;b=2",
        "http://b.example",
        "mailto:x",
        ' data-track="off"',
        ' data-track="unsubscribe"',
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "<style>",
        "</style>",
        "<![",
        "]]>",
        "<!",
        "<?",
        "</",
        "<",
        "&",
        "&#x",
        "\0",
        "\r\n",
        "\n",
        "\r",
        "\t",
        " ",
        "=",
        '"',
        "'",
        "/",
        "é",
        "\u2028",
        "\x0b",
        "\x85",
        "<textarea>",
        "<title>",
        "<svg>",
    ]
)


@settings(max_examples=600, deadline=None)
@given(st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join))
@example("<a\rhref='https://a.example'>\r\n</body>")
@example("\x0b\x1c\u2028<a href='https://a.example'>")
def test_every_other_byte_stays(html: str) -> None:
    """Undo the replaced addresses and take the pixel out: what is left is the mail, however broken it is."""
    if any(sign in html for sign in ("\N{ANCHOR}", PIXEL, UNSUBSCRIBE)):
        return
    marks: list[str] = []

    def link(number: int, url: str, alias: str | None) -> str:
        marks.append(url)
        return f"\N{ANCHOR}{number}\N{ANCHOR}"

    kept = rewrite_html(html, link=lambda *_: None, own=OWN, unsubscribe="", pixel="")
    done = rewrite_html(html, link=link, own=OWN, unsubscribe=UNSUBSCRIBE, pixel=PIXEL)
    assert done.count(PIXEL) == 1
    bare = done.replace(PIXEL, "")
    # Walk both in step: between replaced places they are the same, and what was replaced was an attribute's value.
    at = 0
    for part in _split(bare):
        if part.startswith("\N{ANCHOR}") or part == UNSUBSCRIBE:
            at += _length_of_value(html, at)
            continue
        assert html.startswith(part, at)
        at += len(part)
    assert at == len(html)
    assert "data-track" in html.lower() or kept == html
    assert all(is_web(url) for url in marks)


def _split(text: str) -> list[str]:
    """The rewritten text in the parts that were replaced and those that were not."""
    return [part for part in re.split(f"(\N{ANCHOR}\\d+\N{ANCHOR}|{re.escape(UNSUBSCRIBE)})", text) if part]


def _length_of_value(html: str, at: int) -> int:
    """How long the attribute's value at this offset is: to the quote before it, else to space or bracket."""
    quote = html[at - 1]
    if quote in "\"'":
        return html.index(quote, at) - at
    end = at
    while end < len(html) and html[end] not in " \t\r\n\f\v>\x1c\x1d\x1e\x1f\x85\u2028\u2029\xa0":
        end += 1
    return end - at


LONG = 1_000_000


@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        "<a ",
        '<a href="',
        "<a href='https://a.example",
        "</",
        "<![",
        "<!",
        "<?",
        "<a x='",
        "<",
        "<a/",
        "&",
        "<script>",
        "</a",
        '<a ="',
        "<!-- --",
        "<p>\n",
        '<a href="https://a.example/x">y</a>',
        "</body>",
        "<a \n",
        "<a b='c\" ",
        "\"'",
        "]]>",
    ],
)
def test_broken_megabytes_take_no_more_time_than_others(piece: str) -> None:
    """A mail of a megabyte, made of what parsers go back on, is read once from end to end."""
    began = time.process_time()
    rewritten(piece * (LONG // len(piece)))
    assert time.process_time() - began < 20


def test_a_mail_of_five_megabytes() -> None:
    """Every link of it is replaced, and all else is as it was."""
    part = '<tr><td title="x > y"><a href="https://a.example/?p=1&amp;q=2">text</a>' + "é" * 400 + "</td></tr>\r\n"
    html = "<body>" + part * (5_000_000 // len(part)) + "</body>"
    done, links = rewritten(html)
    assert len(links) == html.count("<a ")
    undone = done.replace(PIXEL, "")
    for number in range(3):
        assert f'<a href="\N{ANCHOR}{number}\N{ANCHOR}">text' in undone


@pytest.mark.parametrize(
    ("text", "expected", "urls"),
    [
        ("Sale: https://a.example/s.", "Sale: L0.", ["https://a.example/s"]),
        (
            "(see http://a.example/x_(y)), or https://b.example?",
            "(see L0), or L1?",
            ["http://a.example/x_(y)", "https://b.example"],
        ),
        ("https://a.example/ü?b=1&c=2 x", "L0 x", ["https://a.example/ü?b=1&c=2"]),
        ("HTTPS://A.EXAMPLE!", "L0!", ["HTTPS://A.EXAMPLE"]),
        (f"stop: {OWN}abc mailto:a@b.example www.a.example http:// xhttp://a.example", None, []),
        ("javascript:alert('http')", None, []),
        ("https://a.example\nhttps://b.example", "L0\nL1", ["https://a.example", "https://b.example"]),
        ("", None, []),
    ],
)
def test_links_in_text_messages(text: str, expected: str | None, urls: list[str]) -> None:
    """Addresses as they stand in a sentence, without what punctuates it."""
    found: list[str] = []

    def link(number: int, url: str, _alias: str | None) -> str:
        found.append(url)
        return f"L{number}"

    assert rewrite_text(text, link=link, own=OWN) == (text if expected is None else expected)
    assert found == urls


@pytest.mark.parametrize(
    ("template", "hosts"),
    [
        (
            "Sale: https://Shop.example/s?x={{ user.id }}, and http://b.example:8080.",
            {"shop.example", "b.example:8080"},
        ),
        ("(https://a.example)", {"a.example"}),
        ("https://{{ event.host }}/ https://a.example{{ x }} https://a.{{ x }}.example/", set()),
        ("{{ user.first_name }} https://a.example{% if x %}/b{% endif %} https://a.example.{{ x }}", set()),
        ("https://ann@a.example/ https://evil.example\\@a.example/", {"ann@a.example", "evil.example\\@a.example"}),
    ],
)
def test_hosts_that_an_author_wrote_out(template: str, hosts: set[str]) -> None:
    """Whole hosts only: what data could go on, or begin, is not the author's."""
    assert hosts_in(template) == hosts
