"""Results of a campaign, counted on both databases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text, update

from connector.rules.sending.effects import KeepAssignment
from connector.rules.targeting.assignment import Assignment
from connector.rules.timing.days import offsets_of
from connector.store.engine.database import Database
from connector.store.follow_ups.receipts import insert_assignments
from connector.store.reporting.results import ResultCounts, count_results
from connector.store.tables import follow_ups
from connector.store.users.users import find_user
from tests.support.builders import ORIGINAL, PUSHED, at, buy, follow_on
from tests.support.installation import Installation
from tests.support.statements import listening_to

W = "default"
FIRST = datetime(2026, 3, 2, tzinfo=UTC)
COUNTING = {**ORIGINAL, "conversions": [{"event": "make_purchase"}, {"event": "make_purchase", "where": {"sku": "B"}}]}
SENT = follow_on("f", PUSHED, messages={"content_card": {"title": "a", "body": "b"}})


def did(user: str, kind: str, minutes: float = 0, **properties: Any) -> dict[str, Any]:
    """One interaction with the original, with an id of its own."""
    name = f"{user}-{kind}-{minutes}-{sorted(properties.items())}"
    item = {"id": name, "user": user, "type": kind, "campaign": "o", "occurred_at": at(minutes)}
    return {**item, "properties": properties}


async def results(
    installation: Installation, *items: dict[str, Any], robots: Any = "ignore", campaign: str = "o"
) -> list[ResultCounts]:
    """Ingest items, and count the results of the original."""
    for found in await installation.ingest(*items) if items else ():
        assert found.status == "accepted", found
    async with installation.database.read(W) as tx:
        return await count_results(tx, campaign, robots)


async def kept(installation: Installation, user: str, *, control: bool, variant: str | None = None) -> None:
    """The assignment that a launch or a send keeps (T4)."""
    async with installation.database.write(W) as tx:
        stored = await find_user(tx, user)
        assert stored is not None
        await insert_assignments(tx, [KeepAssignment("o", stored.user_key, Assignment(control, variant))])


async def test_each_step_counts_users(installation: Installation) -> None:
    """C1: twice opened, clicked twice, on two channels, converted twice: one user; the purchases by their letters."""
    await installation.publish(COUNTING)
    found = await results(
        installation,
        did("u", "receive_email"),
        did("u", "receive_push"),
        did("u", "open_email", 1, opens="human"),
        did("u", "open_email", 2, opens="human"),
        did("u", "open_push", 2),
        did("u", "click_email", 3),
        did("u", "click_email_alias", 3, alias="cta"),
        did("v", "receive_email"),
        buy("p1", 4, sku="B"),
        buy("p2", 5, sku="B"),
        buy("p3", 5, "v"),
        buy("p4", 5, "nobody"),
    )
    assert found == [ResultCounts(False, None, 0, 2, 1, 1, 1, {"A": 2, "B": 1})]


async def test_no_results(installation: Installation) -> None:
    """A campaign that nobody received has no groups."""
    await installation.publish(COUNTING)
    assert await results(installation) == []


@pytest.mark.parametrize(
    ("properties", "people"), [({"opens": "human"}, 1), ({"opens": "machine"}, 0), ({"opens": "suspect"}, 0), ({}, 0)]
)
async def test_opens_by_people(installation: Installation, properties: dict[str, Any], people: int) -> None:
    """M2: all opens, and those by people; an unclassified open counts among all only."""
    await installation.publish(ORIGINAL)
    [one] = await results(installation, did("u", "receive_email"), did("u", "open_email", 1, **properties))
    assert (one.opened, one.opened_by_people) == (1, people)


@pytest.mark.parametrize(("flag", "ignored", "counted"), [(True, 0, 1), (False, 1, 1), ("true", 1, 1), (None, 1, 1)])
async def test_clicks_of_robots(installation: Installation, flag: Any, ignored: int, counted: int) -> None:
    """M2: left out unless the workspace counts them; only `true` itself is a flag, as in matching."""
    await installation.publish(ORIGINAL)
    clicked = did("u", "click_email", 1, **({} if flag is None else {"robot": flag}))
    assert [one.clicked for one in await results(installation, clicked)] == [ignored]
    assert [one.clicked for one in await results(installation, robots="count")] == [counted]


@pytest.mark.parametrize("view", ["view_in_app_message", "view_content_card"])
async def test_what_is_viewed_was_sent(installation: Installation, view: str) -> None:
    """C1: nobody reports receipts of cards and in-app messages: a view is both receipt and open."""
    await installation.publish(COUNTING)
    assert await results(installation, did("u", view), buy("p", 1)) == [
        ResultCounts(False, None, 0, 1, 1, 1, 0, {"A": 1})
    ]


async def test_card_of_the_news_feed(installation: Installation) -> None:
    """M5: cards have results too."""
    await installation.publish({"card": "spring", "title": "t", "body": "b"})
    item = {"id": "1", "user": "u", "type": "view_news_feed_card", "card": "spring", "occurred_at": at(0)}
    click = {**item, "id": "2", "type": "click_news_feed_card"}
    assert await results(installation, item, click, campaign="spring") == [ResultCounts(False, None, 0, 1, 1, 1, 1)]


async def test_groups_by_the_kept_assignment(installation: Installation) -> None:
    """T4: control first, then the variants by name, as first assigned, whatever the campaign says now."""
    await installation.publish(COUNTING)
    users = {"c1": None, "c2": None, "a1": "a", "a2": "a", "b1": "b", "old": None}
    entered = [did(u, "enroll_in_control_group" if u in ("c1", "c2") else "receive_email") for u in users]
    await installation.ingest(*entered)
    for user, variant in users.items():
        await kept(installation, user, control=user in ("c1", "c2"), variant=variant)
    found = await results(
        installation, buy("1", 1, "c1"), buy("2", 1, "a1"), buy("3", 1, "a2"), did("b1", "open_email", 2)
    )
    assert found == [
        ResultCounts(True, None, 2, 0, 0, 0, 0, {"A": 1}),
        ResultCounts(False, None, 0, 1, 0, 0, 0),
        ResultCounts(False, "a", 0, 2, 0, 0, 0, {"A": 2}),
        ResultCounts(False, "b", 0, 1, 1, 0, 0),
    ]


async def test_enrolled_by_another_system(installation: Installation) -> None:
    """W3: the control group of an external original are the users whom its system enrolled."""
    await installation.publish(COUNTING)
    found = await results(installation, did("c", "enroll_in_control_group"), did("u", "receive_sms"), buy("p", 1, "c"))
    assert found == [ResultCounts(True, None, 1, 0, 0, 0, 0, {"A": 1}), ResultCounts(False, None, 0, 1, 0, 0, 0)]


async def test_conversion_without_a_receipt(installation: Installation) -> None:
    """C1: a conversion of a user who never received the campaign does not count."""
    await installation.publish(COUNTING)
    [one] = await results(installation, did("u", "perform_conversion_event"), did("u", "click_sms_link"))
    assert (one.sent, one.clicked, one.converted) == (0, 1, {})


async def test_own_sends_and_enrolments(installation: Installation) -> None:
    """W3: our follow-ups count if there is no interaction, and after the log was deleted."""
    await installation.publish(ORIGINAL, SENT)
    pushes = [{**did(u, "receive_push"), "id": u} for u in ("u", "v", "w")]
    await installation.ingest(*pushes)
    async with installation.database.write(W) as tx:
        for user, state in (("u", "sent"), ("v", "control"), ("w", "dropped")):
            await tx.execute(update(follow_ups).where(follow_ups.c.trigger_id == user).values(state=state))
    found = await results(installation, campaign="f")
    assert [(one.control, one.enrolled, one.sent) for one in found] == [(True, 1, 0), (False, 0, 1)]


async def test_one_statement_however_much_there_is(installation: Installation) -> None:
    """One statement for one user and for hundreds; other campaigns and workspaces do not count."""
    await installation.publish(COUNTING, {**COUNTING, "campaign": "other"})
    items = [did(f"u{n}", kind) for n in range(100) for kind in ("receive_email", "open_email", "click_email")]
    await installation.ingest(*items, {**did("x", "receive_email"), "campaign": "other"})
    async with installation.database.read(W) as tx:
        with installation.database.count_statements() as count:
            assert await count_results(tx, "o", "ignore") == [ResultCounts(False, None, 0, 100, 100, 0, 100)]
        assert len(count.statements) == 1
    async with installation.database.read("another") as tx:
        assert await count_results(tx, "o", "ignore") == []


async def test_the_index_is_used(database: Database) -> None:
    """The users of other campaigns are not read."""
    async with database.read(W) as tx:
        asked: list[tuple[str, Any]] = []
        with listening_to(
            "before_cursor_execute", lambda _c, _k, statement, values, *_: asked.append((statement, values))
        ):
            await count_results(tx, "o", "ignore", since=FIRST, by_day=offsets_of("Europe/Berlin", FIRST, FIRST))
        [(statement, values)] = asked
        if tx.dialect == "postgresql":
            await tx.execute(text("SET LOCAL enable_seqscan = off"))
        explained = "EXPLAIN" if tx.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        plan = " ".join(str(row[-1]) for row in await tx.connection.exec_driver_sql(f"{explained} {statement}", values))
    index = {"sqlite": "SEARCH reached_users USING PRIMARY KEY", "postgresql": "reached_users_pkey"}
    assert index[database.dialect] in plan
    assert not [word for word in ("SCAN reached_users", "Seq Scan", "interactions", "follow_ups") if word in plan]
