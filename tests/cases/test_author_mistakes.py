"""The mistakes that authors typically make: each is explained where it was made, with what would be right.

Sources: `TYPICAL` has the most common mistakes, which a test in Chromium makes in the console's composer too. The
rows here are variants of them: the same mistake in another place or form.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from starter.operations.validation import validate_text
from tests.support.author_mistakes import HEAD, ON, TYPICAL, WELCOME, G, M, T

NOW = datetime(2026, 3, 2, tzinfo=UTC)
Row = tuple[str, int, str | None, str]
"""The text; the line, the key and a part of the problem of its first fault or, if it has none, of its first warning."""

TABS_AND_INDENTATION: list[Row] = [
    # like tab
    (T + "  \tdelay: {after: 1 day}\n" + M, 13, None, "is indented with a tab"),
    (G + "messages:\n\tpush: {title: a, body: b}\n", 15, None, "is indented with a tab"),
    # like wrong indentation
    (T + "delay: {after: 1 day}\n" + M, 13, "delay", "it belongs to delivery: indent it like the keys there"),
    (G + M + "exceptions: [{event: e}]\n", 16, "exceptions", "it belongs to delivery: indent it"),
    (G + M + "eligible_again: never\n", 16, "eligible_again", "it belongs to delivery: indent it"),
    (G + "  audience: everyone\n" + M, 14, "delivery.audience", "it belongs beside delivery: indent it like that"),
    (G + "  messages: {sms: {body: a}}\n", 14, "delivery.messages", "it belongs beside delivery"),
    (ON + "{event: e, delay: {after: 1 day}}\n" + M, 12, "delivery.trigger[0].delay", "it belongs beside trigger"),
    (G + "messages:\n push:\n  title: a\n body: b\n", 17, "messages.body", "it belongs to push: indent it"),
    (ON + "interaction: open_email\n     campaign: welcome\n" + M, 13, None, "indent it by 4 spaces, not by 5"),
    ("campaign: a\ndelivery:\ntype: external\n", 3, "type", "it belongs to delivery: indent it like the keys there"),
    (
        "workspace: w\nfrequency_caps:\n  - {at_most: 1, per: {day: 1}}\n",
        3,
        "frequency_caps[0].per.day",
        "did you mean",
    ),
]
QUOTES_AND_VALUES: list[Row] = [
    # like smart quotes
    (HEAD.replace("name: Second", 'name: "Second') + M, 8, None, "at its end"),
    (HEAD.replace("name: Second", "name Second") + M, 8, None, "name: Second"),
    (HEAD.replace("Second reminder", "{{ user.id }}") + M, 8, "name", "quoted"),
    (T + "  delay: {in_days: 1, at: “09:00”}\n" + M, 13, "delivery.delay.at", 'straight ones: "09:00"'),
    (G + "messages:\n  push: {title: “A, b”, body: b}\n", 15, "messages.push.b”", "knows only straight ones"),
    (G + "messages:\n  push: {title: 'it's here', body: b}\n", 15, None, "write an apostrophe twice"),
    (G + 'messages:\n  push: {title: "say "hi"", body: b}\n', 15, None, 'write \\" for a quotation mark'),
    # like unquoted time
    (T + "  delay:\n    in_days: 1\n    at: 15:15\n" + M, 15, "delivery.delay.at", 'must be quoted: "15:15"'),
    (G + "  time_of_day: {from: 9:00, to: '17:00'}\n" + M, 14, "delivery.time_of_day.from", 'must be quoted: "9:00"'),
    (T + "  delay: {next: monday, at: 9am}\n" + M, 13, "delivery.delay.at", 'write a quoted "HH:MM"'),
    (G + "  end: 2027-01-01\n" + M, 14, "delivery.end", "needs a time zone, like 2027-01-01T00:00:00Z"),
    (G + "  end: 2027-01-01T09:00\n" + M, 14, "delivery.end", "needs a time zone, like 2027-01-01T09:00Z"),
    # like true for text
    (G + "messages:\n  push: {title: 2026, body: b}\n", 15, "messages.push.title", 'quote it: "2026"'),
    (
        ON + "{interaction: click_push_button, campaign: welcome, button: 1}\n" + M,
        12, "delivery.trigger[0].button", 'quote it: "1"',
    ),
    (G + "  recheck_audience: ja\n" + M, 14, "delivery.recheck_audience", "must be true or false"),
    (G + "messages:\n  sms: Hello\n", 15, "messages.sms", "must be a mapping of keys to values; known here is body"),
    (G + M + "control_group: 10%\n", 16, "control_group", "must be a whole number"),
    # like wrong unit
    (T + "  delay: {after: 1d}\n" + M, 13, "delivery.delay.after", 'write "1 day"'),
    (T + "  delay: {after: 30}\n" + M, 13, "delivery.delay.after", "30 has no unit"),
    (T + "  delay: {after: 1 month}\n" + M, 13, "delivery.delay.after", "has no fixed length"),
    (T + "  delay: 1 day\n" + M, 13, "delivery.delay", "write {after: 1 day}"),
    ("workspace: w\nzone: Berlin\n", 2, "zone", "did you mean Europe/Berlin?"),
    ("workspace: w\nzone: Tokyo\n", 2, "zone", "did you mean Asia/Tokyo?"),
    ("workspace: w\nzone: America/New York\n", 2, "zone", "did you mean America/New_York?"),
    ("workspace: w\nzone: CET+1\n", 2, "zone", "write one like Europe/Berlin"),
]  # fmt: skip
KEYS_AND_NAMES: list[Row] = [
    # like duplicate key
    (HEAD.replace("---\n", "") + M, 6, "campaign", "is repeated, first in line 1"),
    (WELCOME + "campaign: welcome\ndelivery: {type: external}\n", 7, "campaign", "is defined twice, first at c.yaml:1"),
    # like unknown key
    (G + "messages:\n  mail: {subject: a, text: b}\n", 15, "messages.mail", "did you mean email?"),
    (G + "messages:\n  Push: {title: a, body: b}\n", 15, "messages.Push", "did you mean push?"),
    (G + M + "audience: {tier: gold}\n", 16, "audience", "like {attribute: tier, is: gold}"),
    (ON + "{event:e}\n" + M, 12, "delivery.trigger[0].event:e", "write a space after the colon: event: e"),
    (HEAD + "  trigger:\n    -{event: e}\n" + M, 11, "delivery.trigger", "must be a list"),
    (HEAD + "  trigger: {event: e}\n" + M, 11, "delivery.trigger", "must be a list; put it in brackets"),
    # like wrong interaction
    *(
        (ON + f"{{interaction: {name}, campaign: welcome}}\n" + M, 12, "delivery.trigger[0].interaction", right)
        for name, right in (
            ("email_open", "did you mean open_email?"),
            ("email_opened", "did you mean open_email?"),
            ("push_clicked_button", "did you mean click_push_button?"),
            ("Open Email", "did you mean open_email?"),
            ("make_purchase", "is an event, not an interaction with a campaign; write {event: make_purchase}"),
        )
    ),
    (
        ON + "{event: open_email, campaign: welcome}\n" + M,
        12, "delivery.trigger[0].campaign", "is an interaction, not an event; write interaction: open_email",
    ),
    (ON + "{event: open_email}\n" + M, 12, "delivery.trigger[0].event", "write {interaction: open_email, campaign: …}"),
    # like wrong id
    (ON + "{interaction: view_news_feed_card, card: welcome}\n" + M, 12, "delivery.trigger[0].card", "write campaign"),
    (
        G + "  exceptions: [{interaction: open_push, campaign: wellcome}]\n" + M,
        14, "delivery.exceptions[0].campaign", "did you mean welcome?",
    ),
    (
        G + M + "audience: {interacted: {interaction: open_email, campaign: welcom}}\n",
        16, "audience.interacted.campaign", "did you mean welcome?",
    ),
    (
        ON + "{interaction: click_email_alias, campaign: welcome, alias: mian}\n" + M,
        12, "delivery.trigger[0].alias", "did you mean main?",
    ),
    (
        ON + "{interaction: click_push_button, campaign: welcome, button: snoze}\n" + M,
        12, "delivery.trigger[0].button", "did you mean snooze?",
    ),
    (
        G + "messages:\n  push: {title: a, body: '{{ first_name }}'}\n",
        15, "messages.push.body", "user.first_name",
    ),
    # like missing delay
    (T + "  delay:\n  exceptions: [{event: e}]\n" + M, 14, "delivery.exceptions", "without a delay"),
    # like trigger on itself
    (
        ON + "{interaction: open_push, campaign: nudge}\n  eligible_again: always\n" + M,
        12, "delivery.trigger[0].campaign", "nudge → nudge is a cycle of follow-ons",
    ),
]  # fmt: skip


ROWS: list[Row] = [(one.text, one.line, one.key, one.words) for one in TYPICAL.values()]


@pytest.mark.parametrize(
    ("text", "line", "key", "words"), [*ROWS, *TABS_AND_INDENTATION, *QUOTES_AND_VALUES, *KEYS_AND_NAMES]
)
def test_mistake_is_explained_where_it_is_made(text: str, line: int, key: str | None, words: str) -> None:
    """`connector validate` names line and key, and says what would be right."""
    result = validate_text(text, NOW, file="c.yaml", with_links=True)
    first = (result["faults"] or result["warnings"])[0]
    assert (first["file"], first["line"], first["key"]) == ("c.yaml", line, key), first["text"]
    assert words in first["problem"]
    assert result["valid"] == (not result["faults"])


def test_the_texts_are_right_but_for_the_mistake() -> None:
    """What the rows are made of is valid."""
    assert validate_text(G + M, NOW, file="c.yaml", with_links=True)["faults"] == []
