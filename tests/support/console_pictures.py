"""Take a picture of every page of the console, light, dark and narrow, on a shop that is two weeks old.

Usage: python -m tests.support.console_pictures [FOLDER]

The default folder is docs/pictures/console. It needs Chromium.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Browser, Page
from sqlalchemy import select

from connector.app.context import build_context
from connector.rules.model.api_keys import Scope
from connector.rules.model.audit import Actor, ActorKind
from connector.rules.provider_events.attribution import Unmatched
from connector.rules.provider_events.events import identify_event
from connector.settings.application import Settings
from connector.store.engine.database import Database, database_now
from connector.store.provider_events.events import save_unmatched
from connector.store.tables import follow_ups
from starter.operations.keys import create_api_key, revoke_api_key
from tests.support.api import NOWHERE
from tests.support.console import NARROW, WIDE, ConsoleProcess, open_page, open_path, running_browser, running_console
from tests.support.databases import migrate_database
from tests.support.provider_event_harness import event
from tests.support.repository import ROOT
from tests.support.shop import fill_shop

FOLDER = ROOT / "docs" / "pictures" / "console"
_HEIGHT = {WIDE: 860, NARROW: 844}
MAX_HEIGHT = 1500
_SETTLED_MILLISECONDS = 1500


@dataclass(frozen=True)
class Picture:
    """One page.

    Args:
        prepare: what a person does on the page before the picture is taken.
    """

    name: str
    path: str
    prepare: Callable[[Page], Awaitable[None]] | None = None


LOOKS = {"light": (WIDE, False), "dark": (WIDE, True), "narrow": (NARROW, False)}


async def take(browser: Browser, console: ConsoleProcess, pictures: Sequence[Picture], folder: Path) -> None:
    """Take every picture in every look."""
    for look, (width, is_dark) in LOOKS.items():
        async with open_page(browser, console, width=width, dark=is_dark) as page:
            await page.set_viewport_size({"width": width, "height": _HEIGHT[width]})
            for picture in pictures:
                await open_path(page, console, picture.path)
                if picture.prepare is not None:
                    await picture.prepare(page)
                await page.wait_for_timeout(_SETTLED_MILLISECONDS)
                await _save(page, width, folder / f"{picture.name}-{look}.jpg")
                print(f"{picture.name}, {look}")


async def _save(page: Page, width: int, file: Path) -> None:
    height = min(MAX_HEIGHT, int(await page.evaluate("document.documentElement.scrollHeight")))
    clip = {"x": 0.0, "y": 0.0, "width": float(width), "height": float(height)}
    await page.screenshot(path=file, type="jpeg", quality=80, full_page=True, clip=clip)


async def _leave_traces(database: Database) -> None:
    """Create keys, and keep two events of a provider that match nothing, so that no page is empty."""
    actor = Actor(ActorKind.COMMAND_LINE, "grace", origin="10.0.0.12")
    context = build_context(Settings(), database)
    for name, scopes in (("shop", [Scope.INGEST]), ("dashboards", [Scope.READ]), ("agency", [Scope.READ])):
        key = await create_api_key(context, actor, name=name, scopes=scopes)
    await revoke_api_key(context, actor, key["id"], reason="the contract has ended")
    reports = [
        (event(id="evt-4711", recipient="someone@shop.example"), Unmatched.UNKNOWN_USER),
        (event(id="evt-4712", arguments={"campaign": "winter-sale", "user": "u-13"}), Unmatched.UNKNOWN_CAMPAIGN),
    ]
    async with database.write("default") as tx:
        await save_unmatched(
            tx, {identify_event(one): (one, reason) for one, reason in reports}, await database_now(tx)
        )


async def _pictures(database_url: str) -> list[Picture]:
    database = Database.open(database_url)
    try:
        async with database.read("default") as tx:
            wanted = select(follow_ups.c.id).where(follow_ups.c.campaign == "cart-rescue", follow_ups.c.state == "sent")
            sent = (await tx.execute(wanted.order_by(follow_ups.c.id).limit(1))).scalar_one()
    finally:
        await database.close()
    return [
        Picture("overview", "/"),
        Picture("campaigns", "/campaigns"),
        Picture("campaign", "/campaigns/cart-reminder"),
        Picture("draft", "/campaigns/spring-follow-up"),
        Picture("compose", "/compose/cart-reminder"),
        Picture("users", "/users"),
        Picture("user", "/users/u-13"),
        Picture("follow-ups", "/follow-ups?campaign=cart-reminder"),
        Picture("follow-up", f"/follow-ups/{sent}"),
        Picture("provider-events", "/provider-events"),
        Picture("keys", "/keys"),
        Picture("audit", "/audit"),
    ]


async def main(folder: Path) -> None:
    """Fill a shop in a temporary database, run the console on it, and take the pictures."""
    with TemporaryDirectory() as temporary:
        url = f"sqlite+aiosqlite:///{temporary}/connector.db"
        await asyncio.to_thread(migrate_database, url)
        database = Database.open(url)
        try:
            await fill_shop(database)
            await _leave_traces(database)
        finally:
            await database.close()
        pictures = await _pictures(url)
        settings = {"CONNECTOR_DEV": "1", "TEMPORAL_ADDRESS": NOWHERE}
        async with running_console(url, Path(temporary), **settings) as console, running_browser() as browser:
            await take(browser, console, pictures, folder)


if __name__ == "__main__":
    pictures = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    pictures.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(pictures))
