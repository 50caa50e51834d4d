"""What a new composition begins with, by its kind, as YAML with a comment for each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FOLLOW_ON = """\
campaign: new-follow-on
name: New follow-on
delivery:
  type: action_based
  trigger:
    - {interaction: open_email, campaign: ""}   # choose the campaign that it follows
  delay: {after: 1 day}
messages:
  push:
    title: ""
    body: ""
"""
SCHEDULED = """\
campaign: new-campaign
name: New campaign
delivery:
  type: scheduled
  send: at_publish
messages:
  email:
    subject: ""
    html: |
      <p>Hi {{ user.first_name | default: "there" }}</p>
"""
EXTERNAL = """\
campaign: new-campaign
name: New campaign
delivery: {type: external}   # another system sends it and reports its interactions
"""
CARD = """\
card: new-card
title: ""
body: ""
"""
STARTS: Mapping[str, tuple[str, str]] = {
    "action_based": ("Follow-on: sent after somebody did something", FOLLOW_ON),
    "scheduled": ("Original: sent to an audience at a time", SCHEDULED),
    "external": ("Original of another system: only its interactions are reported here", EXTERNAL),
    "card": ("News Feed card", CARD),
}
"""The label and the first text, by the type of delivery, or `card`."""

DELIVERIES: Mapping[str, Mapping[str, Any]] = {
    "action_based": {"type": "action_based", "trigger": [{"interaction": "open_email", "campaign": ""}]},
    "scheduled": {"type": "scheduled", "send": "at_publish"},
    "external": {"type": "external"},
}
"""What a delivery of another type begins with."""
