"""W7: guards against missing values work, and a template that raises an error is not one that aborts itself.

Sources: SHOPIFY is shopify.dev/docs/api/liquid/basics ("nil", "EmptyDrop", "Truthy and falsy"), LIQUID is
lib/liquid/condition.rb and standardfilters.rb of Shopify/liquid; issues are given by repository and number.
"""

from __future__ import annotations

from typing import Any

import pytest

from connector.templating.templates import MessageAborted, RenderingFailed
from tests.support.templates import render_text

VARIABLES: dict[str, Any] = {
    "user": {
        "id": "u-1",
        "nothing": None,
        "bare": "",
        "spaces": " \t",
        "zero": 0,
        "no": False,
        "yes": True,
        "none": [],
        "object": {},
        "name": "Ann",
        "number": 5,
        "list": ["a", None, True, 1.5],
        "attributes": {"a": None, "s": "text"},
    },
    "campaign": {"id": "c"},
    "trigger": {},
    "event": {},
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        # a missing value equals blank and nil, and is not empty: Shopify/liquid#642, #224, #589; behaviour.md W7
        *(
            (f"user.{missing} {comparison}", expected)
            for missing in (
                "missing",
                "nothing",
                "attributes.a",
                "attributes.a.b",
                "missing.a.b.c",
                "attributes.s.x",
                "list[9]",
                "list[1]",
            )
            for comparison, expected in (
                ("== blank", True),
                ("!= blank", False),
                ("== nil", True),
                ("!= nil", False),
                ("== null", True),
                ("== empty", False),
                ("!= empty", True),
                ("== false", False),
                ("== ''", False),
                ("== 0", False),
                ("contains 'x'", False),
                ("> 5", False),
                ("< 5", False),
                (">= 5", False),
                ("<= 5", False),
                ("and true", False),
                ("or true", True),
                ("== user.missing", True),
                ("== user.nothing", True),
            )
        ),
        ("blank == user.missing", True),
        ("nil == user.missing", True),
        ("blank != user.name", True),
        ("nil == blank", True),
        ("blank == blank", True),
        ("user", True),
        # blank: ActiveSupport's blank?, to which Liquid's literal refers
        ("user.bare == blank", True),
        ("user.spaces == blank", True),
        ("user.none == blank", True),
        ("user.object == blank", True),
        ("user.no == blank", True),
        ("user.zero == blank", False),
        ("user.yes == blank", False),
        ("user.name == blank", False),
        ("user.list == blank", False),
        ("user.number == blank", False),
        # empty: SHOPIFY EmptyDrop, texts and lists without content
        ("user.bare == empty", True),
        ("user.spaces == empty", False),
        ("user.none == empty", True),
        ("user.object == empty", True),
        ("user.name == empty", False),
        ("user.zero == empty", False),
        # SHOPIFY: everything is true but nil and false
        ("user.bare", True),
        ("user.zero", True),
        ("user.none", True),
        ("user.no", False),
        ("user.name", True),
        # contains: LIQUID asks what has parts only
        ("user.number contains 'x'", False),
        ("user.yes contains 'x'", False),
        ("user.name contains user.missing", False),
        ("user.name contains 'nn'", True),
        ("user.list contains 'a'", True),
        ("user.attributes contains 's'", True),
        ("user.list contains user.missing", False),
        # what has no order is neither smaller nor larger: LIQUID `left.respond_to?(operator)`
        ("user.yes < 5", False),
        ("user.list > 5", False),
        ("user.object < user.list", False),
        ("user.missing == blank and user.name != blank", True),
        ("user.name.size > 2", True),
    ],
)
def test_condition(condition: str, expected: bool) -> None:
    """A condition is what Liquid's documentation says; `unless` is its opposite."""
    assert render_text("{% if " + condition + " %}T{% else %}F{% endif %}", VARIABLES) == "FT"[expected]
    assert render_text("{% unless " + condition + " %}F{% else %}T{% endunless %}", VARIABLES) == "FT"[expected]
    elsif = "{% if user.no %}{% elsif " + condition + " %}T{% else %}F{% endif %}"
    assert render_text(elsif, VARIABLES) == "FT"[expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (text.replace("X", f"user.{missing}"), expected)
            for missing in ("missing", "nothing", "attributes.a.b")
            for text, expected in (
                ("[{{ X }}]", "[]"),
                ("{{ X | default: 'Hi' }}", "Hi"),
                ("{{ X | upcase }}", ""),
                ("{{ X | size }}", "0"),
                ("{{ X | append: '!' }}", "!"),
                ("{{ 'a' | append: X }}", "a"),
                ("{{ X | join: ', ' }}", ""),
                ("{{ X | split: ',' | size }}", "0"),
                ("{{ X | first }}", ""),
                ("{{ X | last }}", ""),
                ("{{ X | sort | join }}", ""),
                ("{{ X | uniq | join }}", ""),
                ("{{ X | map: 'a' | join }}", ""),
                ("{{ X | reverse | join }}", ""),
                ("{{ X | where: 'a', 1 | size }}", "0"),
                ("{{ X | sum }}", "0"),
                ("{{ X | plus: 1 }}", "1"),
                ("{{ 1 | plus: X }}", "1"),
                ("{{ X | times: 2 }}", "0"),
                ("{{ X | round }}", "0"),
                ("{{ X | json }}", "null"),
                ("{{ X | escape }}", ""),
                ("{{ X | url_encode }}", ""),
                ("{{ X | strip_html }}", ""),
                ("{{ X | truncate: 3 }}", ""),
                ("{{ X | date: '%Y' }}", ""),
                ("{{ X | raw }}", ""),
                ("{{ X.size }}", ""),
                ("{{ X.first }}", ""),
                ("{% for x in X %}x{% else %}none{% endfor %}", "none"),
                ("{% for i in (1..X) %}i{% endfor %}", ""),
                ("{% for x in user.list limit: X %}x{% endfor %}", "xxxx"),
                ("{% for x in user.list offset: X %}x{% endfor %}", "xxxx"),
                ("{% assign y = X %}{% if y == nil %}N{% endif %}", "N"),
                ("{{ user[X] }}", ""),
                ("{% case X %}{% when 'a' %}a{% when blank %}B{% else %}E{% endcase %}", "B"),
                ("{% case X %}{% when nil %}N{% else %}E{% endcase %}", "N"),
                ("{% capture y %}{{ X }}{% endcapture %}{% if y == blank %}B{% endif %}", "B"),
            )
        ),
        ("{{ user.bare | default: 'Hi' }}{{ user.no | default: 'Hi' }}{{ user.none | default: 'Hi' }}", "HiHiHi"),
        ("{{ user.zero | default: 9 }}{{ user.no | default: true, allow_false: true }}", "0false"),
        ("{{ user.list | join: ',' }}", "a,,true,1.5"),
        ("{% case user.name %}{% when blank %}B{% else %}E{% endcase %}", "E"),
        ("{% for x in user.number %}x{% else %}none{% endfor %}", "none"),
    ],
)
def test_missing_values(text: str, expected: str) -> None:
    """A missing value, null included (M9), is nothing to every tag and filter."""
    assert render_text(text, VARIABLES) == expected


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("{% if user.name > 5 %}{% endif %}", 1, "a text and a number have no order"),
        ("\n\n{% if 5 < user.name %}{% endif %}", 3, "a text and a number have no order"),
        ("a\n{{ 1 | divided_by: 0 }}", 2, "divided_by: can't divide by 0"),
        ("a\n{{ 1 | divided_by: user.missing }}", 2, "divided_by: can't divide by 0"),
        ("a\n{{ 1 | modulo: user.zero }}", 2, "modulo: can't divide by 0"),
        ("\n{{ user.list | concat: user.name }}", 2, "concat: does not work on a list with a text"),
        ("{{ user.name | slice: 'x' }}", 1, "slice: does not work on a text with a text"),
        ("{{ user.name | truncate: 'x' }}", 1, "truncate: does not work on a text with a text"),
        ("{{ user.list | sort }}", 1, "sort: does not work on a list"),
        ("{{ user.name | upcase: 1, 2 }}", 1, "upcase: has too few or too many arguments"),
        ("{{ user.name | append }}", 1, "append: has too few or too many arguments"),
        ("{{ 'now' | date }}", 1, "date: has too few or too many arguments"),
        ("{{ 'now' | date: '%Y', zone: 'UTC' }}", 1, "date: has too few or too many arguments"),
        ("\n{{ user.name | nothing_known }}", 2, "unknown filter 'nothing_known'"),
        ("{% for x in user.list limit: 'a' %}{% endfor %}", 1, "limit, offset and cols must be whole numbers"),
        (
            "\n{% for i in (1..99999) %}{% endfor %}",
            2,
            "loop iteration limit reached: a template loops at most 10,000 times",
        ),
    ],
)
def test_error_names_channel_field_and_line(text: str, line: int, problem: str) -> None:
    """W7: the error is in the words of this project, and quotes no value of the user."""
    with pytest.raises(RenderingFailed) as failed:
        render_text(text, VARIABLES)
    assert failed.value.place_and_problem.startswith(f"sms.body, line {line}: {problem}")
    assert "Ann" not in str(failed.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ user.yes }}{{ user.no }}{{ user.zero }}", "truefalse0"),
        ("{{ user.list }}", "atrue1.5"),
        ("{{ user.yes | append: '!' }}{{ 'x' | append: user.no }}", "true!xfalse"),
        ("{{ user.yes | upcase }} {{ user.yes | replace: 'true', user.no }}", "TRUE false"),
        ("{{ user.list | json }}", '["a", null, true, 1.5]'),
        ("{{ user.attributes }}", '{"a": null, "s": "text"}'),
        ("{{ user.attributes | append: '' }}", '{"a": null, "s": "text"}'),
    ],
)
def test_values_are_not_written_in_the_words_of_python(text: str, expected: str) -> None:
    """SHOPIFY: `true`, `false`, and null as nothing, in lists too; an object is written as JSON."""
    assert render_text(text, VARIABLES) == expected


def test_abort_is_the_authors() -> None:
    """W7: `abort_message` is no error, also inside the guards."""
    with pytest.raises(MessageAborted):
        render_text("{% if user.missing == blank %}{% abort_message('no name') %}{% endif %}", VARIABLES)
