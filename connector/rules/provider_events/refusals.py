"""Classify a provider's refusal by its meaning for the address, for an answer to a send and for a later report alike.

A code suppresses the address only if the provider documents it as a permanent fault of the recipient's address. A
refusal of the content or the sender, and a recipient who cannot be reached for now, do not suppress it, because a wrong
suppression stays unnoticed.
"""

from __future__ import annotations

import re

from connector.rules.model.addresses import AddressMeaning

_TWILIO_UNUSABLE = frozenset({21211, 21214, 21217, 21265, 21614, 21635, 30005, 30006})
"""Twilio's codes (twilio.com/docs/api/errors) that lie in the number: not a number, a short code, not mobile, a
landline, an unknown handset. Not 30003, a handset that is switched off, nor 21612, a sender without a route to it."""

_TWILIO_UNSUBSCRIBED = frozenset({21610})
"""The recipient has answered STOP."""

_SMTP_UNUSABLE = frozenset({0, 1, 2, 3, 4, 6, 10})
"""Details of 5.1 that concern the recipient (RFC 3463, section 3.2; RFC 7505 for 10). 7 and 8 concern the sender; 5 is
a valid address, and 9 a relayed message."""

_ENHANCED = re.compile(r"5\.1\.([0-9]{1,3})(?![0-9.])")


def meaning_of_twilio(code: str | int | None) -> AddressMeaning:
    """Return the meaning of one of Twilio's error codes for the number."""
    text = str(code)
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 6 else 0
    if number in _TWILIO_UNSUBSCRIBED:
        return AddressMeaning.UNSUBSCRIBED
    return AddressMeaning.UNUSABLE if number in _TWILIO_UNUSABLE else AddressMeaning.NOTHING


def meaning_of_smtp(reply: int, text: str) -> AddressMeaning:
    """Return the meaning of a reply to RCPT, or to the whole message, for its only recipient.

    A reply without an enhanced status code says nothing: 550 is also the reply to unwanted mail (RFC 5321).

    Args:
        reply: the reply's code.
        text: its text, which begins with the enhanced status code (RFC 2034).
    """
    enhanced = _ENHANCED.match(text.strip())
    is_unusable = 500 <= reply < 600 and enhanced is not None and int(enhanced[1]) in _SMTP_UNUSABLE
    return AddressMeaning.UNUSABLE if is_unusable else AddressMeaning.NOTHING
