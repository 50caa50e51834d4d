"""The security headers of every answer of the console.

The policy of pages is as strict as NiceGUI permits. Scripts come from our own origin or carry the nonce of the answer.
`unsafe-eval` is needed because NiceGUI compiles Vue templates and runs `ui.run_javascript` in the browser, and
`unsafe-inline` for styles because Vue, Quasar and Mermaid write style attributes. Nothing loads from another origin.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

NONCE = "console_nonce"
"""The key of the nonce in the state of a request, for the template of NiceGUI's pages."""

_EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # not no-referrer: browsers then send `Origin: null` with our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_STORED = frozenset({200, 206, 304})
"""304 too: its headers replace those that the browser has stored, so `no-store` would throw the file away."""
PLAIN_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The policy of pages without a script: the sign-in, and errors before it."""


def page_policy(nonce: str, host: str) -> str:
    """Return the content security policy of a page.

    Args:
        nonce: what its own scripts carry.
        host: the Host of the request, for the websocket; some browsers do not count it as `'self'`.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' ws://{host} wss://{host}",
            "frame-src 'self'",
            "worker-src 'self' blob:",
            "form-action 'self'",
            "base-uri 'none'",
            "object-src 'none'",
            "frame-ancestors 'none'",
        )
    )


def with_headers(send: Send, policy: str, *, is_cacheable: bool) -> Send:
    """Return a `send` that adds the headers to an answer; what depends on the viewer is never stored."""
    added: Mapping[str, str] = {**_EVERYWHERE, "content-security-policy": policy}

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(added)
            if not is_cacheable or message["status"] not in _STORED:
                headers["cache-control"] = "no-store"
        await send(message)

    return send_with_headers
