"""No text that an outsider or an author supplies blocks a worker or the API: work is bounded, linear, off the loop."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from pydantic import ValidationError

from connector.app.context import build_context
from connector.channels.mime import build_mime_message
from connector.channels.protocol import Address, OutgoingMessage, SendError
from connector.definitions import parse_mapping, parse_yaml
from connector.definitions.faults import describe_faults
from connector.definitions.reading import MAX_FAULTS_OF_ALL
from connector.definitions.yaml_text import read_documents
from connector.rules.model.errors import DefinitionError
from connector.rules.model.users import User, UserMerge
from connector.settings.application import Settings
from connector.store.engine.database import Database
from connector.templating.checking import MAX_TEMPLATE_BYTES
from connector.templating.liquid_bounds import ENVIRONMENTS
from connector.tracking.agents import is_crawler
from connector.tracking.rewriting import rewrite_html, rewrite_text
from connector.tracking.text_links import hosts_in
from starter.operations.plan import plan_definitions
from starter.operations.preview_choice import Choice
from starter.operations.preview_messages import preview_messages
from starter.webhooks.payload import read_address, reason_code
from tests.support.api_process import api_process
from tests.support.event_loop import watching_the_loop
from tests.support.polling import until
from tests.support.system import SCHEDULED, System

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
SIZE = 250_000
MAX_PAUSE_SECONDS = 2.0
"""Generous, because the machine has other work; what blocked the loop before took from 7 to 80 seconds."""
REFUSALS = (DefinitionError, SendError, ValidationError)


def outgoing(**content: Any) -> OutgoingMessage:
    return OutgoingMessage("d-1", "welcome", "email", Address("u", "ann@example.com"), {"text": "Hello"} | content)


def write_mail(**content: Any) -> None:
    build_mime_message(outgoing(**{"subject": "Hi"} | content), sender="a@shop.test", at=AT)


def render(template: str, text: str, *, html: bool = False) -> None:
    ENVIRONMENTS["html" if html else "text"].from_string(template).render(user={"x": text})


def check(text: str) -> None:
    parse_mapping({"campaign": "c", "delivery": {"type": "external"}, "messages": {"sms": {"body": text}}})


def apply(definition: dict[str, Any]) -> None:
    parse_mapping({"campaign": "c", "delivery": {"type": "external"}, **definition})


def describe(data: dict[str, Any]) -> None:
    try:
        User.model_validate(data)
    except ValidationError as error:
        describe_faults(error, User, data)


def track_html(html: str) -> None:
    rewrite_html(html, link=lambda *_: "https://t.test/1", own="https://t.test/u/", unsubscribe="u", pixel="p")


def track_text(text: str) -> None:
    rewrite_text(text, link=lambda *_: None, own="https://t.test/u/")


def repeated(unit: str) -> Callable[[int], str]:
    """Return a function from a size to this text of that size."""
    return lambda size: unit * (size // len(unit))


def many(key: str) -> Callable[[int], dict[str, Any]]:
    """Return a function from a size to that many keys, as JSON of that size has."""
    return lambda size: {f"{key}{n}": 1 for n in range(size // 16)}


# fmt: off
MARKUP = ["{{", "{%", "{{ ", "{% raw %}", "{% doc %}", "{% comment %}", "{% if a %}", "{{ a }}", "{", "{{ user.",
          "{{ a | b }}",
          "{% if user.id %}{% endif %}", "{% liquid ", "{% case a %}", "{%raw"]
TAGS = ["<", "<a", "<a ", "<!--", "</", "<![", "<?", "<a href='x'>", "<a b='", "<a href=x ", "&#", "<script>", "' "]
WORST: list[tuple[str, Callable[..., Any], Callable[[int], Any]]] = [
    *((f"apply {unit}", check, repeated(unit)) for unit in MARKUP),
    *((f"apply in markup {unit}", check, lambda n, u=unit: "{{ a " + repeated(u)(n) + "}}") for unit in " (|.[',-"),
    *((f"apply in a tag {unit}", check, lambda n, u=unit: "{% if a" + repeated(u)(n) + "%}") for unit in " (|.[',-"),
    *((f"links of {unit}", track_html, repeated(unit)) for unit in TAGS),
    *((f"strip_html {unit}", lambda x: render("{{ user.x | strip_html }}", x),
       lambda n, u=unit: ">" + repeated(u)(n // 3)) for unit in TAGS),
    *((f"{name} of a value", lambda x, f=name: render("{{ user.x | " + f + " }}", x), repeated("a <&.1"))
      for name in ("escape", "escape_once", "url_encode", "json", "date: '%Y'", "split: ''", "replace: 'a', 'bb'",
                   "truncatewords: 9", "newline_to_br", "times: 2", "round", "squish", "url_decode")),
    ("HTML of a value", lambda x: render("{{ user.x }}", x, html=True), repeated("<&>")),
    ("text of brackets", track_text, lambda n: "http://x/(" + ")" * n),
    ("text of URLs", track_text, repeated("http://x/) ")),
    ("text of schemes", track_text, repeated("http://")),
    ("hosts of brackets", hosts_in, lambda n: "http://x" + ")" * n + " "),
    ("hosts of schemes", hosts_in, repeated("http://a.")),
    ("subject", lambda x: write_mail(subject=x), repeated("x")),
    ("subject beyond ASCII", lambda x: write_mail(subject=x), repeated("é")),
    ("subject of encoded words", lambda x: write_mail(subject=x), repeated("=?")),
    ("sender of spaces", lambda x: write_mail(**{"from": x}), lambda n: " " * n + "<a@b.test>"),
    ("sender of quotes", lambda x: write_mail(**{"from": x}), lambda n: '"' + "\\" * n + " <a@b.test>"),
    ("sender of at signs", lambda x: write_mail(**{"from": x}), repeated("@")),
    *((f"mail of {unit!r}", lambda x: write_mail(html=x), repeated(unit))
      for unit in ("x", "é", "\r", "=", "é\n", "From \n")),
    ("user with unknown keys", describe, lambda n: {"id": "u", **many("k")(n)}),
    ("user with similar keys", describe, lambda n: {"id": "u", **many("emai")(n)}),
    ("campaign with unknown keys", apply, many("k")),
    ("campaign with bad conditions", apply, lambda n: {"audience": {"any": [{"attribut": "a"}] * (n // 18)}}),
    ("campaign with bad headers", apply, lambda n: {
        "messages": {"webhook": {"url": "https://x.test", "headers": {f"k{i}": "{{ a }}" for i in range(n // 20)}}}}),
    ("YAML of brackets", lambda x: list(read_documents(x, "f")), repeated("[")),
    ("YAML of anchors", lambda x: list(read_documents(x, "f")), repeated("- &a [*a]\n")),
    ("YAML of quotes", lambda x: list(read_documents(x, "f")), repeated("'")),
    ("YAML of keys", lambda x: parse_yaml(x, file="f"), lambda n: "".join(f"k{i}: 1\n" for i in range(n // 10))),
    ("YAML of documents", lambda x: parse_yaml(x, file="f"), repeated("---\na: 1\n")),
    ("user agent", is_crawler, repeated("bot/1.")),
    ("provider's address", read_address, repeated("a@")),
    ("provider's reason", reason_code, repeated("aB ")),
]
# fmt: on


@pytest.fixture(scope="module")
def _without_old_garbage() -> Iterator[None]:
    """Keep the garbage collector from walking, in a measurement, through what other tests have left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def seconds_of(work: Callable[..., Any], value: Any) -> float:
    """Return the processor time that the work takes, refused or not."""
    gc.collect()
    began = time.process_time()
    try:
        work(value)
    except Exception as error:
        if not isinstance(error, REFUSALS) and not type(error).__module__.startswith("liquid"):
            raise
    return time.process_time() - began


def is_linear(small: float, large: float) -> bool:
    return large < max(8 * small, 0.5) and max(small, large) < 5


@pytest.mark.usefixtures("_without_old_garbage")
@pytest.mark.parametrize(("work", "make"), [pytest.param(work, make, id=name) for name, work, make in WORST])
def test_work_is_linear_or_refused(work: Callable[..., Any], make: Callable[[int], Any]) -> None:
    """Four times as much of the worst input takes about four times as long, or is refused at once.

    The better of two measurements counts: the machine may be busy in one of them.
    """
    seconds_of(work, make(1000))
    small, large = seconds_of(work, make(SIZE)), seconds_of(work, make(4 * SIZE))
    if not is_linear(small, large):
        small, large = min(small, seconds_of(work, make(SIZE))), min(large, seconds_of(work, make(4 * SIZE)))
    assert is_linear(small, large), (small, large)


async def save(system: System, messages: dict[str, Any], *users: dict[str, Any]) -> None:
    """Describe the users, and save an original that is sent to them when it is published."""
    for user in users:
        await system.do("PUT", f"/v1/users/{user['id']}", user)
    await system.do("PUT", "/v1/campaigns/original", {"campaign": "original", **SCHEDULED, "messages": messages})


async def publish_and_measure(system: System, last: Callable[[], Awaitable[object]]) -> float:
    """Publish the original, wait until Mallory's message has failed and for `last`; return the loop's longest pause."""

    async def has_failed() -> bool:
        return [row["reason"] for row in await system.follow_ups("mallory", "original")] == ["send_failed"]

    async with watching_the_loop() as longest:
        await system.do("POST", "/v1/campaigns/original/publish", {})
        await until(has_failed, "the refusal of Mallory's message")
        await last()
    return longest.seconds


async def test_a_long_attribute_in_a_subject_delays_no_other_message(system: System) -> None:
    """A subject that is too long fails its own message, and the mail of others goes out."""
    mallory = {"id": "mallory", "email": "m@example.com", "attributes": {"x": "é" * 120_000}}
    ann = {"id": "ann", "email": "ann@example.com", "attributes": {"x": "Hello"}}
    await save(system, {"email": {"subject": "{{ user.attributes.x }}", "text": "Thank you."}}, mallory, ann)
    assert await publish_and_measure(system, lambda: system.letter("Hello")) < MAX_PAUSE_SECONDS


async def test_brackets_in_a_text_message_delay_no_other_message(system: System) -> None:
    """An address with 100,000 brackets is cut without a noticeable pause, and text messages to others go out."""
    mallory = {"id": "mallory", "phone": "+4915112345679", "attributes": {"x": "http://x/(" + ")" * 200_000}}
    ann = {"id": "ann", "phone": "+4915112345678", "attributes": {"x": "Hello"}}
    await save(system, {"sms": {"body": "{{ user.attributes.x }}"}}, mallory, ann)
    pause = await publish_and_measure(system, lambda: system.received("original", "ann"))
    assert pause < MAX_PAUSE_SECONDS


async def test_templates_without_an_end_do_not_block_the_api(sqlite_url: str, tmp_path: Path) -> None:
    """Nine drafts of 1 MB each are refused with their key, and the API answers others in the meantime."""
    text = "{% if user.id %}{{ user.id }}" + "{{ user.id }}" * 76_000
    body = {"delivery": {"type": "external"}, "messages": {"sms": {"body": text}}}
    async with api_process(sqlite_url, tmp_path / "api.log") as api:
        saving = [asyncio.create_task(api.client.put(f"/v1/campaigns/c{n}", json=body)) for n in range(9)]
        slowest = 0.0
        while not all(task.done() for task in saving):
            began = time.monotonic()
            assert (await api.client.get("/v1/follow-ups")).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        answers = [task.result() for task in saving]
    assert [answer.status_code for answer in answers] == [422] * 9
    assert f"at most {MAX_TEMPLATE_BYTES}" in answers[0].text
    assert slowest < MAX_PAUSE_SECONDS


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x" * (MAX_TEMPLATE_BYTES + 1), "f.yaml:3: messages.sms.body: in c, line 1 of the template: has 262145 bytes"),
        ("é" * (MAX_TEMPLATE_BYTES // 2 + 1), "has 262146 bytes; a template has at most 262144"),
        ("{{ user.id" + " " * 20_000 + "}}", "markup of more than 10000 characters"),
    ],
)
def test_templates_are_bounded_when_they_are_applied(text: str, fault: str) -> None:
    """A template that is too long is refused with its file, line and key."""
    yaml = f"campaign: c\ndelivery: {{type: external}}\nmessages: {{sms: {{body: {text!r}}}}}\n"
    with pytest.raises(DefinitionError, match=r"f\.yaml:3") as refused:
        parse_yaml(yaml, file="f.yaml")
    assert fault in str(refused.value)
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ({"email": {"subject": "x" * 998, "text": "Hello"}}, None),
        ({"email": {"subject": "é" * 500, "text": "Hello"}}, "messages.email.subject"),
        ({"email": {"subject": "{{ user.id }}" + "x" * 999, "text": "Hello"}}, None),
        ({"email": {"subject": "Hi", "text": "x" * 1601}}, None),
        ({"sms": {"body": "é" * 1600}}, None),
        ({"sms": {"body": "x" * 1601}}, "messages.sms.body"),
        ({"push": {"title": "Hi", "body": "x" * 1601}}, "messages.push.body"),
        ({"push": {"title": "x" * 1601, "body": "Hello"}}, "messages.push.title"),
    ],
)
def test_a_text_that_is_always_too_long_is_refused_when_it_is_applied(message: Any, fault: str | None) -> None:
    """What a template renders is checked at the send; a text without markup can be checked before."""
    definition = {"campaign": "c", "delivery": {"type": "external"}, "messages": message}
    if fault is None:
        assert parse_mapping(definition)
        return
    with pytest.raises(DefinitionError) as refused:
        parse_mapping(definition)
    assert [found.key for found in refused.value.faults] == [fault]


def test_a_text_with_millions_of_faults_names_some() -> None:
    """Each fault takes a hundred times as much memory as what causes it, so a hostile text is not read to its end."""
    with pytest.raises(DefinitionError) as refused:
        parse_yaml("---\na: 1\n" * (MAX_FAULTS_OF_ALL * 3), file="hostile.yaml")
    assert len(refused.value.faults) == MAX_FAULTS_OF_ALL + 1
    assert refused.value.faults[-1].problem == "there are more than 10,000 faults; correct these first"


async def test_texts_of_requests_are_worked_on_beside_the_loop(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `read` key previews and plans texts of 10 MB, whose reading, proofs and rendering take minutes."""
    context, threads = build_context(Settings(), sqlite_database), dict[str, str]()
    for module, name in (
        ("preview_choice", "parse_yaml"),
        ("preview_subject", "draft"),
        ("change_previews", "applying_warnings"),
        ("change_previews", "check_publish"),
        ("plan", "measure_texts"),
    ):
        place = f"starter.operations.{module}.{name}"
        monkeypatch.setattr(place, _noting_its_thread(resolve_name(place), name, threads))
    text = "campaign: c\ndelivery: {type: scheduled, send: at_publish}\nmessages: {sms: {body: hi}}\n"
    await preview_messages(context, Choice("c", definition=text))
    await plan_definitions(context, parse_yaml(text, file="c.yaml"))
    assert len(threads) == 5
    assert all(thread.startswith("texts") for thread in threads.values()), threads


def _noting_its_thread(work: Callable[..., Any], name: str, threads: dict[str, str]) -> Callable[..., Any]:
    def noting(*arguments: Any, **named: Any) -> Any:
        threads[name] = threading.current_thread().name
        return work(*arguments, **named)

    return noting


def test_a_user_has_at_most_20_push_tokens() -> None:
    """More are refused; a user from before the limit keeps the last ones at the next change."""
    tokens = tuple(f"t{n}" for n in range(30))
    with pytest.raises(ValidationError, match="at most 20"):
        User(id="u", push_tokens=tokens)
    before = User.model_construct(id="u", push_tokens=tokens)
    merge = UserMerge(before, {})
    merge.apply({"email": "a@b.test"})
    assert merge.result().push_tokens == tokens[10:]
