"""The typical mistakes of authors in YAML, with the line, the key and the words that explain each."""

from __future__ import annotations

from dataclasses import dataclass

WELCOME = """\
campaign: welcome
delivery: {type: external}
messages:
  email: {subject: Hi, html: '<a href="https://x.example" data-alias="main">x</a>'}
  push: {title: Hi, body: Ho, buttons: [snooze]}
---
"""
HEAD = WELCOME + "campaign: nudge\nname: Second reminder\ndelivery:\n  type: action_based\n"
ON = HEAD + "  trigger:\n    - "
T = ON + "{interaction: open_email, campaign: welcome}\n"
G = T + "  delay: {after: 1 day}\n"
M = "messages:\n  push: {title: Still?, body: Yes}\n"
TARGET = "delivery.trigger[0].campaign"


@dataclass(frozen=True)
class Mistake:
    """A text with one mistake.

    Args:
        line: at which it is explained, from 1.
        key: the dotted key at which it is explained; None: the text is no YAML.
        words: a part of the explanation.
    """

    text: str
    line: int
    key: str | None
    words: str


TYPICAL = {
    "tab": Mistake(HEAD + "\ttrigger: []\n" + M, 11, None, "is indented with a tab; YAML is indented with spaces"),
    "wrong indentation": Mistake(HEAD + " trigger: []\n" + M, 11, None, "indent it by 2 spaces, not by 1"),
    "smart quotes": Mistake(
        HEAD.replace("Second reminder", "“Second”") + M, 8, "name", 'write straight ones: "Second"'
    ),
    "unquoted time": Mistake(
        T + "  delay: {next: monday, at: 09:00}\n" + M, 13, "delivery.delay.at", 'must be quoted: "09:00"'
    ),
    "true for text": Mistake(
        G + "messages:\n  push: {title: true, body: b}\n", 15, "messages.push.title", 'quote it: "true"'
    ),
    "wrong unit": Mistake(
        T + "  delay: {after: 1 fortnight}\n" + M, 13, "delivery.delay.after", "seconds|minutes|hours|days|weeks"
    ),
    "duplicate key": Mistake(
        G + "  delay: {after: 2 days}\n" + M, 14, "delivery.delay", "is repeated, first in line 13; keep one"
    ),
    "unknown key": Mistake(T + "  dealy: {after: 1 day}\n" + M, 13, "delivery.dealy", "did you mean delay?"),
    "wrong interaction": Mistake(
        ON + "{interaction: opened_email, campaign: welcome}\n" + M,
        12, "delivery.trigger[0].interaction", "did you mean open_email?",
    ),
    "wrong id": Mistake(
        ON + "{interaction: open_email, campaign: welcom}\n" + M, 12, TARGET, "did you mean welcome?"
    ),
    "missing delay": Mistake(
        T + "  exceptions: [{event: e}]\n" + M, 13, "delivery.exceptions", "without a delay it sends at once"
    ),
    "trigger on itself": Mistake(
        ON + "{interaction: open_push, campaign: nudge}\n" + M, 12, TARGET, "interaction with nudge itself"
    ),
}  # fmt: skip
"""The most common mistakes, by name."""
