"""Compact encodings of delivery ids and targets, for every byte makes a text message longer.

A token must stay readable for as long as it is valid: encodings may be added, never changed.
"""

from __future__ import annotations

import re
import zlib

_COMPACT = re.compile(r"((?:[0-9a-f]{2})+)\.([a-z_]+)")
_CHANNELS = ("", "email", "sms", "push", "webhook", "in_app_message", "content_card", "news_feed_card")
"""The channels by their number in a token; 0 means that the id is stored unchanged."""

_PLAIN, _DEFLATED = b"\0", b"\1"
_DICTIONARY = (
    b"&gclid=&ref=&id=?id=/products//product/&utm_content=&utm_term=spring_summer_autumn_winter_sale_newsletter_reminder"
    b"?utm_source=newsletter&utm_medium=email&utm_campaign=?utm_source=sms&utm_medium=sms&utm_campaign="
    b".de/.net/.org/.io/.co.uk/.com/\0http://\0https://www.shop."
)
_MAX_CHARACTERS = 64 * 1024


def pack_delivery(id: str) -> bytes:
    """Encode a delivery's id; one of the form `hex.channel` in half its length. Raises ValueError if it is too long."""
    match = _COMPACT.fullmatch(id)
    if match is not None and match[2] in _CHANNELS:
        code, data = _CHANNELS.index(match[2]), bytes.fromhex(match[1])
    else:
        code, data = 0, id.encode()
    if len(data) > 255:
        raise ValueError("a delivery's id is too long")
    return bytes((code, len(data))) + data


def unpack_delivery(data: bytes) -> tuple[str, bytes]:
    """Return the id, and the bytes that follow it. Raises ValueError if there is no id."""
    if len(data) < 2 or len(data) < 2 + data[1] or data[0] >= len(_CHANNELS):
        raise ValueError("no delivery's id")
    id, rest = data[2 : 2 + data[1]], data[2 + data[1] :]
    return (f"{id.hex()}.{_CHANNELS[data[0]]}" if data[0] else id.decode()), rest


def pack_text(text: str) -> bytes:
    """Encode a text, deflated if that makes it shorter."""
    plain = text.encode()
    deflate = zlib.compressobj(9, wbits=-15, zdict=_DICTIONARY)
    deflated = deflate.compress(plain) + deflate.flush()
    return _DEFLATED + deflated if len(deflated) < len(plain) else _PLAIN + plain


def unpack_text(data: bytes) -> str:
    """Decode a text. Raises ValueError if it is not one, or longer than `pack_text` encodes."""
    if data[:1] == _PLAIN:
        return data[1:].decode()
    inflate = zlib.decompressobj(wbits=-15, zdict=_DICTIONARY)
    try:
        text = inflate.decompress(data[1:], _MAX_CHARACTERS)
    except zlib.error as error:
        raise ValueError("not a packed text") from error
    if data[:1] != _DEFLATED or not inflate.eof:
        raise ValueError("not a packed text")
    return text.decode()
