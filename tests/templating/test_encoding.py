"""Values are encoded by the place at which a webhook's template writes them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.rules.model.messages import Messages
from connector.templating.templates import render
from tests.support.templates import MOMENT

EVIL = '", "admin": true, "x": "\\\n'
USER: dict[str, Any] = {"x": EVIL, "n": 31, "ok": True, "none": None, "list": [1, "a"], "map": {"a": 1}, "bs": "\\"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def webhook(part: str, template: str, user: dict[str, Any], headers: dict[str, str] | None = None) -> str:
    message = {"url": "https://x.example", "headers": headers or {}, part: template}
    variables = {"user": user, "campaign": {"id": "c"}, "trigger": {}, "event": {}}
    rendered: str = render(Messages.model_validate({"webhook": message}), "webhook", variables, MOMENT)[part]
    return rendered


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ('{"a": "{{ user.x }}"}', {"a": EVIL}),
        ('{"a": {{ user.x }}}', {"a": EVIL}),
        ('{"a": "Hi {{ user.x }}!"}', {"a": f"Hi {EVIL}!"}),
        ('{"a": "\\"{{ user.x }}\\""}', {"a": f'"{EVIL}"'}),
        ('{"a": "\\{{ user.x }}"}', {"a": "\\" + EVIL}),
        ('{"a": "\\{{ user.bs }}"}', {"a": "\\\\"}),
        ('{"a": "\\\\{{ user.x }}"}', {"a": "\\" + EVIL}),
        ('{"{{ user.x }}": 1}', {EVIL: 1}),
        ('{"n": {{ user.n }}, "s": "{{ user.n }}", "m": {{ user.n | plus: 1 }}}', {"n": 31, "s": "31", "m": 32}),
        ('{"a": {{ user.none }}, "b": {{ user.zzz }}, "c": "{{ user.none }}"}', {"a": None, "b": None, "c": ""}),
        ('{"a": {{ user.ok }}, "b": {{ user.list }}, "c": {{ user.map }}}', {"a": True, "b": [1, "a"], "c": {"a": 1}}),
        ("{{ user.map }}", {"a": 1}),
        ("{{ user.x }}", EVIL),
        ('{"a": {{ user.x | json }}}', {"a": EVIL}),
        ('{"a": "{{ user.map | json }}"}', {"a": '{"a": 1}'}),
        ('{"a": "{{ user.x | escapejs }}"}', {"a": EVIL}),
        ('{"a": "{{ user.x | url_encode }}"}', {"a": "%22%2C+%22admin%22%3A+true%2C+%22x%22%3A+%22%5C%0A"}),
        ('{"a": "{{ user.x | upcase }}"}', {"a": EVIL.upper()}),
        ('{% assign y = user.x %}{"a": "{{ y }}"}', {"a": EVIL}),
        ('{% capture y %}{{ user.x }}!{% endcapture %}{"a": "{{ y }}"}', {"a": EVIL + "!"}),
        ('[{% for y in user.list %}{{ y }}{% unless forloop.last %},{% endunless %}{% endfor %}]', [1, "a"]),
        ('{"a": {% if user.ok %}"{{ user.x }}"{% else %}{{ user.x }}{% endif %}, "b": "{{ user.x }}"}',
         {"a": EVIL, "b": EVIL}),
        ('{"a": "{% cycle user.x, user.n %}"}', {"a": EVIL}),
        ('{"a": 1{% cycle ", ", "" %}"b": {% cycle user.x, 1 %}}', {"a": 1, "b": EVIL}),
        ('{"a": "{% ifchanged %}{{ user.x }}{% endifchanged %}"}', {"a": EVIL}),
        ('{"a": "{% echo user.x %}", "b": {% liquid echo user.x %}}', {"a": EVIL, "b": EVIL}),
        ('{"a": 1{{ ", " }}"b": {{ "true" | raw }}}', {"a": 1, "b": True}),
        ("{\"a\": 1{{ ', \"b\": 2' | raw }}}", {"a": 1, "b": 2}),
        ('{"a": "\\{% ifchanged %}{{ user.x }}{% endifchanged %}"}', {"a": "\\" + EVIL}),
    ],
)  # fmt: skip
def test_values_in_json(template: str, value: Any) -> None:
    """A value is JSON of its own, or the content of the string around it, whatever it holds; `raw` opts out."""
    assert json.loads(webhook("body", template, USER)) == value


@given(value=texts, before=texts)
def test_no_value_leaves_its_json_string(value: str, before: str) -> None:
    """Whatever stands before it in the string, a value stays in the string."""
    template = '{"a": "{{ user.before }}{{ user.x }}", "b": {{ user.x }}}'
    read = json.loads(webhook("body", template, {"x": value, "before": before}))
    assert read == {"a": before + value, "b": value}


@pytest.mark.parametrize(
    ("template", "value", "url"),
    [
        ("https://x.test/u/{{ user.x }}?q=1", "../../admin?y#z", "https://x.test/u/..%2F..%2Fadmin%3Fy%23z?q=1"),
        ("https://x.test/u/{{ user.x }}/z", "..", "https://x.test/u/%2E%2E/z"),
        ("https://x.test/?q={{ user.x }}&r=1", "a&admin=1 é", "https://x.test/?q=a%26admin%3D1%20%C3%A9&r=1"),
        ("https://x.test/?q={{ user.x | url_encode }}", "a b&c", "https://x.test/?q=a+b%26c"),
        ("https://x.test/u/{{ user.x | url_encode }}/z", "..", "https://x.test/u/%2E%2E/z"),
        ("https://x.test/?q={{ user.x | json }}", "a", "https://x.test/?q=%22a%22"),
        ("https://x.test/{{ user.x | raw }}", "a/b?c", "https://x.test/a/b?c"),
        ("https://x.test{{ user.x }}/a", "@evil.test", "https://x.test%40evil.test/a"),
        ("https://x.test:{{ user.x }}/a", "80@evil.test", "https://x.test:80%40evil.test/a"),
        ("{{ user.x }}?q={{ user.x }}", "https://h.test/", "https://h.test/?q=https%3A%2F%2Fh.test%2F"),
        ("https://x.test/{{ user.zzz }}", "", "https://x.test/"),
    ],
)
def test_values_in_urls(template: str, value: str, url: str) -> None:
    """A value is percent-encoded in path, query and host, once; one that begins the URL is not encoded."""
    assert webhook("url", template, {"x": value}) == url


@given(value=texts)
def test_no_value_leaves_its_part_of_a_url(value: str) -> None:
    """Path and query keep their structure."""
    url = urlsplit(webhook("url", "https://x.test/a/{{ user.x }}/b?q={{ user.x }}&r=1", {"x": value}))
    assert (url.hostname, url.fragment) == ("x.test", "")
    assert [unquote(part) for part in url.path.split("/")] == ["", "a", value, "b"]
    assert parse_qs(url.query, keep_blank_values=True) == {"q": [value], "r": ["1"]}


@pytest.mark.parametrize(
    ("headers", "template", "body"),
    [
        (FORM, "a={{ user.x }}&b=2", "a=%26b%3D1%20%3C&b=2"),
        ({"content-type": "text/xml"}, "<a>{{ user.x }}</a>", "<a>&amp;b=1 &lt;</a>"),
        ({"content-type": "text/plain"}, '{{ user.x }} "x"', '&b=1 < "x"'),
        ({}, "Hello {{ user.x }}", "Hello &b=1 <"),
        ({"content-type": "application/vnd.x+json"}, "{{ user.x }}", '"&b=1 <"'),
    ],
)
def test_other_bodies(headers: dict[str, str], template: str, body: str) -> None:
    """The content type decides; without one a body that is clearly plain text is not encoded."""
    assert webhook("body", template, {"x": "&b=1 <"}, headers) == body
