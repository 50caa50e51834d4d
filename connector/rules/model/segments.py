"""Count the segments of a text message, for each of which a carrier charges (3GPP TS 23.038; TS 23.040, 9.2.3.24)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet (TS 23.038, 6.2.1), one septet each."""
_EXTENSION = frozenset("\f^{}\\[~]|€")
"""The extension table (TS 23.038, 6.2.1.1): an escape and a septet each."""
_LIMITS = {"GSM-7": (160, 153), "UCS-2": (70, 67)}
"""The capacity of a single message, and of one segment of several, whose header takes 6 octets."""


@dataclass(frozen=True)
class SegmentCount:
    """The size of a text message: septets in GSM-7, units of 16 bits in UCS-2."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


def count_segments(text: str) -> SegmentCount:
    """Return the size of a text. It is in UCS-2 if one of its characters is neither basic nor in the extension table.

    The national shift tables (TS 23.038, Annex A) do not count: providers such as Twilio do not send them.
    """
    is_gsm = all(character in _BASIC or character in _EXTENSION for character in text)
    sizes = [_size(character, is_gsm) for character in text]
    single, part = _LIMITS["GSM-7" if is_gsm else "UCS-2"]
    segments = 1 if sum(sizes) <= single else _pack(sizes, part)
    return SegmentCount("GSM-7" if is_gsm else "UCS-2", sum(sizes), segments)


def _size(character: str, is_gsm: bool) -> int:
    if is_gsm:
        return 2 if character in _EXTENSION else 1
    return 2 if ord(character) > 0xFFFF else 1


def _pack(sizes: list[int], limit: int) -> int:
    """Return how many segments the characters fill: an escape, or a surrogate, is in the same segment as its second."""
    segments, used = 1, 0
    for size in sizes:
        if used + size > limit:
            segments, used = segments + 1, 0
        used += size
    return segments
