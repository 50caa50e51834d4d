"""Previews of messages: rendered as they are sent, with what the rules decide now; nothing is sent or changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from connector.app.context import AppContext, build_context
from connector.rules.model.errors import DefinitionError
from connector.rules.model.users import User
from connector.rules.sending.deliveries import Delivery, DeliveryState
from connector.rules.sending.effects import WriteDelivery
from connector.settings.application import Settings
from connector.store.engine.database import Database, database_now
from connector.store.follow_ups.deliveries import write_deliveries
from connector.store.follow_ups.follow_ups import load_follow_ups_by_id
from connector.store.tables import metadata
from connector.store.users.descriptions import save_user
from starter.operations.preview_choice import Choice, NothingToPreview
from starter.operations.preview_messages import preview_messages
from tests.support.builders import ABANDONED, BOUGHT, ORIGINAL, PUSHED, buy, follow_on, push
from tests.support.installation import Installation

SECRET = "s" * 32
EVERY_CHANNEL = {
    "email": {
        "subject": "For {{ user.first_name | default: 'you' }}",
        "html": '<body><a href="https://shop.example/{{ event.sku }}" data-alias="main">See it</a></body>',
        "text": "See it",
        "from": "Shop <news@shop.example>",
    },
    "sms": {"body": "It is still here: https://shop.example/cart €"},
    "push": {"title": "Hi {{ user.first_name }}", "body": "{{ user.tier }}", "link": "https://shop.example"},
    "webhook": {"url": "https://hooks.example/{{ user.id }}", "body": '{"tier": {{ user.tier | json }}}'},
    "in_app_message": {"title": "Hi", "body": "there"},
}
ANN = User(
    id="u",
    first_name="Ann",
    email="ann@shop.example",
    phone="+12025550123",
    push_tokens=("phone-1",),
    attributes={"tier": "gold"},
)


@pytest.fixture
async def shop(sqlite_database: Database) -> AppContext:
    """A published original and follow-on on every channel, a user, and tracking that is configured."""
    settings = Settings.model_validate({"tracking": {"url": "https://t.example", "secrets": [SECRET]}})
    await Installation(sqlite_database).publish(ORIGINAL, follow_on("f", PUSHED, messages=EVERY_CHANNEL))
    await save(sqlite_database, ANN)
    return build_context(settings, sqlite_database)


async def save(database: Database, user: User) -> None:
    async with database.write("default") as tx:
        await save_user(tx, user, await database_now(tx))


async def count_rows(database: Database) -> dict[str, int]:
    """Return the number of rows of every table."""
    async with database.read("default") as tx:
        return {
            table.name: (await tx.execute(select(func.count()).select_from(table))).scalar_one()
            for table in metadata.sorted_tables
        }


async def messages_of(context: AppContext, choice: Choice) -> dict[str, dict[str, Any]]:
    """Return the previewed messages by channel."""
    shown = await preview_messages(context, choice)
    return {message["channel"]: message for message in shown["messages"]}


def outcomes(checks: list[Mapping[str, Any]]) -> dict[str, str]:
    return {check["rule"]: check["outcome"] for check in checks}


async def test_every_channel_as_its_provider_gets_it(shop: AppContext, sqlite_database: Database) -> None:
    """HTML with its links as written, a text with its segments, a push and a webhook as JSON; no row is written."""
    await shop.intake.ingest([{**push("e1", 0), "properties": {"sku": "A-1"}}])
    before = await count_rows(sqlite_database)
    shown = await messages_of(shop, Choice("f", user="u"))
    assert list(shown) == list(EVERY_CHANNEL)
    email = shown["email"]["form"]
    assert email["subject"] == "For Ann"
    assert 'href="https://shop.example/A-1"' in email["html"]
    assert "https://t.example/c/preview-" in email["sent_html"]
    assert "https://t.example/o/preview-" in email["sent_html"]
    headers = {header["name"]: header["value"] for header in email["headers"]}
    assert headers["From"] == "Shop <news@shop.example>"
    assert headers["List-Unsubscribe"].startswith("<https://t.example/u/preview-")
    assert shown["email"]["tracking"]["links"] == [{"number": 0, "url": "https://shop.example/A-1", "alias": "main"}]
    sms = shown["sms"]["form"]
    assert (sms["encoding"], sms["segments"], sms["links"]) == ("GSM-7", 1, 1)
    assert "https://t.example/s/preview-" in sms["sent_text"]
    notification = shown["push"]["form"]["request"]["message"]["notification"]
    assert notification == {"title": "Hi Ann", "body": "gold"}
    assert "phone-1" not in str(shown["push"]["form"])
    assert shown["webhook"]["form"]["request"]["url"] == "https://hooks.example/u"
    assert shown["webhook"]["form"]["request"]["body"] == '{"tier": "gold"}'
    assert shown["in_app_message"]["form"]["content"]["title"] == "Hi"
    assert await count_rows(sqlite_database) == before


async def test_what_a_user_lacks(shop: AppContext) -> None:
    """W7: variables without a value are named, with the text that uses them; an invented user has few."""
    shown = await messages_of(shop, Choice("f", profile={"first_name": "Bo"}))
    assert shown["push"]["missing"] == [{"key": "messages.push.body", "variable": "user.tier"}]
    assert shown["email"]["missing"] == [{"key": "messages.email.html", "variable": "event.sku"}]
    assert (shown["email"]["outcome"], shown["email"]["reason"]) == ("dropped", "unreachable")
    assert shown["email"]["form"]["subject"] == "For Bo"


DELAYED = {"delay": {"after": "12 hours"}, "exceptions": [BOUGHT]}
EDITS: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, str, str | None]]] = [
    ("nothing objects", {}, {}, ("sent", "", None)),
    ("audience", {"audience": {"attribute": "tier", "is": "silver"}}, {}, ("refused", "audience", "not_in_audience")),
    ("consent", {}, {"consent": {"push": "unsubscribed"}}, ("dropped", "consent_and_address", "no_consent")),
    ("address", {}, {"push_tokens": []}, ("dropped", "consent_and_address", "unreachable")),
    ("control group", {"control_group": 100}, {}, ("control", "control_group", "control_group")),
    ("start", {"start": "2999-01-01T00:00:00Z"}, {}, ("refused", "start", "outside_campaign_duration")),
    ("end", {"end": "2020-01-01T00:00:00Z"}, {}, ("dropped", "duration", "outside_campaign_duration")),
    (
        "quiet hours that hold",
        {"quiet_hours": {"from": "00:00", "to": "23:59"}},
        {"time_zone": "UTC"},
        ("held", "quiet_hours", None),
    ),
    (
        "quiet hours that drop",
        {"quiet_hours": {"from": "00:00", "to": "23:59", "then": "drop"}},
        {"time_zone": "UTC"},
        ("dropped", "quiet_hours", "quiet_hours"),
    ),
    ("abort", {"messages": {"push": {"title": "{% abort_message('no stock') %}", "body": "b"}}}, {},
     ("failed", "", "aborted_by_template")),
    ("template", {"messages": {"push": {"title": "{{ user.tier | date: '%Y' | divided_by: 0 }}", "body": "b"}}}, {},
     ("failed", "", "template_failed")),
]  # fmt: skip
"""What is changed in the definition, what in the profile, and the outcome, the rule that decides, and the reason."""


@pytest.mark.parametrize(("edit", "profile", "expected"), [case[1:] for case in EDITS], ids=[case[0] for case in EDITS])
async def test_what_decides_now(
    shop: AppContext, edit: dict[str, Any], profile: dict[str, Any], expected: tuple[str, str, str | None]
) -> None:
    """The rule that objects first decides, by an edited definition and a changed profile, with its evidence."""
    outcome, rule, reason = expected
    shown = await preview_messages(shop, Choice("f", follow_on("f", PUSHED, **edit), "u", profile, "push"))
    [message] = shown["messages"]
    assert (message["outcome"], message["reason"]) == (outcome, reason)
    objections = {**outcomes(shown["checks"]), **outcomes(message["checks"])}
    objections = {name: found for name, found in objections.items() if found != "passes"}
    assert (outcome in ("sent", "failed")) or next(iter(objections)) == rule
    assert (message["until"] is not None) == (outcome == "held")
    if rule:
        decisive = next(one for one in [*shown["checks"], *message["checks"]] if one["rule"] == rule)
        assert decisive["looked_at"], "a decision has its evidence"
    assert (shown["revision"], shown["state"]) == (None, "active")


async def test_a_cap_that_is_full_and_a_wait_in_the_way(shop: AppContext, sqlite_database: Database) -> None:
    """W2 by what was really sent, T2 by what really waits; the due time is that of a trigger now."""
    installation = Installation(sqlite_database)
    await installation.publish(ABANDONED)
    await installation.ingest(push("e1", 0))
    [waiting] = await installation.rows()
    shown = await preview_messages(shop, Choice("f", user="u"))
    assert outcomes(shown["checks"])["single_wait"] == "refused"
    wait = datetime.fromisoformat(shown["due_at"]) - datetime.fromisoformat(shown["as_of"])
    assert wait == timedelta(hours=12)
    async with sqlite_database.write("default") as tx:
        follow_up = (await load_follow_ups_by_id(tx, [waiting.id]))[waiting.id]
        at = await database_now(tx)
        sent = Delivery(f"{waiting.id}.push", "push", DeliveryState.SENT, claimed_at=at)
        await write_deliveries(tx, [WriteDelivery(follow_up, sent, 1, at)])
    capped = "workspace: default\nfrequency_caps: [{channel: push, at_most: 1, per: {days: 30}}]\n---\n"
    launch = "campaign: g\ndelivery: {type: scheduled, send: at_publish}\nmessages: {push: {title: a, body: b}}\n"
    [message] = (await preview_messages(shop, Choice("g", capped + launch, "u")))["messages"]
    assert (message["outcome"], message["reason"]) == ("dropped", "frequency_capped")
    [cap] = [check for check in message["checks"] if check["rule"] == "frequency_caps"]
    assert cap["looked_at"][0]["words"].startswith("the cap of at most 1 ")


async def test_an_earlier_revision_is_shown(shop: AppContext, sqlite_database: Database) -> None:
    """The pages preview a message whose text was not kept by the revision that sent it."""
    installation = Installation(sqlite_database)
    for title in ("first", "second"):
        await installation.publish({**ABANDONED, "messages": {"push": {"title": title, "body": "b"}}})
    for revision, title in ((2, "first"), (3, "second"), (None, "second")):
        shown = await preview_messages(shop, Choice("f", user="u", revision=revision))
        assert (shown["messages"][0]["content"]["title"], shown["revision"]) == (title, revision or 3)


async def test_the_users_newest_trigger_is_taken(shop: AppContext) -> None:
    """Of the user's log the newest item that fits; a given one replaces it; else one is invented."""
    assert (await preview_messages(shop, Choice("f", user="u")))["trigger"]["is_sample"] is True
    await shop.intake.ingest([{**push("e1", 0), "properties": {"sku": "old"}}, buy("e2", 1)])
    await shop.intake.ingest([{**push("e3", 2), "properties": {"sku": "new"}}])
    newest = (await preview_messages(shop, Choice("f", user="u")))["trigger"]
    assert (newest["id"], newest["properties"], newest["is_sample"]) == ("e3", {"sku": "new"}, False)
    given = {"type": "receive_push", "campaign": "o", "properties": {"sku": "mine"}}
    shown = await preview_messages(shop, Choice("f", user="u", trigger=given))
    assert "https://shop.example/mine" in shown["messages"][0]["form"]["html"]


@pytest.mark.parametrize(
    ("choice", "fault", "words"),
    [
        (Choice("o"), NothingToPreview, "another system sends it"),
        (Choice("f", channel="content_card"), NothingToPreview, "sends on email, sms, push, webhook, in_app_message"),
        (Choice("f", variant="b"), NothingToPreview, "no variant 'b'"),
        (Choice("f", revision=9), NothingToPreview, "no revision 9 that was published; published were 1"),
        (Choice("f", "campaign: f\n delivery: x"), DefinitionError, "line"),
        (Choice("f", profile={"time_zone": "Mars"}), DefinitionError, "profile.time_zone"),
        (Choice("f", trigger={"type": "receive_psuh"}), DefinitionError, "trigger"),
    ],
)
async def test_what_cannot_be_previewed(shop: AppContext, choice: Choice, fault: type[Exception], words: str) -> None:
    """The error says why, and what would be right."""
    with pytest.raises(fault) as raised:
        await preview_messages(shop, choice)
    assert words in str(raised.value)
