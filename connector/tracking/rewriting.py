"""Replacing a message's links with tracked links. All other bytes stay unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable

from connector.tracking.anchors import Anchor, find_parts
from connector.tracking.text_links import replace_links

TrackLink = Callable[[int, str, str | None], str | None]
"""Returns the tracked link for a link's number, target and alias; None: the link stays unchanged."""

_WEB = re.compile(r"https?://[^\x00-\x20\x7f/?#][^\x00-\x1f\x7f]*", re.IGNORECASE)
_MAX_ALIAS_CHARACTERS = 255


def is_web(url: str) -> bool:
    """Return whether a redirect may lead to this URL: http or https, with a host, on one line."""
    return _WEB.fullmatch(url) is not None


def rewrite_html(html: str, *, link: TrackLink, own: str, unsubscribe: str, pixel: str) -> str:
    """Return the mail with its links replaced and the pixel added.

    Only `href` values of `<a>` and `<area>` with http or https are replaced. Links with `data-track="off"` and links
    to `own` stay; links with `data-track="unsubscribe"` become `unsubscribe`.

    Args:
        own: the prefix of our own URLs.
        pixel: the element that is inserted before the last `</body>`, or at the end.
    """
    mail = find_parts(html)
    body_end, parts, at, number = mail.body_end, [], 0, 0
    for anchor in mail.anchors:
        if anchor.track == "unsubscribe":
            target: str | None = unsubscribe
        elif _is_tracked(anchor, own):
            target, number = link(number, anchor.href, _alias(anchor.alias)), number + 1
        else:
            continue
        if target is not None:
            parts += [html[at : anchor.start], target]
            at = anchor.end
    if at > body_end:  # a body that ends before its links do
        body_end = len(html)
    return "".join([*parts, html[at:body_end], pixel, html[body_end:]])


def rewrite_text(text: str, *, link: TrackLink, own: str) -> str:
    """Return a text message with its URLs replaced; punctuation after a URL stays."""
    number = -1

    def replace(url: str) -> str:
        nonlocal number
        if url.startswith(own) or not is_web(url):
            return url
        number += 1
        return link(number, url, None) or url

    return replace_links(text, replace)


def _is_tracked(anchor: Anchor, own: str) -> bool:
    return anchor.track != "off" and is_web(anchor.href) and not anchor.href.startswith(own)


def _alias(alias: str | None) -> str | None:
    """Return an alias that conditions can name; a longer one, or one with a null character, counts as none."""
    return alias if alias and len(alias) <= _MAX_ALIAS_CHARACTERS and "\0" not in alias else None
