"""Tracked links put in the place of those that a message has. All other bytes stay as they were."""

from __future__ import annotations

import re
from collections.abc import Callable, Set

from connector.tracking.anchors import Anchor, find_anchors

Link = Callable[[int, str, str | None], str | None]
"""From a link's number, target and alias to the tracked link; None: the link stays."""

_WEB = re.compile(r"https?://[^\x00-\x20\x7f/?#][^\x00-\x1f\x7f]*", re.IGNORECASE)
_IN_TEXT = re.compile(r"\bhttps?://[^\x00-\x20\x7f\"<>]+", re.IGNORECASE)
_HOST = re.compile(r"\bhttps?://([^\x00-\x20\x7f\"<>/?#{}]+)(?=[\s\"<>/?#]|\Z)", re.IGNORECASE)
_AFTER = ".,;:!?'\")]}…»”’"
_LONGEST_ALIAS = 255


def is_web(url: str) -> bool:
    """Whether this is an address that a redirect may lead to: http or https, with a host, on one line."""
    return _WEB.fullmatch(url) is not None


def rewrite_html(html: str, *, link: Link, own: str, unsubscribe: str, pixel: str) -> str:
    """The mail with its links replaced and the pixel added.

    Only the values of `href` are replaced, of `<a>` and `<area>` that lead to http or https. Links with
    `data-track="off"` stay, and so do those to `own`; those with `data-track="unsubscribe"` lead to `unsubscribe`.

    Args:
        own: what our own addresses begin with.
        pixel: the element that goes before the last `</body>`, or to the end.
    """
    anchors, body_end = find_anchors(html)
    parts, at, number = [], 0, 0
    for anchor in anchors:
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


def hosts_in(text: str) -> frozenset[str]:
    """The hosts of a text's addresses, with their ports, in lower case; of a template, those without any markup."""
    return frozenset(_without_end(host).lower() for host in _HOST.findall(text))


def leads_to(url: str, hosts: Set[str]) -> bool:
    """Whether the address is surely one of these hosts' (as `hosts_in` gives them)."""
    found = _HOST.match(url)
    return found is not None and found[1].lower() in hosts


def rewrite_text(text: str, *, link: Link, own: str) -> str:
    """A text message with its addresses replaced; what punctuates the sentence after one stays."""
    number = -1

    def replaced(match: re.Match[str]) -> str:
        nonlocal number
        url = _without_end(match[0])
        if url.startswith(own) or not is_web(url):
            return match[0]
        number += 1
        return (link(number, url, None) or url) + match[0][len(url) :]

    return _IN_TEXT.sub(replaced, text)


def _is_tracked(anchor: Anchor, own: str) -> bool:
    return anchor.track != "off" and is_web(anchor.href) and not anchor.href.startswith(own)


def _alias(alias: str | None) -> str | None:
    """An alias as conditions can name it: one that is longer, or holds a null, is none."""
    return alias if alias and len(alias) <= _LONGEST_ALIAS and "\0" not in alias else None


def _without_end(url: str) -> str:
    """The address without what closes the sentence; a bracket that opens in it closes in it."""
    while url and url[-1] in _AFTER and not (url[-1] == ")" and "(" in url and url.count("(") >= url.count(")")):
        url = url[:-1]
    return url
