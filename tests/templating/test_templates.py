"""Messages as Liquid templates: faults at apply, escaping, bounds, and the message that aborts itself."""

import time
from typing import Any

import pytest

from connector.rules.model.campaigns import Campaign, Card, parse_definition
from connector.rules.model.messages import Messages
from connector.templating.checking import check_templates
from connector.templating.templates import MessageAborted, RenderingFailed, render
from tests.support.templates import MOMENT

VARIABLES: dict[str, Any] = {
    "user": {"id": "u-1", "first_name": "<Ann>", "attributes": {"tier": "gold", "tags": ["a", "b"]}, "long": "x" * 999},
    "campaign": {"id": "c", "name": "C"},
    "trigger": {"type": "open_push", "properties": {"sku": "A"}},
    "event": {"name": "cart", "properties": {"sku": "A"}},
}


def campaign(messages: dict[str, Any]) -> Campaign:
    parsed = parse_definition({"campaign": "c", "delivery": {"type": "external"}, "messages": messages})
    assert isinstance(parsed, Campaign)
    return parsed


def sms(text: str) -> Any:
    return render(Messages.model_validate({"sms": {"body": text}}), "sms", VARIABLES, MOMENT)["body"]


NO_ZONE = " is not an IANA time zone; write one like Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("{{ user.first_name | default: 'you' }} {{ trigger.properties.sku }} {{ campaign.id }}", 0, ""),
        ("{% assign tier = user.attributes.tier %}{% for t in user.tags %}{{ t }}{{ tier }}{% endfor %}", 0, ""),
        ("{% abort_message %}{% abort_message('why') %}{% abort_message(\"\") %}{{ user | json }}", 0, ""),
        ("a\n{{ usr.first_name }}", 2, "unknown variable usr.first_name; did you mean user?"),
        (
            "{{ zzz }}",
            1,
            "unknown variable zzz; known are user, campaign, trigger, event; for what is known of a user, user.zzz",
        ),
        ("a\n\n{{ user.id | upcas }}", 3, "unknown filter upcas; did you mean upcase?"),
        ("a\n{{ user.id | append }}", 2, "append: has too few or too many arguments"),
        ("{% assign x = 'now' | date: '%F', 'UTC', 1 %}", 1, "date: has too few or too many arguments"),
        ("{{ 'now' | date: '%F', zone: 'UTC' }}", 1, "date: has too few or too many arguments"),
        ("a\n{{ 'now' | time_zone: 'Mars/Olympus' | date: '%F' }}", 2, "time_zone: 'Mars/Olympus'" + NO_ZONE),
        (
            "{{ 'now' | date: '%F', 'Berlin' }}",
            1,
            "date: 'Berlin' is not an IANA time zone; did you mean Europe/Berlin?",
        ),
        ("{{ 'now' | date: '%F', time_zone: 'EST5' }}", 1, "date: 'EST5'" + NO_ZONE),
        ("{{ 'now' | time_zone | date: '%F', user.time_zone }}{{ 'now' | time_zone: '' }}", 0, ""),
        ("{{ user.id | default: 'x', allow_false: true }}{{ user.list | where: 'a', 1 | map: 'b' | join }}", 0, ""),
        ("{{ user.limit }}", 1, "limit is a word of Liquid; write ['limit'], like user['limit']"),
        ("a\n{% if user.in == nil %}{% endif %}", 2, "in is a word of Liquid; write ['in'], like user['in']"),
        ("{{ user['limit'] }}", 0, ""),
        ("a\n{% abort_mesage %}", 2, "unexpected tag 'abort_mesage'"),
        ("{% abort_message(user.id) %}", 1, "write abort_message, or abort_message('why')"),
        ("{% include 'other' %}", 1, "unexpected tag 'include'"),
        ("a {{ user.id", 1, "expected '}}', found end of file"),
        ("{% if user.id %}\n{% endif %}\n{% if user.id %}\n", 3, "expected tag endif, found end of expression"),
        ("{% if user.id %}\n{{ user. }}\n{% endif %}", 2, "expected an identifier, found end of expression"),
        ("{% if user.id %}" * 50 + "{% endif %}" * 50, 1, "block nesting limit reached"),
    ],
)  # fmt: skip
def test_check(text: str, line: int, problem: str) -> None:
    """A fault has its field, and names the campaign, the line and the variable, filter or tag."""
    (*faults,) = check_templates(campaign({"sms": {"body": text}}))
    expected = [f"messages.sms.body: in c, line {line} of the template: {problem}"] if problem else []
    assert [str(fault) for fault in faults] == expected


def test_every_template_is_checked() -> None:
    """Buttons, headers, variants and cards too; ids and methods are no templates."""
    bad = "{{ usr }}"
    contents = {
        "push": {"title": bad, "body": "b", "buttons": ["{{ usr }}", {"id": "x", "label": bad}]},
        "webhook": {"url": "https://x.example", "headers": {"x-user": bad}},
    }
    whole = campaign(contents).model_copy(update={"messages": None})
    variants = parse_definition(
        whole.model_dump(by_alias=True, exclude_none=True, mode="json")
        | {"variants": [{"name": "a", "messages": contents}]}
    )
    card = parse_definition({"card": "k", "title": "t", "body": bad})
    assert isinstance(variants, Campaign)
    assert isinstance(card, Card)
    fields = ["push.title", "push.buttons[1].label", "webhook.headers.x-user"]
    assert [fault.key for fault in check_templates(campaign(contents))] == [f"messages.{field}" for field in fields]
    assert [fault.key for fault in check_templates(variants)] == [f"variants[0].messages.{field}" for field in fields]
    assert [fault.key for fault in check_templates(card)] == ["body"]


def test_render() -> None:
    """Every text is rendered, in the keys that people write; what is not there is left out or renders as nothing."""
    messages = Messages.model_validate(
        {
            "email": {
                "subject": "{{ user.first_name }}",
                "html": "<b>{{ user.first_name }}</b>",
                "from": "{{ campaign.id }}@x",
            },
            "push": {
                "title": "{{ nobody.knows.it }}",
                "body": "b",
                "buttons": [{"id": "{{ 1 }}", "label": "{{ user.id }}"}],
            },
            "webhook": {
                "url": "https://x.example/{{ user.id }}",
                "headers": {"x": "{{ event.properties.sku }}"},
                "body": "{{ user.attributes | json }}",
            },
        }
    )
    assert render(messages, "email", VARIABLES, MOMENT) == {
        "subject": "<Ann>",
        "html": "<b>&lt;Ann&gt;</b>",
        "from": "c@x",
    }
    assert render(messages, "push", VARIABLES, MOMENT) == {
        "title": "", "body": "b", "buttons": [{"id": "{{ 1 }}", "label": "u-1"}], "pages": [],
    }  # fmt: skip
    assert render(messages, "webhook", VARIABLES, MOMENT) == {
        "url": "https://x.example/u-1", "method": "POST", "headers": {"x": "A"},
        "body": '{"tier": "gold", "tags": ["a", "b"]}',
    }  # fmt: skip


@pytest.mark.parametrize(("reason", "said"), [("", ""), ("('no stock')", "no stock"), ('("")', "")])
def test_abort(reason: str, said: str) -> None:
    """`aborted_by_template`: the template decides, inside whatever block it stands."""
    with pytest.raises(MessageAborted) as aborted:
        sms("{% if user.attributes.tier == 'gold' %}{% abort_message" + reason + " %}{% endif %}")
    assert str(aborted.value) == said
    assert sms("{% if user.attributes.tier == 'tin' %}{% abort_message %}{% endif %}sent") == "sent"


DOUBLE = "{% assign a = user.long %}{% for i in (1..99) %}{% assign a = a | append: a %}{% endfor %}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{% for i in (1..1000000000) %}x{% endfor %}", "loop iteration limit"),
        ("{% for i in (1..9999) %}{% for j in (1..9999) %}{% endfor %}{% endfor %}", "loop iteration limit"),
        ("{% for i in (1..9999) %}{{ user.long }}{% endfor %}", "output stream limit"),
        ("{{ (1..1000000000) | join: 'x' }}", "more than 1000 items"),
        ("{{ user.long | append: user.long | append: user.long | replace: '', user.long }}", "more than 100000 char"),
        ("{% assign a = user.long | replace: 'x', 'xxxxxxxxxx' %}{{ a | replace: 'x', a }}", "too long a text"),
        (DOUBLE, "more than 100000 characters"),
        ("{% assign n = 9 %}{% for i in (1..99) %}{% assign n = n | times: n %}{% endfor %}", "too large a number"),
        ("a\n{{ 1 | divided_by: 0 }}", "line 2: divided_by: can't divide by 0"),
        ("{{ user.id | unheard_of }}", "unknown filter"),
    ],
)  # fmt: skip
def test_bounds(text: str, problem: str) -> None:
    """A template neither holds up a worker nor fills its memory, whatever it says."""
    began = time.process_time()
    with pytest.raises(RenderingFailed, match=problem) as fault:
        sms(text)
    assert time.process_time() - began < 5
    assert (fault.value.campaign, fault.value.channel, fault.value.field) == ("c", "sms", "body")


def test_slow_template_is_cut_short() -> None:
    """The clock is looked at on every filter."""
    slow = "{% for i in (1..9999) %}{% assign y = user.long | split: '' | join: 'xx' | size %}{% endfor %}"
    with pytest.raises(RenderingFailed, match=r"takes longer than 1\.0 s"):
        sms(slow * 20)
