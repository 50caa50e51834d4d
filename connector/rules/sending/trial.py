"""Test sends: which channel an address belongs to, and how a message is marked, so that it is not taken for a real one.

A test message has an id of its own, which no report matches to a follow-up, and no campaign that an app could name in a
report: it makes no interaction and no receipt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.rules.model.addresses import address_problem, is_sendable

MARK = "[Test]"
TEST_HEADER = "X-Connector-Test"
TEST_CHANNELS = ("email", "sms", "push")
"""The channels with an address; a webhook calls its receiver, and the others are shown in the user's own app."""
_KINDS = {"email": "an email address", "sms": "a phone number in E.164, like +4915112345678", "push": "a push token"}


def channel_of_address(address: str) -> str:
    """Return the channel that an address belongs to: by its form email or sms, else push."""
    return next((channel for channel in ("email", "sms") if is_sendable(channel, address)), "push")


def address_fault(channel: str, address: str) -> str | None:
    """Return why a test message cannot go to an address on a channel; None if it can. Quotes no address."""
    if channel not in TEST_CHANNELS:
        return f"{channel} has no address to send a test to; test sends go by {', '.join(TEST_CHANNELS)}"
    if channel == "push":
        other = channel_of_address(address)
        is_token = other == "push" and "@" not in address and not any(map(str.isspace, address))
        return None if is_token else f"push needs {_KINDS['push']}, and this is {_KINDS.get(other, 'no token')}"
    problem = address_problem(channel, address)
    return None if problem is None else f"{channel} needs {_KINDS[channel]}; the address {problem}"


def mark_content(channel: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rendered message with its mark.

    An email leaves out the campaign's own headers: by a tag of theirs a provider's report could name the campaign.
    """
    if channel == "email":
        return {**content, "subject": f"{MARK} {content['subject'].strip()}", "headers": {TEST_HEADER: "true"}}
    name = {"sms": "body", "push": "title"}[channel]
    return {**content, name: f"{MARK} {content[name]}"}
