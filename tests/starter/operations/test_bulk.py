"""Actions on many follow-ups, on both databases: page by page, continued after an interruption, nothing twice."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from connector.rules.model.errors import DefinitionError
from connector.store.engine.database import Database
from connector.store.follow_ups.outbox import find_moved, find_to_signal, mark_moves_signalled
from connector.store.tables import audit, deliveries, follow_ups
from starter.operations.bulk import act_on_page
from starter.operations.bulk_actions import MAX_ACTED_ON, BulkAction
from starter.operations.follow_ups import Criteria
from tests.support.actors import OPERATOR
from tests.support.builders import BASE, ORIGINAL, PUSHED, follow_on, now, push
from tests.support.installation import Installation
from tests.support.repair_desk import RepairDesk

LATER = follow_on("f", PUSHED, delay={"after": "3 hours"}, exceptions=[{"event": "make_purchase"}])
DUE = BASE + timedelta(hours=3)
USERS = ["u0", "u1", "u2", "u3", "u4"]


@pytest.fixture
async def desk(installation: Installation) -> RepairDesk:
    """Five users wait for an hour more, and their workflows have started; `other` waits for another campaign."""
    desk = RepairDesk(installation)
    await installation.publish(ORIGINAL, LATER, {**LATER, "campaign": "g"})
    for user in USERS:
        await desk.describe(user)
    await installation.ingest(*(push(f"e-{user}", 0, user) for user in USERS))
    async with installation.database.write("default") as tx:
        await tx.execute(update(follow_ups).values(started_at=BASE))
    return desk


async def waits(desk: RepairDesk, campaign: str = "f") -> Counter[Any]:
    """How many follow-ups of a campaign are in each state, and wait for when."""
    rows = [row for row in await desk.installation.rows() if row.campaign == campaign]
    return Counter((row.state, row.next_at) for row in rows)


async def test_cancelled_page_by_page(desk: RepairDesk) -> None:
    """An interrupted run is continued by the same command: each follow-up ends once, with one entry and one signal."""
    first = await desk.act("cancel", limit=2)
    assert ([one.outcome for one in first.items], bool(first.next)) == (["done", "done"], True)
    rest = await desk.act("cancel")  # the same command again, from the beginning
    assert ([one.outcome for one in rest.items], rest.next) == (["done"] * 3, None)
    assert (await desk.act("cancel")).items == ()
    assert Counter(row.state for row in await desk.installation.rows() if row.campaign == "f") == {"dropped": 5}
    assert await waits(desk, "g") == {("waiting", DUE): 5}
    entries = await desk.stored(audit)
    assert {(one.action, one.reason, one.outcome) for one in entries} == {("cancel", "outage", "done")}
    assert len({one.subject for one in entries}) == len(entries) == 5
    async with desk.installation.database.read("default") as tx:
        assert len(await find_to_signal(tx, 10)) == 5


async def test_sent_now_once(desk: RepairDesk) -> None:
    """`send_now` leaves due follow-ups alone, so that a repetition signals none twice; other campaigns wait on."""
    page = await desk.act("send_now")
    assert [one.outcome for one in page.items] == ["done"] * 5
    async with desk.installation.database.read("default") as tx:
        moved = await find_moved(tx, 10)
    assert len(moved) == 5
    assert {row["next_at"] for row in moved} == {moved[0]["next_at"]}
    async with desk.installation.database.write("default") as tx:
        await mark_moves_signalled(tx, [row["id"] for row in moved], moved[0]["moved_at"])
    again = await desk.act("send_now")
    assert [one.outcome for one in again.items] == ["unchanged"] * 5
    async with desk.installation.database.read("default") as tx:
        assert await find_moved(tx, 10) == []
    assert await waits(desk, "g") == {("waiting", DUE): 5}
    assert len(await desk.stored(audit)) == 5


async def test_postponed_by_a_duration_once(desk: RepairDesk) -> None:
    """`--by` counts from the original due time: repetitions move nothing further."""
    later = DUE + timedelta(hours=2)
    assert len((await desk.act("postpone", to=timedelta(hours=2), limit=3)).items) == 3
    for outcomes in ({"done": 2, "unchanged": 3}, {"unchanged": 5}):
        page = await desk.act("postpone", to=timedelta(hours=2))
        assert Counter(one.outcome for one in page.items) == outcomes
        assert await waits(desk) == {("waiting", later): 5}
    assert {row.due_at for row in await desk.installation.rows()} == {DUE}


async def test_postponed_while_its_workflow_sends(desk: RepairDesk) -> None:
    """The workflow's own time had come before it knew of the new one: the message is held, nothing else is changed."""
    until = now() + timedelta(hours=5)
    await desk.act("postpone", to=until)
    place = next(n for n, row in enumerate(await desk.installation.rows()) if row.campaign == "f")
    outcome = await desk.attempt("push", when=DUE, place=place)
    assert (outcome.outcome, outcome.until) == ("held", until)
    assert await waits(desk) == {("waiting", until): 5}
    assert await desk.stored(deliveries) == []
    assert (await desk.attempt("push", when=until, place=place)).outcome == "sent"


async def test_one_user(desk: RepairDesk) -> None:
    """A filter by user selects that user's follow-ups in every campaign."""
    page = await desk.act("cancel", campaign=None, user="u3")
    assert [one.outcome for one in page.items] == ["done", "done"]
    assert Counter(row.state for row in await desk.installation.rows()) == {"dropped": 2, "waiting": 8}


async def test_what_is_being_sent_is_refused(desk: RepairDesk) -> None:
    """A message that was claimed finishes; the others are cancelled."""
    rows = await desk.installation.rows()
    async with desk.installation.database.write("default") as tx:
        sending = follow_ups.c.id == rows[0].id
        await tx.execute(update(follow_ups).where(sending).values(state="sending", dispatched_at=BASE))
        names = {"id": f"{rows[0].id}.push", "follow_up_id": rows[0].id, "campaign": rows[0].campaign}
        claimed = {"workspace": "default", "user_key": rows[0].user_key, "channel": "push", "state": "claimed"}
        await tx.execute(insert(deliveries).values(**names, **claimed, attempt=1, claimed_at=BASE))
    page = await desk.act("cancel", campaign=rows[0].campaign)
    assert Counter(one.outcome for one in page.items) == {"done": 4, "refused": 1}


@pytest.mark.parametrize(
    ("verb", "arguments", "fault"),
    [
        ("cancel", {"campaign": None}, "name the campaign or the user"),
        ("cancel", {"campaign": "cart"}, "cart is not known"),
        ("cancel", {"state": "sent"}, "what is sent has ended"),
        ("resend", {"state": "waiting"}, "only what failed is sent again"),
        ("resolve", {}, "say whether the messages were sent"),
        ("resolve", {"sent": True, "note": None}, "say how you know"),
        ("resolve", {"sent": False, "note": ""}, "say how you know"),
        ("resolve", {"sent": False, "campaign": None}, "name the campaign or the user"),
        ("resolve", {"sent": True, "state": "sent"}, "only what failed is settled"),
        ("resolve", {"sent": True, "reason": "send_failed"}, "only what is send_unknown is settled"),
        ("postpone", {}, "say until when"),
        ("postpone", {"to": BASE}, "has passed"),
        ("cancel", {"after": "AAAA"}, "the cursor was changed"),
    ],
)
async def test_what_cannot_be_meant(
    sqlite_database: Database, verb: str, arguments: dict[str, Any], fault: str
) -> None:
    """An action with a contradictory filter is refused before anything is changed."""
    desk = RepairDesk(Installation(sqlite_database))
    with pytest.raises(DefinitionError, match=fault):
        await desk.act(verb, **arguments)


async def test_statements_of_a_page_of_actions(desk: RepairDesk) -> None:
    """A page of four is cancelled in as many statements as a page of one."""
    counts = []
    for limit in (1, 4):
        with desk.installation.database.count_statements() as count:
            assert len((await desk.act("cancel", limit=limit)).items) == limit
        counts.append(len(count.statements))
    assert counts[0] == counts[1]


async def test_chosen_follow_ups_only(desk: RepairDesk) -> None:
    """Ids that were chosen need no filter; what has ended among them is refused, and an unknown one is left out."""
    rows = {row.trigger_id: row.id for row in await desk.installation.rows() if row.campaign == "f"}
    first, second = rows["e-u0"], rows["e-u1"]
    alone = BulkAction("cancel", Criteria(), note="wrong price", ids=(first,))
    assert [one.outcome for one in (await act_on_page(desk.context, OPERATOR, alone, dry_run=True)).items] == ["done"]
    assert [one.outcome for one in (await act_on_page(desk.context, OPERATOR, alone)).items] == ["done"]
    both = BulkAction("cancel", Criteria(), ids=(first, second, "no-such-id"))
    page = await act_on_page(desk.context, OPERATOR, both)
    assert ([(one.id, one.outcome) for one in page.items], page.next) == (
        [(first, "refused"), (second, "done")],
        None,
    )
    assert len(await desk.stored(audit)) == 2


async def test_at_most_one_page_of_ids(desk: RepairDesk) -> None:
    """More ids than one transaction changes are refused as a whole."""
    many = BulkAction("send_now", Criteria(), ids=tuple(map(str, range(MAX_ACTED_ON + 1))))
    with pytest.raises(DefinitionError, match="at most 500"):
        await act_on_page(desk.context, OPERATOR, many)
