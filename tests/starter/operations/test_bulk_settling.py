"""Many unknown results are settled with one verdict, on both databases: known ones stay, nothing is done twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from connector.channels.protocol import Rejected
from connector.rules.model.errors import DefinitionError
from connector.store.tables import audit, deliveries, interactions, receipts
from starter.operations.bulk import act_on_page
from starter.operations.bulk_actions import BulkAction
from starter.operations.follow_ups import Criteria
from tests.support.actors import OPERATOR
from tests.support.builders import ABANDONED, ORIGINAL, follow_on, push
from tests.support.installation import Installation
from tests.support.repair_desk import RepairDesk

USERS = ("u0", "u1", "u2", "u3", "u4")
CHAINED = follow_on("next", {"interaction": "receive_push", "campaign": "f"}, delay={"after": "3 hours"})


@pytest.fixture
async def desk(installation: Installation) -> RepairDesk:
    """Of five messages the results of three are unknown, one was sent, and one was refused by its provider."""
    desk = RepairDesk(installation)
    await installation.publish(ORIGINAL, ABANDONED, CHAINED)
    for user in USERS:
        await desk.describe(user)
    await installation.ingest(*(push(f"e-{user}", minute, user) for minute, user in enumerate(USERS)))
    for place in range(3):
        await desk.lose("push", place=place)
    await desk.attempt("push", place=3)
    await desk.attempt("push", Rejected("http_400", "no"), place=4)
    return desk


async def ends(desk: RepairDesk) -> Counter[Any]:
    """How many follow-ups of the campaign ended how."""
    return Counter((row.state, row.reason) for row in await desk.installation.rows() if row.campaign == "f")


async def test_settled_as_sent_page_by_page(desk: RepairDesk) -> None:
    """Each message counts as received once and starts its follow-ups; the same request continues an interrupted run."""
    known = {("sent", None): 1, ("failed", "send_failed"): 1}
    assert await ends(desk) == {**known, ("failed", "send_unknown"): 3}
    previewed = await desk.act("resolve", sent=True, dry_run=True)
    assert [one.outcome for one in previewed.items] == ["done"] * 3
    assert (await ends(desk), await desk.stored(audit)) == ({**known, ("failed", "send_unknown"): 3}, [])
    first = await desk.act("resolve", sent=True, limit=2)
    assert ([one.outcome for one in first.items], bool(first.next)) == (["done", "done"], True)
    with pytest.raises(DefinitionError, match="the cursor"):
        await desk.act("resolve", sent=False, limit=2, after=first.next)
    rest = await desk.act("resolve", sent=True)
    assert ([one.outcome for one in rest.items], rest.next) == (["done"], None)
    assert (await desk.act("resolve", sent=True)).items == ()
    assert (await desk.act("resolve", sent=False)).items == ()
    assert await ends(desk) == {("sent", None): 4, ("failed", "send_failed"): 1}
    received = [row for row in await desk.stored(interactions) if row.topic == "receive_push" and row.target == "f"]
    assert len({row.user_key for row in received}) == len(received) == 4
    assert Counter(row.state for row in await desk.installation.rows() if row.campaign == "next") == {"waiting": 4}
    entries = await desk.stored(audit)
    assert {(one.action, one.reason, one.outcome) for one in entries} == {("resolve", "outage", "done")}
    assert [one.details for one in entries] == [{"campaign": "f", "channel": "push", "sent": True}] * 3
    assert len({one.subject for one in entries}) == 3


async def test_settled_as_not_sent(desk: RepairDesk) -> None:
    """A message that was not sent loses its receipt, starts nothing, and can be sent again; known results stay."""
    page = await desk.act("resolve", sent=False)
    assert [one.outcome for one in page.items] == ["done"] * 3
    assert await ends(desk) == {("sent", None): 1, ("failed", "send_failed"): 4}
    sent = [row for row in await desk.stored(deliveries) if row.state == "sent"]
    assert [row.user_key for row in await desk.stored(receipts)] == [row.user_key for row in sent]
    assert Counter(row.campaign for row in await desk.installation.rows()) == {"f": 5, "next": 1}
    assert Counter(one.outcome for one in (await desk.act("resend")).items) == {"done": 4}


async def test_chosen_follow_ups(desk: RepairDesk) -> None:
    """Only unknown results change; a known result stays, and a verdict that contradicts it is refused."""
    ids = tuple(row.id for row in await desk.installation.rows() if row.campaign == "f")
    action = BulkAction("resolve", Criteria(), note="asked them", ids=(*ids, ids[0], "unknown"), was_sent=True)
    page = await act_on_page(desk.context, OPERATOR, action)
    assert [one.id for one in page.items] == list(ids)
    assert [one.outcome for one in page.items] == ["done", "done", "done", "unchanged", "refused"]
    assert "its provider refused it (http_400)" in (page.items[4].why or "")


@pytest.mark.parametrize("sent", [True, False])
async def test_statements_of_a_page(desk: RepairDesk, sent: bool) -> None:
    """A page of two is settled in as many statements as a page of one."""
    unknown = BulkAction("resolve", Criteria(), note="n", ids=("unknown",), was_sent=sent)
    assert not (await act_on_page(desk.context, OPERATOR, unknown)).items  # which loads the catalogue
    counts = []
    for limit in (1, 2):
        with desk.installation.database.count_statements() as count:
            assert len((await desk.act("resolve", sent=sent, limit=limit)).items) == limit
        counts.append(len(count.statements))
    assert counts[0] == counts[1]


async def test_one_of_several_unknown_messages_is_named(installation: Installation) -> None:
    """A follow-up with two unknown messages is refused until the channel names one of them."""
    desk = RepairDesk(installation)
    email = {"subject": "Hi", "text": "there", "from": "a@b.example"}
    await desk.open({**ABANDONED, "messages": {**ABANDONED["messages"], "email": email}})
    for channel in ("push", "email"):
        await desk.lose(channel)
    [refused] = (await desk.act("resolve", sent=True)).items
    assert (refused.outcome, "name one with its channel" in refused.why) == ("refused", True)
    [done] = (await desk.act("resolve", sent=False, channel="email")).items
    assert (done.outcome, await desk.messages()) == ("done", [("email", "failed"), ("push", "unknown")])
    [done] = (await desk.act("resolve", sent=True)).items
    assert (done.outcome, (await desk.row()).state) == ("done", "sent")
