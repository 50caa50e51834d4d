"""Text that tries to take over a terminal, and what to look for in what is printed."""

from __future__ import annotations

import unicodedata

EVIL = "x\x1b]0;owned\x07\x1b[31m\x9b2J\u202egnp.exe\u2066\u200b\ufeff\x7f\r\nfake: line"
DANGEROUS = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""The categories of characters that a terminal obeys or hides."""
DEFINITIONS = "campaign: o\ndelivery: {type: external}\n---\n" + (
    "campaign: f\ndelivery: {type: action_based, trigger: [{interaction: receive_push, campaign: o}]}\n"
    "messages: {push: {title: t, body: b}}\n"
)


def dangerous(text: str) -> set[str]:
    """Return the characters of a text, besides line breaks, that a terminal obeys or hides."""
    return {character for character in text if character != "\n" and unicodedata.category(character) in DANGEROUS}
