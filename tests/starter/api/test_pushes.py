"""`/v1/pushes/{delivery}/…`: what an app tells of a push, and who may tell it."""

from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import delete, select, update

from connector.app.context import AppContext, build_context
from connector.rules.model.users import User
from connector.settings.application import Settings
from connector.settings.inbox import InboxSettings
from connector.store.engine.database import Database
from connector.store.tables import deliveries, interactions
from tests.support.builders import ORIGINAL, PUSHED, follow_on, push
from tests.support.fake_channel import FakeChannel
from tests.support.installation import Installation
from tests.support.send_harness import SendHarness

BUTTONS = [{"id": "later", "label": "Later"}, {"id": "never", "label": "Never"}]
NUDGE = follow_on("f", PUSHED, messages={"push": {"title": "Hi", "body": "there", "buttons": BUTTONS}})
AFTER = follow_on(
    "g", {"interaction": "click_push_button", "campaign": "f", "button": "later"}, delay={"after": "1 day"}
)


@pytest.fixture
def context(sqlite_database: Database) -> AppContext:
    """With a secret for inbox tokens."""
    return build_context(
        Settings(inbox=InboxSettings(secrets=(SecretStr("a secret of this test, long enough"),))), sqlite_database
    )


@pytest.fixture
async def delivery(context: AppContext) -> str:
    """A push that went out to u."""
    installation = Installation(context.database)
    harness = SendHarness(installation, FakeChannel())
    await installation.publish(ORIGINAL, NUDGE, AFTER)
    for name in ("u", "v"):
        await harness.save_user(User(id=name, push_tokens=("phone",)))
    await installation.ingest(push("p", 0))
    await harness.send(minutes=0, channel="push")
    [row] = await installation.rows()
    return f"{row.id}.push"


async def _token(api: httpx.AsyncClient, user: str) -> dict[str, str]:
    token = (await api.post(f"/v1/users/{user}/inbox-token")).json()["token"]
    return {"Authorization": f"Bearer {token}"}


async def test_what_was_tapped_counts_once(api: httpx.AsyncClient, context: AppContext, delivery: str) -> None:
    """M1, M6: each button and page is an interaction of its own, told with the user's token or with a key."""
    ann = await _token(api, "u")
    acts = [("open", {}), ("click", {"button": "later"}), ("click", {"button": "never"}), ("click", {"page": "2"})]
    for _ in range(2):
        answers = [await api.post(f"/v1/pushes/{delivery}/{act}", json=what, headers=ann) for act, what in acts]
        told = [(answer.json()["status"], answer.json()["interaction"]) for answer in answers]
    assert told == [
        ("duplicate", "open_push"),
        ("duplicate", "click_push_button"),
        ("duplicate", "click_push_button"),
        ("duplicate", "click_push_story_page"),
    ]
    assert (await api.post(f"/v1/pushes/{delivery}/open")).json()["status"] == "duplicate"
    assert [row.campaign for row in await Installation(context.database).rows()] == ["f", "g"]


async def test_who_may_tell(api: httpx.AsyncClient, delivery: str) -> None:
    """Another user's token, an unknown delivery and one that is no push change nothing, and tell nothing."""
    other = await _token(api, "v")
    assert (await api.post(f"/v1/pushes/{delivery}/open", headers=other)).status_code == 403
    assert (await api.post("/v1/pushes/nothing.push/open", headers=other)).status_code == 403
    assert (await api.post("/v1/pushes/nothing.push/open")).status_code == 404
    forged = {"Authorization": other["Authorization"][:-2] + "xx"}
    assert (await api.post(f"/v1/pushes/{delivery}/open", headers=forged)).status_code == 401


async def test_a_tap_that_is_told_on_another_day_changes_nothing(
    api: httpx.AsyncClient, context: AppContext, delivery: str
) -> None:
    """M6: the log is unique by day and id; an app that tells a tap again next week has told it before."""
    week = timedelta(days=7)
    assert (await api.post(f"/v1/pushes/{delivery}/open")).json()["status"] == "accepted"
    async with context.database.write("default") as tx:
        await tx.execute(
            update(deliveries).values(
                claimed_at=(await tx.execute(select(deliveries.c.claimed_at))).scalar_one() - week
            )
        )
        opened = (await tx.execute(select(interactions).where(interactions.c.topic == "open_push"))).mappings().one()
        earlier = {"day": opened["day"] - week, "t": opened["t"] - week, "seq": opened["seq"] + 1000}
        await tx.execute(delete(interactions).where(interactions.c.id == opened["id"]))
        await tx.execute(interactions.insert().values({**opened, **earlier}))
    assert (await api.post(f"/v1/pushes/{delivery}/open")).json()["status"] == "duplicate"
    async with context.database.read(context.workspace) as tx:
        assert len((await tx.execute(select(interactions).where(interactions.c.topic == "open_push"))).all()) == 1


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"button": "a", "page": "b"},
        {"button": ""},
        {"sku": "A"},
        {"button": "a\0b"},
        {"page": "\0"},
        {"page": "x" * 65},
        {"button": 7},
    ],
)
async def test_a_click_names_one_thing(api: httpx.AsyncClient, delivery: str, what: dict[str, object]) -> None:
    """A button or a page, that can be stored, and nothing else."""
    assert (await api.post(f"/v1/pushes/{delivery}/click", json=what)).status_code == 422
