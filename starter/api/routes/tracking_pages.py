"""Responses of tracked links: a pixel, a redirect, or one of a few pages; none may be cached."""

from __future__ import annotations

import base64
from enum import Enum

from fastapi import Response

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of 1 × 1 pixel."""

RETRY_AFTER_SECONDS = 30

_HEADERS = {
    "Cache-Control": "no-store, no-cache, private, max-age=0",
    "Pragma": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;margin:15vh auto;max-width:26rem;padding:0 1rem}}
button{{font:inherit;padding:.6rem 1.2rem}}</style></head>
<body><h1>{title}</h1><p>{words}</p>{form}</body></html>
"""
_FORM = '<form method="post"><button type="submit">Unsubscribe</button></form>'


class TrackingPage(Enum):
    """The pages, each with status, title, text and form. None reveals to whom the link was sent."""

    ASK = (200, "Unsubscribe?", "You will get no more of these messages.", _FORM)
    DONE = (200, "Unsubscribed", "You will get no more of these messages.", "")
    LATER = (503, "Not yet", "That did not work just now, and you are still subscribed. Please try again.", _FORM)
    UNKNOWN = (404, "Not found", "This link is not known. It may have been cut off on its way.", "")
    EXPIRED = (410, "Expired", "This link is too old.", "")


def page(which: TrackingPage) -> Response:
    """Return a page."""
    status, title, words, form = which.value
    headers = {**_HEADERS, "Content-Security-Policy": _PAGE_POLICY, "X-Frame-Options": "DENY"}
    if which is TrackingPage.LATER:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    body = _PAGE.format(title=title, words=words, form=form)
    return Response(body, status, headers, media_type="text/html")


def pixel(picture: bytes) -> Response:
    """Return the pixel."""
    return Response(
        picture, headers={**_HEADERS, "Cross-Origin-Resource-Policy": "cross-origin"}, media_type="image/gif"
    )


def redirect(location: str) -> Response:
    """Redirect to `location`, an absolute URL in printable ASCII; not cached, so that each click is recorded."""
    return Response(status_code=302, headers={**_HEADERS, "Location": location})
