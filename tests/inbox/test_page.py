"""examples/inbox.html in a real browser, before the whole installation: worker, Temporal, store and API over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import select

from connector.app.context import build_context
from connector.channels.inbox import InboxChannel
from connector.channels.protocol import Address, OutgoingMessage
from connector.settings.application import Settings
from connector.settings.inbox import InboxSettings
from connector.store.engine.database import Database
from connector.store.tables import follow_ups, interactions
from connector.temporal.client import register_search_attributes
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from tests.support.api import KEY, configured
from tests.support.browser import Page, find_chromium, open_page
from tests.support.builders import ORIGINAL, follow_on
from tests.support.installation import Installation
from tests.support.repository import EXAMPLES
from tests.support.temporal_server import open_environment
from tests.support.web_site import serve_site
from tests.support.workspace import Workspace, settings_for, working

SECRET = SecretStr("the tests' own secret, at least 32 letters")
HELLO = {
    "title": "Hi {{ user.first_name }}",
    "body": "<b>Shall we?</b>",
    "buttons": [{"id": "yes", "label": "Yes"}, {"id": "no", "label": "No"}],
}
DEFINITIONS = (
    follow_on(
        "hello",
        {"event": "signed_up"},
        messages={"in_app_message": HELLO, "content_card": {"title": "A card", "body": "for you"}},
    ),
    follow_on(
        "thanks",
        {"interaction": "click_in_app_message_button", "campaign": "hello", "button": "yes"},
        messages={"content_card": {"title": "Thanks, {{ user.first_name }}", "body": "Here you go."}},
    ),
)


@pytest.fixture
def site() -> Iterator[str]:
    """The examples as a web site."""
    with serve_site(EXAMPLES) as origin:
        yield origin


@asynccontextmanager
async def _api(settings: Settings, database: Database) -> AsyncIterator[str]:
    """The API over HTTP, as long as the block runs; gives its address."""
    bound = socket.create_server(("127.0.0.1", 0))
    app = create_app(build_context(settings, database), Keys(configured(KEY)))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    running = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


async def _address(page: str, api: str) -> str:
    """The page for the user `u`, with a token that the user's own service asked for; `u` has signed up."""
    async with httpx.AsyncClient(base_url=api, headers={"Authorization": f"Bearer {KEY}"}) as service:
        await service.patch("/v1/users/u", json={"first_name": "<i>Ada</i>"})
        token = (await service.post("/v1/users/u/inbox-token")).json()["token"]
        at = datetime.now(UTC).isoformat()  # noqa: TID251 - what a service would report
        event = {"id": "e1", "user": "u", "type": "event", "name": "signed_up", "occurred_at": at}
        taken = await service.post("/v1/interactions", json={"interactions": [event]})
        assert taken.json()["results"][0]["status"] == "accepted"
    return f"{page}/inbox.html#{urlencode({'api': api, 'user': 'u', 'token': token})}"


async def _logged(database: Database) -> list[tuple[str, str | None]]:
    async with database.read("default") as tx:
        rows = await tx.execute(select(interactions).order_by(interactions.c.topic))
    return [(row.topic, row.properties.get("button")) for row in rows]


async def _used(page: Page) -> None:
    """What a person does: see both, accept, see the result, and dismiss the first card."""
    await page.until("document.querySelector('dialog[open] h2')?.textContent === 'Hi <i>Ada</i>'")
    await page.until("document.querySelector('article h2')?.textContent === 'A card'")
    assert await page.evaluate("document.querySelector('dialog p').textContent") == "<b>Shall we?</b>"
    await page.click("#button-yes")
    await page.until("[...document.querySelectorAll('article h2')].some(h => h.textContent === 'Thanks, <i>Ada</i>')")
    await page.until("!document.querySelector('dialog').open")
    await page.click("article:last-of-type .away")
    await page.until("document.querySelectorAll('article').length === 1")
    assert await page.evaluate("document.getElementById('fault').textContent") == ""
    assert "token" not in str(await page.evaluate("location.href"))


@pytest.mark.timeout(180)
async def test_a_click_in_the_page_brings_the_follow_on(
    sqlite_database: Database, sqlite_url: str, tmp_path: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 4: a card and an in-app message are shown, and the click on a button brings the next card."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium on the PATH, so the example page cannot be driven")
    async with await open_environment() as environment:
        await register_search_attributes(environment.client)
        monkeypatch.setenv("TEMPORAL_ADDRESS", environment.client.service_client.config.target_host)
        workspace = Workspace(sqlite_database, environment)
        settings = settings_for(workspace.name, sqlite_url, tmp_path).model_copy(
            update={"inbox": InboxSettings(secrets=[SECRET], origins=[site])}
        )
        with environment.with_time_skipping_disabled():
            async with (
                working(environment, settings),
                _api(settings, sqlite_database) as api,
                open_page(chromium, tmp_path / "profile") as page,
            ):
                await workspace.open(*DEFINITIONS)
                await page.open(await _address(site, api))
                await _used(page)
                assert (await workspace.becomes("thanks", "sent")).reason is None
    logged = await _logged(sqlite_database)
    assert logged == [
        ("click_in_app_message_button", "yes"),
        ("dismiss_content_card", None),
        ("signed_up", None),
        ("view_content_card", None),
        ("view_content_card", None),
        ("view_in_app_message", None),
    ]
    async with sqlite_database.read("default") as tx:
        assert {row.campaign: row.state for row in await tx.execute(select(follow_ups))} == {
            "hello": "sent",
            "thanks": "sent",
        }


@pytest.mark.timeout(120)
async def test_the_escape_key_puts_a_message_away(
    sqlite_database: Database, sqlite_url: str, tmp_path: Path, site: str
) -> None:
    """A message that is closed by the keyboard is dismissed as by its button, and does not come again."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium on the PATH, so the example page cannot be driven")
    settings = settings_for("default", sqlite_url, tmp_path).model_copy(
        update={"inbox": InboxSettings(secrets=[SECRET], origins=[site])}
    )
    await Installation(sqlite_database).publish(ORIGINAL)
    async with _api(settings, sqlite_database) as api, open_page(chromium, tmp_path / "profile") as page:
        address = await _address(site, api)
        inbox = InboxChannel(sqlite_database, "default", settings.inbox)
        for number in range(2):
            content = {"title": f"Message {number}", "body": "b"}
            await inbox.send(OutgoingMessage(f"d{number}", "o", "in_app_message", Address("u"), content))
        await page.open(address)
        before = ""
        for _ in range(2):
            shown = "document.querySelector('dialog[open] h2')?.textContent"
            before = await page.until(f"{shown} !== '{before}' && {shown}")
            await page.press_escape()
        await page.until("!document.querySelector('dialog').open")
        async with asyncio.timeout(30), httpx.AsyncClient(base_url=api) as service:
            while (await service.get("/v1/users/u/inbox", headers={"Authorization": f"Bearer {KEY}"})).json()[
                "messages"
            ]:
                await asyncio.sleep(0.05)
