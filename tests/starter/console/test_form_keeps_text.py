"""The composer's form loses nothing that YAML can say. It shows any text, one after the other, and never changes it."""

from __future__ import annotations

from nicegui import ui
from nicegui.client import Client
from nicegui.page import page

from starter.console.compose.composition import Composition
from starter.console.compose.form import Form
from starter.console.compose.steps import build_form
from tests.support.compose_targets import NO_TARGETS
from tests.support.repository import ROOT

_FOLLOW_ON = "campaign: a\ndelivery:\n  type: action_based\n  trigger: [{event: e}]\n"
_SCHEDULED = "campaign: a\ndelivery: {type: scheduled, send: at_publish}\n"
_MESSAGES = "messages: {push: {title: a, body: b}}\n"
DELIVERIES = """\
delay: {after: 2 days}
delay: {after: 3 hours}
delay: {after: 1 week}
delay: {after: 90}
delay: {after: PT3H}
delay: {after: [1]}
delay: null
delay: [a]
delay: {next: MONDAY, at: 09:00}
delay: {next: monday, at: '9:00', zone: company}
delay: {in_days: '3', at: 5}
delay: {in_days: 1.5, at: '10:00', extra: 1}
exceptions: [{event: e, where: {a: 1, b: '1', c: true, d: null, e: 1.0, f: '', g: ' x ', h: [1]}}]
exceptions: [{event: e, same: [a, 'b, c']}]
exceptions: {event: e}
exceptions: [e, 5, null, [], {}, {interaction: nope, campaign: null, opens: human, extra: 1}]
stale_after: 2 days
stale_after: 5 minutes
spread: 1 hour
retrigger: other
time_of_day: x
quiet_hours: {from: 22:00, to: 6}
end: 2026-04-01T09:00:00+02:00
end: '2027-01-01'
eligible_again: {after: 30 days}
eligible_again: {after: 2 hours}
eligible_again: whenever
recheck_audience: 'true'
"""
REST = """\
messages: {push: {title: 5, body: true, buttons: [a, {id: b}, 5, null], pages: {a: 1}}}
messages: {webhook: {url: a, method: post, headers: {a: b}, body: {a: 1}}}
messages: {email: {subject: null, html: "a\\n\\n b\\n\\n", text: "a\\tb\\r\\nc"}}
messages: [a]
variants: [{name: a, weight: '1', messages: {sms: {body: a}}}, {weight: 2.5}, null]
variants: {a: 1}
audience: {attribute: tier, in: [a, 1, '1', true]}
audience: {attribute: tier, in: ['a,b', c]}
audience: {attribute: tier, is: '007'}
audience: {attribute: tier, exists: 'no'}
audience: {attribute: a, is: b, is_not: c}
audience: {all: [{any: [{attribute: a, is: b}]}, {did: {event: e, within: 3 days}}, {not: {attribute: a, is: null}}]}
audience: {all: [{attribute: b, in: [c, d]}, {did: {event: e, within: 2 hours}}]}
audience: {any: {attribute: a}}
control_group: '10'
control_group: 1e2
control_group: 0x10
conversions: [{event: a, within: 2 days}]
conversions: [{event: a, within: 3 hours}, {event: b}, {}, {}, {}]
conversions: {event: a}
"""
OTHERS = [
    "campaign: a\ndelivery: {type: scheduled, send: {at: 2026-04-01 09:00, zone: company}, stale_after: 3 hours}\n",
    "campaign: a\ndelivery: {type: scheduled, send: now}\n",
    "campaign: a\nname: '  x '\ndelivery: external\n",
    'campaign: 5\nname: "a\\nb"\ndelivery: {type: external}\n',
    "card: a\ntitle: null\nbody: |\n  a\n\n  b\n",
    "workspace: w\n",
    "- a\n",
    *(path.read_text() for path in sorted((ROOT / "examples").glob("*.yaml"))),
]
TEXTS = [
    *(f"{_FOLLOW_ON}  {line}\n{_MESSAGES}" for line in DELIVERIES.splitlines()),
    *(f"{_SCHEDULED}{line}\n" for line in REST.splitlines()),
    *OTHERS,
]


async def test_the_form_shows_any_text_and_never_changes_it() -> None:
    """Each text follows upon each of several others, so that no field writes what it showed before."""
    changed: list[str] = []
    composition = Composition(_FOLLOW_ON)
    with Client(page("/any")):
        form = Form(composition, lambda: changed.append(composition.text))
        with ui.element("div"):
            build_form(form, NO_TARGETS, lambda path, channel: None, lambda: None)
        for text in [*TEXTS, *TEXTS[::-1]]:
            composition.write(text)
            form.refresh()
            await form.finish()
            assert composition.text == text
    assert changed == []
