"""The timeline of a user: interactions, what was decided about each, messages and ends, newest first, page by page."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from connector.app.context import AppContext
from connector.rules.model.errors import DefinitionError
from connector.store.engine.database import database_now
from connector.store.follow_ups.texts import MessageText, save_texts
from connector.store.users.inbox import InboxMessage, insert_message
from connector.store.users.users import UserErased
from starter.explain.explain import UnknownUser, explain_user
from starter.explain.follow_up import explain_follow_up, render_follow_up
from starter.explain.timeline import read_timeline, render_timeline
from tests.support.builders import ABANDONED, BASE, PUSHED, buy, follow_on
from tests.support.installation import Installation
from tests.support.repair_desk import RepairDesk

SOON = follow_on("soon", PUSHED, delay={"after": "30 minutes"})


@pytest.fixture
async def desk(context: AppContext) -> RepairDesk:
    """`u` triggered two follow-ons; one sent its push, a purchase cancelled the other."""
    desk = RepairDesk(Installation(context.database))
    await desk.open(SOON, ABANDONED)
    soon = [row.campaign for row in await desk.installation.rows()].index("soon")
    await desk.attempt("push", place=soon)
    await desk.installation.ingest(buy("b1", 45))
    return desk


def _lines(page: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what each entry is about."""
    lines = []
    for entry in page["entries"]:
        if entry["kind"] == "interaction":
            lines.append(("interaction", entry["interaction"]["type"]))
        elif entry["kind"] == "message":
            lines.append(("message", f"{entry['decisions'][0]['campaign']} {entry['message']['state']}"))
        else:
            decided = entry["decisions"][0]
            lines.append(("outcome", f"{decided['campaign']} {decided['decision']['state']}"))
    return lines


async def test_everything_is_told_newest_first(desk: RepairDesk, context: AppContext) -> None:
    """The decisions are those of `explain`, at the interaction that they are about."""
    page = await read_timeline(context, "u")
    assert set(_lines(page)) == {
        ("outcome", "f excepted"),
        ("interaction", "make_purchase"),
        ("interaction", "receive_push"),
        ("message", "soon sent"),
    }
    assert [entry["at"] for entry in page["entries"]] == sorted((e["at"] for e in page["entries"]), reverse=True)
    text = "\n".join(render_timeline(page))
    assert all(words in text for words in ("make_purchase", "soon: push: ", "f: ", "began the follow-up"))
    explained = await explain_user(context, "u")
    oldest = page["entries"][-1]
    assert oldest["interaction"]["id"] == "e1"
    assert [one["decision"] for one in oldest["decisions"]] == [
        chapter.model_dump(mode="json") for campaign in explained.campaigns for chapter in campaign.chapters
    ]


async def test_pages_neither_repeat_nor_leave_out(desk: RepairDesk, context: AppContext) -> None:
    """Pages of one entry, one after the other, are the whole; a cursor belongs to one user."""
    whole = await read_timeline(context, "u")
    seen, after = [], None
    for _ in whole["entries"]:
        page = await read_timeline(context, "u", limit=1, after=after)
        seen += page["entries"]
        after = page["next"]
    assert (seen, after, page["has_more"]) == (whole["entries"], None, False)
    first = (await read_timeline(context, "u", limit=1))["next"]
    await desk.describe("other")
    with pytest.raises(DefinitionError):
        await read_timeline(context, "other", after=first)


async def test_an_inbox_message_is_shown_as_it_was_rendered(desk: RepairDesk, context: AppContext) -> None:
    """The inbox keeps its messages, and `CONNECTOR_KEEP_MESSAGES` those of other channels, until they expire."""
    [before] = [one for one in (await read_timeline(context, "u"))["entries"] if one["kind"] == "message"]
    assert before["content"] is None
    user_key, delivery = (await desk.row()).user_key, before["id"].removeprefix("message ")
    message = InboxMessage(
        "m", delivery, user_key, "soon", "content_card", {"title": "For you"}, 0, BASE, BASE + timedelta(days=1)
    )
    async with context.database.write("default") as tx:
        await insert_message(tx, message)
    [after] = [one for one in (await read_timeline(context, "u"))["entries"] if one["kind"] == "message"]
    assert (after["content"], after["message"]["revision"]) == ({"title": "For you"}, 1)


@pytest.mark.parametrize(("seconds", "is_shown"), [(3600, True), (-1, False)])
async def test_a_text_is_shown_while_it_is_kept(
    desk: RepairDesk, context: AppContext, seconds: int, is_shown: bool
) -> None:
    """The timeline and the follow-up show a text until it expires, on the command line too, cleaned up or not."""
    row = next(row for row in await desk.installation.rows() if row.campaign == "soon")
    async with context.database.write("default") as tx:
        until = await database_now(tx) + timedelta(seconds=seconds)
        content = {"title": "Come back", "body": "15% off"}
        await save_texts(tx, [MessageText(f"{row.id}.push", row.user_key, content, ("body",), until)])
    page = await read_timeline(context, "u")
    [entry] = [one for one in page["entries"] if one["kind"] == "message"]
    follow_up = await explain_follow_up(context, row.id)
    shown = [{"channel": "push", "resend": 0, "content": content, "cut": ["body"]}] if is_shown else []
    assert (entry["content"], entry["cut"]) == ((content, ["body"]) if is_shown else (None, []))
    assert follow_up["texts"] == shown
    lines = [*render_timeline(page), *render_follow_up(follow_up)]
    assert sum("Come back · 15% off" in line for line in lines) == 2 * is_shown


async def test_who_is_unknown_or_erased(desk: RepairDesk, context: AppContext, api: httpx.AsyncClient) -> None:
    """As `explain` says it."""
    with pytest.raises(UnknownUser):
        await read_timeline(context, "nobody")
    assert (await api.delete("/v1/users/u")).status_code == 204
    with pytest.raises(UserErased):
        await read_timeline(context, "u")
