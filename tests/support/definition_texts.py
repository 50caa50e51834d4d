"""Definitions that people write, right and wrong, for the tests of reading and of the JSON Schema.

Sources: YAML is YAML 1.2.2 (chapters 5 to 10), JSON is RFC 8259.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import yaml

HEAD = "campaign: f\ndelivery: {type: external}\n"
PUSH = HEAD + "messages:\n  push:\n    body: b\n"
STALE = "workspace: w\nstale_after: "
HOOK = "campaign: f\ndelivery:\n  type: action_based\n"

SYNTAX_FAULTS: list[tuple[str, int, str]] = [
    # a tab: YAML 6.1, "tab characters must not be used in indentation"
    ("campaign: f\ndelivery:\n\ttype: external\n", 3, "is indented with a tab"),
    (HOOK + "\ttrigger: []\n", 4, "is indented with a tab"),
    ("campaign: f\ndelivery:\n  type: action_based\n  \ttrigger: []\n", 4, "is indented with a tab"),
    # quotes of text processors
    (HEAD + "name: “Hi”\n", 3, 'typographic quotes; write straight ones: "Hi"'),
    (HEAD + "name: ‘Hi’\n", 3, "typographic quotes"),
    (HEAD + "name: „Hallo“\n", 3, "typographic quotes"),
    ("campaign: “f”\ndelivery: {type: external}\n", 1, "typographic quotes"),
    (HEAD + "“name”: x\n", 3, "has the quotation mark “"),
    # an unquoted {{ }}: YAML 5.3, { and } are indicators of mappings
    (PUSH + "    title: {{ user.first_name }}\n", 6, 'a text with {{ }} is quoted: title: "{{ user.first_name }}"'),
    (PUSH + "    title: {{ user.first_name }}, hi\n", 6, 'quoted: title: "{{ user.first_name }}, hi"'),
    (PUSH + "    title: {{user.first_name | default: 'you'}}\n", 6, "is quoted: title:"),
    (PUSH + "    title: {% if user.x %}a{% endif %}\n", 6, 'quoted: title: "{% if user.x %}a{% endif %}"'),
    (PUSH + "    title: Hi {{ user.first_name }}: look\n", 6, "a text with {{ }} or {% %} is quoted"),
    (PUSH + "    title: {{ user.first_name\n", 6, "is quoted"),
    # a colon in a text: YAML 7.3.3, plain scalars do not contain ": "
    (HEAD + "name: Sale: now\n", 3, 'a text with a colon is quoted: name: "Sale: now"'),
    (HEAD + "name: Sale:\n", 3, 'a text with a colon is quoted: name: "Sale:"'),
    (HEAD + 'name: Say "hi": now\n', 3, """is quoted: name: 'Say "hi": now'"""),
    (HEAD + "messages:\n  push: {title: Hi: there, body: b}\n", 4, "a text with a colon is quoted"),
    # indentation: YAML 6.1
    (HOOK + "   trigger: []\n", 4, "indent it by 2 spaces, not by 3"),
    (HOOK + " trigger: []\n", 4, "indent it by 2 spaces, not by 1"),
    ("campaign: f\n delivery: {type: external}\n", 2, "indent it by 0 spaces, not by 1"),
    (HOOK + "  trigger:\n    - {event: a}\n   - {event: b}\n", 6, "indent it by 4 spaces, not by 3"),
    (HOOK + "  trigger:\n    - {event: a}\n     - {event: b}\n", 6, "indent it by 4 spaces, not by 5"),
    (HEAD + "messages:\n  sms:\n    body: |\n    Hi\n", 6, "the text after | or > is indented more than its key"),
    # spaces and colons
    ("campaign:f\ndelivery: {type: external}\n", 1, "write a space after the colon: campaign: f"),
    ("campaign f\ndelivery: {type: external}\n", 1, "there is no colon after the key; write campaign: f"),
    ("campaign:\u00a0f\ndelivery: {type: external}\n", 1, "has the character U+00A0"),
    ("campaign: f\ndelivery:\n  type: external\n\u3000x: 1\n", 4, "U+3000"),
    # special characters at the beginning: YAML 5.3, indicators, and 7.3.3
    *(
        (HEAD + f"name: {text}\n", 3, f'a text that begins with {text[0]} is quoted: name: "{text}"')
        for text in ("@abc", "`abc`", "%abc", "*bold*", "}", "[Sale] now", "{Sale} now")
    ),
    (HEAD + "name: &x\n", 3, "anchors (&x) are not supported"),
    (HEAD + "name: !important\n", 3, "tags (!important) are not supported"),
    # quotes within quotes: YAML 7.3.1, 7.3.2
    (HEAD + "name: 'it's'\n", 3, "write an apostrophe twice"),
    (HEAD + 'name: "say "hi""\n', 3, 'write \\" for a quotation mark'),
    (HEAD + 'name: "abc\n', 3, 'a text begins with " and has no " at its end'),
    (HEAD + "name: 'abc\n", 3, "a text begins with ' and has no ' at its end"),
    (HEAD + 'name: "a\\d"\n', 3, "has a backslash in double quotes that begins no escape"),
    (HEAD + 'name: "\\ud83d"\n', 3, "has half of a character"),
    # brackets: YAML 7.4
    ("campaign: f\ndelivery: {type: external\n", 2, "{ has no }"),
    (HEAD + "conversions: [{event: a}\nname: x\n", 3, "[ has no ]"),
    (HEAD + "conversions: [{event: a} {event: b}]\n", 3, "there must be a comma or ]"),
    (HEAD + "messages: {push: {title: a body: b}}\n", 3, "a text with a colon is quoted"),
    # features of YAML that this format has not
    ("card: &a f\ntitle: t\nbody: b\n", 1, "anchors (&a) are not supported"),
    ("card: f\ntitle: *a\nbody: b\n", 2, "aliases (*a) are not supported"),
    (HEAD + "<<: {name: a}\n", 3, "merge keys (<<) are not supported"),
    (HEAD + "name: a\nname: b\n", 4, "name: is repeated, first in line 3; keep one"),
    (HEAD + "campaign: g\n", 3, "campaign: is repeated, first in line 1"),
    (HEAD + "? [a]\n: b\n", 3, "a key must be a text, not a mapping or a list"),
    (HEAD + "...\nfoo\n", 4, "begin the next one with ---"),
    # values that YAML 1.1 read otherwise (YAML 10.3.2 is what counts), and numbers where text is needed
    (HEAD + "name: 09:00\n", 3, 'name: must be quoted: "09:00"'),
    (HEAD + "name: 010\n", 3, 'name: must be text; quote it: "010"'),
    (HEAD + "name: 1.10\n", 3, 'name: must be text; quote it: "1.10"'),
    (HEAD + "name: 0x1F\n", 3, 'name: must be text; quote it: "0x1F"'),
    (HEAD + "name: true\n", 3, 'name: must be text; quote it: "true"'),
    (HEAD + "name: 5\n", 3, 'name: must be text; quote it: "5"'),
    ("card: f\ntitle:\nbody: b\n", 2, "title: is empty; it must be text"),
    ("card: f\ntitle: .nan\nbody: b\n", 2, ".nan is not a finite number"),
    # characters: YAML 5.1
    (HEAD + "name: a\0b\n", 3, "has the control character U+0000"),
    (HEAD + "name: a\x07\n", 3, "has the control character U+0007"),
    # durations
    (STALE + "99999999999 days\n", 2, "'99999999999 days' is longer than a hundred years"),
    (STALE + "101 years\n", 2, "has no fixed length; write days or weeks"),
    (STALE + "5200000 weeks\n", 2, "is longer than a hundred years"),
    (STALE + "1 month\n", 2, "has no fixed length"),
    (STALE + "1.5 hours\n", 2, "is not a whole number of its unit"),
    (STALE + "30\n", 2, '30 has no unit; write a duration like "30 minutes"'),
    (STALE + "30minutes\n", 2, 'write "30 minutes"'),
    (STALE + "1h\n", 2, 'write "1 hour"'),
    (STALE + "30 Minutes\n", 2, 'write "30 minutes"'),
    (STALE + "30  minutes\n", 2, 'write "30 minutes"'),
    (STALE + "\n", 2, "is empty; write a duration"),
    (STALE + "-1 hours\n", 2, "is not a duration; write"),
    (STALE + "PT1H\n", 2, "is not a duration; write"),
    # forms
    (HOOK + "  trigger:\n  delay: 1\n", 4, "delivery.trigger: must be a list"),
    (HOOK + "  trigger: [{event: e}]\n  delay: 5\n", 5, "delivery.delay: 5 is not understood: write"),
    (HOOK + "  trigger: [{event: e}]\n  eligible_again:\n", 5, "delivery.eligible_again: is empty; write"),
]
"""A text with the line and the words of its first fault."""

EVERYTHING = """\
workspace: default
zone: America/New_York
frequency_caps: [{channel: push, at_most: 1, per: day}, {at_most: 3, per: {days: 3}}]
quiet_hours: null
robots: ignore
stale_after: 24 hours
---
card: spring-banner
title: Spring
body: "{{ user.first_name }}, it's here"
---
campaign: welcome
delivery: {type: external}
---
---
# a comment, and then:

campaign: cart-reminder-2
name: Abandoned cart, second reminder
delivery:
  type: action_based
  trigger:
    - {interaction: receive_push, campaign: abandoned-cart}
  delay: {next: saturday, at: "15:15", zone: user}
  exceptions:
    - {event: make_purchase, where: {product: shoe-1}, same: [sku]}
    - {interaction: open_push, campaign: abandoned-cart}
  retrigger: ignore
  key: properties.sku
  start: 2026-03-01T00:00:00Z
  end: null
  time_of_day: {from: "09:00", to: "17:00", zone: user, outside: next}
  quiet_hours: none
  eligible_again: {after: 30 days}
  spread: 15 minutes
audience:
  all: [{attribute: tier, is: gold}, {not: {did: {event: make_purchase, within: 7 days}}}]
conversions: [{event: make_purchase, within: 3 days}]
messages:
  push: {title: "Still?", body: "15% off", buttons: [snooze, {id: later, label: Later}]}
"""
"""Everything that the design shows, with its short forms."""

BODY = "campaign: f\nmessages: {push: {title: a, body: b}}\ndelivery:\n  type: action_based\n"
_BEGUN = BODY + "  trigger: [{event: e}]\n"
FAULTS: list[tuple[str, str]] = [
    (_BEGUN + "  dealy: {after: 1 day}\n", "c.yaml:6: delivery.dealy: unknown key; did you mean delay?"),
    (_BEGUN + "  xyz: 1\n", "c.yaml:6: delivery.xyz: unknown key; known here are type, trigger, delay, exceptions, "),
    (_BEGUN + "  delay: {after: 1 fortnight}\n", "c.yaml:6: delivery.delay.after: '1 fortnight' is not a duration; "),
    (_BEGUN + "  delay: {aftr: 1 day}\n", "c.yaml:6: delivery.delay.aftr: unknown key; did you mean after?"),
    (_BEGUN + "  delay: soon\n", "c.yaml:6: delivery.delay: 'soon' is not understood: write {after: 1 day}, "),
    (_BEGUN + "  delay: {next: monday}\n", "c.yaml:6: delivery.delay.at: is missing"),
    (_BEGUN + "  delay: {next: monday, at: 15:15}\n", 'c.yaml:6: delivery.delay.at: must be quoted: "15:15"'),
    (_BEGUN + "  delay: {next: monday, at: 09:00}\n", 'c.yaml:6: delivery.delay.at: must be quoted: "09:00"'),
    (_BEGUN + "  delay: {next: monday, at: '9:00'}\n", "c.yaml:6: delivery.delay.at: '9:00' is not a time of day"),
    (_BEGUN + "  delay:\n    next: mon\n    at: '09:00'\n", "c.yaml:7: delivery.delay.next: 'mon' is not known; "),
    (_BEGUN + "  time_of_day: {from: 22:00, to: '06:00'}\n", 'c.yaml:6: delivery.time_of_day.from: must be quoted'),
    (_BEGUN + "  eligible_again: 30 days\n", "delivery.eligible_again: '30 days' is not understood: write never, "),
    (_BEGUN + "  exceptions:\n", "c.yaml:6: delivery.exceptions: must be a list; write [] for none"),
    (_BEGUN + "  end: 2026-03-05T00:00:00\n", "c.yaml:6: delivery.end: '2026-03-05T00:00:00' needs a time zone, "),
    (_BEGUN + "  end: 2026\n", "c.yaml:6: delivery.end: 2026 is not a time; write one with its zone, like "),
    (_BEGUN + "  key: sku\n", "c.yaml:6: delivery.key: 'sku' must name a property, like properties.sku"),
    (_BEGUN + "name: 12:30\n", 'c.yaml:6: name: must be quoted: "12:30"'),
    (_BEGUN + "name: 5\n", 'c.yaml:6: name: must be text; quote it: "5"'),
    (_BEGUN + "audience: {attribute: tier}\n", "c.yaml:6: audience: compare the attribute by exactly one of"),
    (_BEGUN + "audience: all\n", "c.yaml:6: audience: 'all' is not understood: write everyone, or a mapping with "),
    (_BEGUN + "audience:\n  not:\n    any:\n      - {did: {evnt: e}}\n", "c.yaml:9: audience.not.any[0].did.evnt: u"),
    (_BEGUN + "control_group: 101\n", "c.yaml:6: control_group: must be less than or equal to 100"),
    (BODY + "  trigger: [{interaction: open_psh, campaign: o}]\n", "trigger[0].interaction: 'open_psh' is not known;"),
    (BODY + "  trigger:\n    - {event: e}\n    - {evnt: e}\n", "c.yaml:7: delivery.trigger[1].evnt: unknown key; did"),
    (BODY + "  trigger: [{foo: 1}]\n", "c.yaml:5: delivery.trigger[0]: a mapping of foo is not understood: write {"),
    (BODY + "  trigger: [{interaction: click_email_alias, campaign: o}]\n", "[0]: click_email_alias must name its ali"),
    (BODY + "  trigger: [{interaction: open_push}]\n", "delivery.trigger[0]: name exactly one of campaign and card"),
    (BODY + "  trigger: [{interaction: open_push, card: o}]\n", "delivery.trigger[0]: a card has only the interaction"),
    (BODY + "  trigger: {event: e}\n", "c.yaml:5: delivery.trigger: must be a list; put it in brackets"),
    (BODY + "  trigger: []\n", "c.yaml:5: delivery.trigger: needs at least 1"),
    (BODY, "c.yaml:3: delivery.trigger: is missing"),
    ("campaign: f\ndelivery: {type: action-based}\n", "delivery: type 'action-based' is not known; did you mean actio"),
    ("campaign: f\ndelivery: {}\n", "c.yaml:2: delivery: needs a type"),
    ("campaign: f\n\ndelivery: {type: scheduled, send: now}\n", "c.yaml:3: delivery.send: 'now' is not understood: wr"),
    ("campaign: f\ndelivery: {type: external}\ncampaign: g\n", "c.yaml:3: campaign: is repeated, first in line"),
    ("card: f\ntitle: a\nbody: b\n---\ncard: f\ntitle: c\n", "c.yaml:5: card: f is defined twice, first at c.yaml:1"),
    ("card: f\ntitle: a\nbody: b\n---\ncampaign: f\ndelivery: {type: external}\n", "c.yaml:5: campaign: f is defined"),
    ("workspace: a\n---\nworkspace: b\n", "c.yaml:3: workspace: is defined twice, first at c.yaml:1; there is one"),
    ("workspace: default\nzone: Mars/Olympus\n", "c.yaml:2: zone: 'Mars/Olympus' is not an IANA time zone; write on"),
    ("workspace: w\nfrequency_caps: [{at_most: 1, per: month}]\n", "frequency_caps[0].per: 'month' is not understood"),
    ("campaign: 'a b'\ndelivery: {type: external}\n", "c.yaml:1: campaign: 'a b' is not an id; write up to 128 letter"),
    ("campain: f\n", "c.yaml:1: campain: unknown key; did you mean campaign?"),
    ("title: f\n", "c.yaml:1: a definition is a mapping that begins with campaign, card or workspace"),
    ("- 1\n- 2\n", "c.yaml:1: a definition is a mapping that begins with campaign, card or workspace; this is a list"),
    ("campaign: [\n", "c.yaml:1: [ has no ]"),
    ("campaign: f\n  delivery: x\n", "c.yaml:2: is indented more than line 1, which has its value already; "),
    ("card: a\ntitle: \x07\nbody: b\n", "c.yaml:2: has the control character U+0007"),
    ("card: &a f\ntitle: *a\nbody: b\n", "c.yaml:2: title: aliases (*a) are not supported; repeat the value"),
    ("card: f\ntitle: !!python/name:os.system x\nbody: b\n", "c.yaml:2: title: tags (tag:yaml.org,2002:python/name:os"),
    ("card: f\ntitle: .inf\nbody: b\n", "c.yaml:2: title: .inf is not a finite number"),
    ("card: f\n? [a]\n: b\n", "c.yaml:2: a key must be a text"),
    ("card: f\ntitle: a\nbody: " + "[" * 60 + "]" * 60, "is nested more than 50 levels deep"),
    ("card: f\ntitle: a\nbody: '{{ usr.id }}'\n", "c.yaml:3: body: in f, line 1 of the template: unknown variable usr"),
]  # fmt: skip
"""A text with a part of one of its faults."""

GOOD = """\
campaign: nudge
name: "Second reminder"
delivery:
  type: action_based
  trigger:
    - {interaction: click_email_alias, campaign: welcome, alias: main, where: {a: 1}}
  delay: {next: saturday, at: "15:15", zone: user}
  exceptions: [{event: make_purchase, same: [sku]}]
  key: properties.sku
  start: 2026-03-01T00:00:00Z
  time_of_day: {from: "09:00", to: "17:00"}
  eligible_again: {after: 30 days}
audience: {all: [{attribute: tier, in: [gold]}, {not: {did: {event: e, within: 7 days}}}]}
control_group: 10
variants: [{name: a, weight: 1, messages: {push: {title: t, body: b}}}]
conversions: [{event: make_purchase, within: 3 days}]
---
workspace: default
zone: America/New_York
frequency_caps: [{channel: push, at_most: 1, per: {days: 3}}]
quiet_hours: {from: "22:00", to: "06:00", then: hold}
stale_after: 24 hours
"""


WRONG: tuple[Any, ...] = (
    None,
    True,
    5,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "x" * 400,
    "2026",
    [],
    [None],
    {},
    {"a": 1},
    {"type": "x"},
    [[1]],
    "\ud83d",
)
CAMPAIGN, WORKSPACE = yaml.safe_load_all(GOOD)
CAMPAIGN["delivery"]["start"] = "2026-03-01T00:00:00Z"


def variants_of(value: Any) -> Iterator[Any]:
    """Yield the value with each of its parts replaced by each wrong one, removed, or beside an unknown key."""
    yield from WRONG
    if isinstance(value, dict):
        yield {**value, "unknwon": 1}
        for key in value:
            yield {name: part for name, part in value.items() if name != key}
            yield from ({**value, key: changed} for changed in variants_of(value[key]))
    if isinstance(value, list):
        for number in range(len(value)):
            for changed in variants_of(value[number]):
                copied = copy.copy(value)
                copied[number] = changed
                yield copied
