"""Read HTML in time linear in its length, however broken it is."""

from __future__ import annotations

from html.parser import HTMLParser

from liquid.utils.html import StripParser


class LinearHtmlParser(HTMLParser):
    """Reads a whole source at once. A construct that is not closed extends to the source's end, as in browsers.

    The standard library retries an unclosed construct at every later "<", which takes quadratic time.
    """

    def parse_starttag(self, i: int) -> int:
        """Parse a start tag at an offset, and return the offset after it."""
        return self._close_at_end(super().parse_starttag(i))

    def parse_endtag(self, i: int) -> int:
        """Parse an end tag at an offset, and return the offset after it."""
        return self._close_at_end(super().parse_endtag(i))

    def parse_comment(self, i: int, report: bool = True) -> int:
        """Parse a comment at an offset, and return the offset after it."""
        return self._close_at_end(super().parse_comment(i, report))

    def parse_pi(self, i: int) -> int:
        """Parse a processing instruction at an offset, and return the offset after it."""
        return self._close_at_end(super().parse_pi(i))

    def parse_html_declaration(self, i: int) -> int:
        """Parse a declaration at an offset, and return the offset after it."""
        if self.rawdata.startswith("<![", i):  # the standard library fails on unknown keywords here
            return self._close_at_end(self.parse_bogus_comment(i))
        return self._close_at_end(super().parse_html_declaration(i))

    def _close_at_end(self, k: int) -> int:
        return k if k >= 0 else len(self.rawdata)


class _TextReader(LinearHtmlParser, StripParser):
    """Collects the text between the tags."""


def strip_tags(html: str) -> str:
    """Return the text of an HTML source, without its tags, comments, scripts and styles."""
    reader = _TextReader()
    reader.feed(html)
    reader.close()
    return reader.get_data()
