"""Bodies that no provider sends: nothing but a WebhookError comes of them, and one bad event stops no other."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.rules.provider_events.events import ProviderEvent
from starter.webhooks.protocol import BodyInvalid, WebhookCall, WebhookError
from tests.support.webhook_senders import AT, SENDERS, SesSender, encoded, samples

ALL = pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
SAMPLES = [(sender, body) for sender in SENDERS for body in samples(sender.name).values()]

_WORDS = sorted({name for _, body in SAMPLES for name in body} | {"email", "bounce", "mail", "data", "headers", "name"})
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300)
    | st.floats()
    | st.text()
    | st.text(alphabet="\0\ud800é<>@,:-T Z+0129", max_size=30)
    | st.sampled_from(
        ["2026-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+14:00", "1e999", "nan"]
    )
)
JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(_WORDS) | st.text(), inner, max_size=8),
    max_leaves=30,
)


async def through(provider: Any, call: WebhookCall) -> list[ProviderEvent | None]:
    """What a call comes to, as the routes would have it."""
    with contextlib.suppress(WebhookError):
        await provider.verify(call)
    return [provider.normalise(told) for told in await provider.parse(call)]


@ALL
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
async def test_any_json_does_no_harm(sender: Any, value: Any) -> None:
    """Any JSON as a body, as an event, and straight into the normaliser."""
    provider = sender.provider()
    for body in (encoded(value), encoded([value, value]), encoded({"event-data": value, "type": "x", "data": value})):
        with contextlib.suppress(WebhookError):
            await through(provider, WebhookCall("", {}, body, AT))
    assert isinstance(provider.normalise(value), ProviderEvent | None)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
async def test_a_sample_with_anything_in_any_place_does_no_harm(data: st.DataObject) -> None:
    """A published sample in which any value may replace any other, at any depth."""
    sender, body = data.draw(st.sampled_from(SAMPLES))
    spoiled = json.loads(json.dumps(body))
    for _ in range(data.draw(st.integers(1, 3))):
        inner = spoiled
        while True:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            key = data.draw(st.sampled_from(keys)) if keys else None
            if key is None or not isinstance(inner[key], dict | list) or data.draw(st.booleans()):
                break
            inner = inner[key]
        if key is not None:
            inner[key] = data.draw(JSON)
    form = sender.name == "twilio" and "MessageSid" in body
    spoiled = {name: str(value) for name, value in spoiled.items()} if form else spoiled
    try:
        call = sender.call(spoiled)
    except UnicodeEncodeError:  # what even the sender cannot write
        return
    try:
        events = await through(sender.provider(), call)
    except WebhookError:
        return
    for event in filter(None, events):
        assert event.id
        assert event.at.tzinfo is not None
        assert "\0" not in "".join([event.id, event.recipient or "", event.url or "", *event.arguments.values()])


@ALL
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
        b"NaN",
        b'"\\ud800"',
        b'{"event":"open"\0}',
    ],
    ids=lambda body: body[:12].hex(),
)
async def test_what_is_no_json_is_told_so(sender: Any, body: bytes) -> None:
    """Broken, null bytes, too deep, too long a number: BodyInvalid, and a message that quotes nothing."""
    query = "bodySHA256=0" if sender.name == "twilio" else ""
    with pytest.raises(BodyInvalid) as error:
        await sender.provider().parse(WebhookCall(query, {}, body, AT))
    assert len(str(error.value)) < 120


@ALL
@pytest.mark.parametrize("value", [None, 17, "text", [], {}, True], ids=repr)
async def test_a_body_of_another_shape(sender: Any, value: Any) -> None:
    """JSON, but not what the provider sends: BodyInvalid, or no events."""
    query = "bodySHA256=0" if sender.name == "twilio" else ""
    try:
        events = await through(sender.provider(), WebhookCall(query, {}, encoded(value), AT))
    except BodyInvalid:
        events = []
    assert not any(events)


async def test_one_bad_event_stops_no_other() -> None:
    """A batch of SendGrid's with every kind of nonsense between two events."""
    [sender] = [sender for sender in SENDERS if sender.name == "sendgrid"]
    good = samples("sendgrid")["click"]
    bad = [
        None,
        17,
        "x",
        [],
        {},
        {"event": "open"},
        {"event": 1, "timestamp": "x", "email": 2},
        {**good, "timestamp": 1e18},
    ]
    provider = sender.provider()
    events = [
        provider.normalise(told) for told in await provider.parse(WebhookCall("", {}, encoded([good, *bad, good]), AT))
    ]
    assert [event is not None for event in events] == [True, *[False] * len(bad), True]


async def test_a_null_character_counts_as_not_told() -> None:
    """No database stores one: the field is left out, the event is kept."""
    [sender] = [sender for sender in SENDERS if sender.name == "sendgrid"]
    told = {**samples("sendgrid")["click"], "useragent": "a\0b", "campaign": "wel\0come", "user": "u-17"}
    event = sender.provider().normalise(told)
    assert event is not None
    assert (event.agent, dict(event.arguments)) == (None, {"user": "u-17"})


async def test_a_notification_that_holds_no_event() -> None:
    """SNS's message is valid, its content is not SES's."""
    sender = SesSender()
    for held in ("hello", "[]", "17", '"x"', "{" * 1000):
        call = sender.call(held)
        await sender.provider().verify(call)
        with pytest.raises(BodyInvalid):
            await sender.provider().parse(call)
