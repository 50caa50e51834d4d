"""No value that a user or a service supplies changes a request, a mail or a link beyond its own place."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.channels.networks import EVERYWHERE
from connector.channels.protocol import Address, OutgoingMessage, Rejected
from connector.channels.webhook import WebhookChannel
from connector.definitions import parse_mapping, parse_yaml
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import Campaign
from connector.rules.model.errors import DefinitionError
from connector.rules.model.messages import Messages
from connector.rules.publishing.checks import Publication
from connector.rules.publishing.facts import NO_FACTS
from connector.rules.publishing.warnings import value_without_encoding
from connector.templating.links import leads_elsewhere
from connector.templating.templates import render
from tests.support.polling import until
from tests.support.system import ANN, SCHEDULED, System
from tests.support.templates import MOMENT

EVIL = 'Ann", "role": "admin", "x": "\n\\'


def define(messages: dict[str, Any]) -> Campaign:
    data = {"campaign": "c", "delivery": {"type": "external"}, "messages": messages}
    parsed = parse_mapping(data, with_links=True)
    assert isinstance(parsed, Campaign)
    return parsed


async def test_a_name_adds_no_key_to_a_webhooks_body(system: System) -> None:
    """The receiver reads the keys that the author wrote, and the user's whole name in its place."""
    body = '{"name": "{{ user.first_name }}", "role": "guest", "age": {{ user.attributes.age }}}'
    webhook = {"url": system.providers.hook_url, "body": body}
    await system.do("PUT", "/v1/users/ann", {**ANN, "first_name": EVIL, "attributes": {"age": '1, "role": "admin"'}})
    definition = {"campaign": "original", **SCHEDULED, "messages": {"webhook": webhook}}
    await system.do("PUT", "/v1/campaigns/original", definition)
    await system.do("POST", "/v1/campaigns/original/publish", {})
    await until(lambda: system.providers.hooks, "the webhook")
    read = json.loads(system.providers.hooks[0])
    assert read == {"name": EVIL, "role": "guest", "age": '1, "role": "admin"'}


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "a\rb", "a\0b", "a\r\n\r\n{}"])
async def test_no_value_adds_a_header_to_a_webhook(value: str) -> None:
    """A line break in a header's value is refused before anything is sent."""

    channel = WebhookChannel(timeout=timedelta(seconds=5), networks=EVERYWHERE)
    content = {"url": "http://127.0.0.1:9/", "headers": {"x-name": value}}
    with pytest.raises(Rejected):
        await channel.send(OutgoingMessage("d", "c", "webhook", Address("u"), content))
    await channel.close()


OPEN = [
    ("webhook.url", "{{ user.hook }}"),
    ("webhook.url", "https://{{ user.host }}/x"),
    ("webhook.url", "https://{{ user.region }}.shop.example/x"),
    ("webhook.url", "https://shop.example{{ user.path }}"),
    ("webhook.url", "https://shop.example:{{ user.port }}/"),
    ("webhook.url", "//{{ user.host }}/"),
    ("webhook.url", "{% assign a = user.hook %}{{ a }}"),
    ("webhook.url", "{% capture a %}https://{{ user.hook }}/{% endcapture %}{{ a }}"),
    ("webhook.url", "{% if user.x %}https://a.example/{% else %}{{ user.hook }}{% endif %}"),
    ("webhook.url", "{% echo user.hook %}"),
    ("webhook.url", "{% liquid echo user.hook %}"),
    ("webhook.url", "https://{% cycle user.a, user.b %}/"),
    ("webhook.url", "{% for h in user.hooks %}{{ h }}{% endfor %}"),
    ("webhook.url", "{{ event.properties.url }}"),
    ("webhook.url", "{% if user.x %}{{ campaign.id }}{% else %}https://a.example/{% endif %}{{ user.hook }}"),
    ("webhook.url", "{% unless user.x %}https://a.example/{% endunless %}{{ user.hook }}"),
    ("webhook.url", "{% case user.x %}{% when 1 %}https://a.example/{% endcase %}{{ user.hook }}"),
    ("webhook.url", "{% comment %}https://a.example/{% endcomment %}{{ user.hook }}"),
    ("webhook.url", "{% for campaign in user.hooks %}{{ campaign }}{% endfor %}"),
    ("webhook.url", "{% assign a = 'x' %}{% liquid assign a = user.hook %}{% if a %}{% endif %}{{ a }}"),
    ("push.link", "/{{ user.path }}"),
    ("content_card.link", "\\{{ user.path }}"),
    ("push.link", "{{ trigger.properties.link }}"),
    ("content_card.link", "https:{{ user.x }}"),
    ("news_feed_card.link", "https:/\\{{ user.x }}"),
    ("email.html", '<a href="{{ user.url }}">x</a>'),
    ("email.html", "<a class=a href='https://{{ user.url }}/'>x</a>"),
    ("email.html", "<a href={{ user.url }}>x</a>"),
    ("email.html", '<A\nHREF = "{{ user.url }}">x</A>'),
    ("email.html", '<a Href="{{ user.url }}">x</a>'),
    ("email.html", '<a href="/{{ user.path }}">x</a>'),
    ("email.html", "<p>https://{{ user.host }}</p>"),
    ("sms.body", "İyi günler: https://{{ user.host }}/"),
    ("email.text", "Look: https://{{ user.host }}/x"),
    ("sms.body", "http://shop.example.{{ user.host }}"),
]
CLOSED = [
    ("webhook.url", "https://shop.example/{{ user.id }}?q={{ user.x }}"),
    ("webhook.url", "https://shop.example?q={{ user.x }}"),
    ("webhook.url", "{% if user.x %}https://a.example/{% else %}https://b.example/{% endif %}{{ user.id }}"),
    ("webhook.url", "{% assign base = 'https://a.example' %}{{ base }}/{{ user.id }}"),
    ("webhook.url", "https://{{ campaign.id }}.shop.example/{{ user.id }}"),
    (
        "webhook.url",
        "{% case user.x %}{% when 1 %}https://a.example/{% else %}https://b.example/{% endcase %}{{ user.y }}",
    ),
    ("webhook.url", "https://a.example/{% if user.x %}x/{% endif %}{{ user.id }}"),
    ("email.html", '{% if user.x %}<a href="https://a.example/">x</a>{% endif %}{{ user.first_name }}'),
    ("push.link", "shop://{{ event.properties.sku }}"),
    ("push.link", "/products/{{ event.properties.sku }}"),
    ("push.link", "mailto:{{ user.email }}"),
    ("email.html", '<a href="https://a.example/{{ user.id }}">{{ user.first_name }}</a>'),
    ("email.html", '<a href="https://a.example/?href={{ user.id }}">x</a> {{ user.first_name }}'),
    ("email.html", '<a href="#top" title="{{ user.first_name }}">x</a>'),
    ("sms.body", "Hi {{ user.first_name }}, https://a.example/{{ user.id }} {{ user.x }}"),
    ("webhook.body", '{"link": "https://{{ user.host }}/"}'),
]


def messages_with(field: str, text: str) -> dict[str, Any]:
    channel, _, name = field.partition(".")
    needed = {"webhook": {"url": "https://a.example/"}, "email": {"subject": "s"}, "sms": {"body": "b"}}
    return {channel: {**needed.get(channel, {"title": "t", "body": "b"}), name: text}}


@pytest.mark.parametrize(("field", "text"), OPEN)
def test_a_link_whose_host_comes_from_user_data_is_refused(field: str, text: str) -> None:
    """The fault names file, line, key and the value; `apply` saves nothing."""
    yaml = f"campaign: c\ndelivery: {{type: external}}\nmessages: {json.dumps(messages_with(field, text))}\n"
    with pytest.raises(DefinitionError, match=rf"f\.yaml:3: messages\.{field}: .*CONNECTOR_LINK_HOSTS"):
        parse_yaml(yaml, file="f.yaml", with_links=True)


@pytest.mark.parametrize(("field", "text"), CLOSED)
def test_other_links_are_accepted(field: str, text: str) -> None:
    """Values behind the host, in an app's own scheme, or beside a link are the users' to choose."""
    assert define(messages_with(field, text)).id == "c"


@pytest.mark.parametrize(
    ("field", "text", "value", "elsewhere"),
    [
        ("webhook.url", "{{ user.x }}", "https://a.listed.example/x", False),
        ("webhook.url", "{{ user.x }}", "https://one.example:8443/x", False),
        ("webhook.url", "{{ user.x }}", "https://evil.test/", True),
        ("webhook.url", "{{ user.x }}", "https://one.example@evil.test/", True),
        ("webhook.url", "{{ user.x }}", "https://evil.test\\.listed.example/", True),
        ("webhook.url", "{{ user.x }}", "https://evil.test?.listed.example/", True),
        ("webhook.url", "{{ user.x }}", "https://evillisted.example/", True),
        ("push.link", "{{ user.x }}", "javascript:alert(1)", True),
        ("email.html", '<a href="{{ user.x }}">x</a>', " java\tscript:alert(1)", True),
        ("email.html", '<a href="{{ user.x }}">x</a>', "https://one.example/", False),
        (
            "email.html",
            '<a href="{{ user.x }}">x</a><a href="https://own.example/">y</a>',
            "https://one.example",
            False,
        ),
        ("email.html", '<a href="{{ user.x }}">x</a>', "//evil.test/", True),
        ("sms.body", "See https://{{ user.x }}/", "evil.test", True),
        ("sms.body", "See https://{{ user.x }}/", "one.example", False),
    ],
)
def test_listed_hosts_are_checked_when_the_message_is_sent(field: str, text: str, value: str, elsewhere: bool) -> None:
    """With a list, `apply` accepts such links, and each rendered one must lead to a listed or a written host."""
    channel = field.partition(".")[0]
    messages = Messages.model_validate(messages_with(field, text))
    content = render(
        messages, channel, {"user": {"x": value}, "campaign": {"id": "c"}, "trigger": {}, "event": {}}, MOMENT
    )
    assert leads_elsewhere(getattr(messages, channel), content, ["one.example", "*.listed.example"]) is elsewhere


@pytest.mark.parametrize(
    ("field", "text", "notes"),
    [
        ("webhook.url", "https://a.example/{{ user.id | raw }}", 1),
        ("webhook.body", '{"a": {{ user.x|raw }}}', 1),
        ("email.html", "{{ user.bio | safe }}", 1),
        ("webhook.body", '{"a": {{ user.raw }}, "b": "{{ user.x | json }}"}', 0),
    ],
)
def test_a_value_that_is_not_encoded_is_warned_of(field: str, text: str, notes: int) -> None:
    """`raw` opts out of the encoding, and the lint names the field."""
    now = datetime(2026, 3, 2, tzinfo=UTC)
    definition = define(messages_with(field, text))
    found = list(value_without_encoding(Publication(definition, Catalogue(), now, NO_FACTS)))
    assert len(found) == notes
    assert [note.key for note in found if note.key != f"messages.{field}"] == []
