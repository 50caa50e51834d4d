"""The look-up before a publication (P4, P8), on both databases, with a bounded number of statements."""

from collections.abc import Mapping
from typing import Any

import pytest

from connector.definitions import publish_facts as gathering
from connector.definitions.publish_facts import gather_facts, gather_facts_in_time
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.conditions import InteractionCondition
from connector.rules.model.users import User
from connector.rules.publishing.facts import PublishFacts, condition_key
from connector.rules.publishing.orders import check_publish
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import Database, database_now
from connector.store.engine.outages import Outage, StoreUnavailable
from connector.store.reporting import publish_facts
from connector.store.users.descriptions import save_user
from tests.support.builders import ORIGINAL, at, follow_on, opened, push
from tests.support.installation import Installation
from tests.support.statements import at_statement

GOLD = {"interaction": "receive_push", "campaign": "o", "where": {"tier": "gold"}}
CART = {"event": "cart_updated", "where": {"sku": "A"}}
MOST_STATEMENTS = 12
"""The statements of a look-up with any content of the store, the begin and the end of its snapshot included."""


def event(id: str, name: str, user: str = "u", **properties: Any) -> dict[str, Any]:
    return {
        "id": id, "user": user, "type": "event", "name": name, "occurred_at": at(1), "properties": properties
    }  # fmt: skip


async def describe(installation: Installation, *users: User) -> None:
    async with installation.database.write("default") as tx:
        for user in users:
            await save_user(tx, user, await database_now(tx))


async def facts_of(installation: Installation, *definitions: Mapping[str, Any]) -> tuple[PublishFacts, list[str], int]:
    """Save the definitions; return their facts, their warnings, and the number of statements of the look-up."""
    parsed = [parse_definition(one) for one in definitions]
    async with installation.database.write("default", lock="exclusive") as tx:
        now = await database_now(tx)
        await save_drafts(tx, parsed, now)
    catalogue = await installation.cache.at_least(installation.database)
    with at_statement(0, lambda _: None) as statements:
        async with installation.database.read("default") as tx:
            facts = await gather_facts(tx, catalogue, [one["campaign"] for one in definitions], providers={"push"})
    plan, _ = check_publish(catalogue, [one["campaign"] for one in definitions], now=now, facts=facts)
    return facts, list(plan.warnings), len(statements)


async def test_missed_ones_are_counted_by_the_whole_condition(installation: Installation) -> None:
    """P4, P8: refinements and `where` included, clicks by robots not; the number of statements does not grow."""
    await installation.publish(ORIGINAL)
    pushes = [push(f"p{n}", n, f"u{n}", tier="gold" if n < 3 else "silver") for n in range(7)]
    clicks = [
        {"id": f"c{n}", "user": f"u{n}", "type": "click_email_alias", "campaign": "o", "occurred_at": at(n),
         "properties": {"alias": "cta" if n else "footer", **({"robot": True} if n == 1 else {})}}
        for n in range(4)
    ]  # fmt: skip
    await installation.ingest(*pushes, *clicks, opened("x", 9))
    triggers = [
        GOLD,
        {"interaction": "receive_push", "campaign": "o"},
        {"interaction": "click_email_alias", "campaign": "o", "alias": "cta"},
        {"interaction": "click_email", "campaign": "o"},
        {"interaction": "open_push", "campaign": "o"},
    ]
    facts, notes, statements = await facts_of(installation, follow_on("f", triggers))
    keys = [condition_key(InteractionCondition.model_validate(trigger)) for trigger in triggers]
    assert [facts.missed[key].number for key in keys] == [3, 7, 2, 3, 1]
    assert all(count.is_exact for count in facts.missed.values())
    assert "f: delivery.trigger[0]: o is active already: what has happened does not start f; 3 receive_push have" in (
        " ".join(notes)
    )
    assert statements <= MOST_STATEMENTS


async def test_names_that_were_never_reported(installation: Installation) -> None:
    """P8: events, properties, attributes and variables, each with the nearest known one; known ones are not named."""
    await describe(
        installation,
        User(id="u", first_name="Ann", push_tokens=("t",), attributes={"tier": "gold", "city": "Paris"}),
    )
    await installation.ingest(event("1", "cart_updated", sku="A", price=1), event("2", "signed_up"))
    wrong = follow_on(
        "f",
        {"event": "cart_updated", "where": {"skuu": "A"}},
        delay={"after": "1 hour"},
        exceptions=[{"event": "cart_update"}, {"event": "signed_up", "same": ["price"]}],
        key="properties.prize",
        audience={"all": [{"attribute": "teir", "is": "gold"}, {"attribute": "city", "exists": True}]},
        messages={
            "push": {"title": "{{ user.frist_name }}", "body": "{{ event.skv }} {{ user.city }} {{ user.email }}"},
            "sms": {"body": "{{ user.attributes.teir }} {{ user.attributes['city'] }}"},
        },
    )
    _, notes, statements = await facts_of(installation, wrong)
    told = [(note.split(": ")[1], note.rpartition("; ")[2]) for note in notes if "did you mean" in note]
    assert sorted(told) == [
        ("audience.all[0].attribute", "did you mean tier?"),
        ("delivery.exceptions[0].event", "did you mean cart_updated?"),
        ("delivery.key", "did you mean price?"),
        ("delivery.trigger[0].where.skuu", "did you mean sku?"),
        ("messages.push.body", "did you mean sku?"),
        ("messages.push.title", "did you mean first_name?"),
        ("messages.sms.body", "did you mean tier?"),
    ]
    assert statements <= MOST_STATEMENTS
    right = follow_on("g", CART, audience={"attribute": "email", "exists": True}, key="properties.sku")
    _, notes, _ = await facts_of(installation, right)
    assert [note for note in notes if "audience: " not in note] == []


async def test_who_can_be_reached_by_channel(installation: Installation) -> None:
    """P8: by consent and address, of the audience as it is now, past events included."""
    await describe(
        installation,
        User(id="a", email="a@shop.example", push_tokens=("t",)),
        User(id="b", email="b@shop.example", consent={"email": "unsubscribed"}),
        User(id="c", push_tokens=("t",)),
        User(id="d", email="d@shop.example"),
    )
    await installation.ingest(*(event(name, "signed_up", name) for name in "abc"))
    messages = {"push": {"title": "t", "body": "b"}, "email": {"subject": "s", "text": "t"}}
    facts, notes, statements = await facts_of(
        installation, follow_on("f", CART, audience={"did": {"event": "signed_up"}}, messages=messages)
    )
    assert facts.reach["f"].by_channel == {"email": 1, "push": 2}
    assert "f: audience: 2 of the 3 users in its audience can be reached now: email 1, push 2" in notes
    assert [note.split(": ")[1] for note in notes if "no provider" in note] == ["messages.email"]
    assert statements <= MOST_STATEMENTS


async def test_samples_are_bounded_and_say_so(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """P8: beyond the samples a warning says of how many; a count that is cut off says "at least"."""
    monkeypatch.setattr(publish_facts, "SAMPLE_USERS", 2)
    monkeypatch.setattr(publish_facts, "SAMPLE_REPORTS", 2)
    monkeypatch.setattr(publish_facts, "MAX_MATCHED", 2)
    monkeypatch.setattr(publish_facts, "MAX_COUNTED", 3)
    await installation.publish(ORIGINAL)
    await installation.ingest(*(push(f"p{n}", n, f"u{n}", tier="gold") for n in range(5)))
    await installation.ingest(*(event(f"e{n}", "cart_updated", f"u{n}", sku="A") for n in range(5)))
    narrow = follow_on(
        "f", GOLD, {"interaction": "receive_push", "campaign": "o"}, audience={"attribute": "x", "is": 1}
    )
    wrong = follow_on("g", {"event": "cart_updated", "where": {"color": "red"}})
    facts, notes, _ = await facts_of(installation, narrow, wrong)
    assert {(count.number, count.is_exact) for count in facts.missed.values()} == {(2, False), (3, False)}
    text = " ".join(notes)
    for words in (
        "at least 2 receive_push have been missed",
        "none of 2 users that were looked at has the attribute x",
        "none of 3 reports that were looked at of cart_updated has the property color",
        "in its audience now of 2 users that were looked at",
    ):
        assert words in text


async def test_thousands_of_names(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """P8: names are looked up one by one through the index; too many names give no warning."""
    await installation.ingest(*(event(f"e{n}", f"name_{n:03}") for n in range(40)), event("x", "name_001"))
    facts, _, _ = await facts_of(installation, follow_on("f", CART))
    assert facts.events == {f"name_{n:03}" for n in range(40)}
    monkeypatch.setattr(publish_facts, "MAX_EVENT_NAMES", 10)
    assert (await facts_of(installation, follow_on("f", CART)))[0].events is None


async def test_an_order_does_not_wait_for_its_facts(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guarantee 9: if the database does not answer in time, the order goes on, and says so."""

    async def unavailable(*_: Any) -> Any:
        raise StoreUnavailable("busy", Outage.BUSY)

    monkeypatch.setattr(gathering, "load_publish_facts", unavailable)
    await installation.publish(ORIGINAL)
    catalogue = await installation.cache.at_least(installation.database)
    database: Database = installation.database
    facts = await gather_facts_in_time(database, "default", catalogue, ["o"])
    assert "did not answer in time" in facts.unknown
