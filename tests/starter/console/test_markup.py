"""Markup and scripts in every name, attribute, label, id and message: no page of the console runs or renders them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from nicegui import Client
from playwright.async_api import Browser, Page, expect

import starter.console.pages.registry  # noqa: F401 - registers every page
from starter.console.paths import follow_up_path, page_of_user, user_path
from starter.operations.follow_ups import Criteria, read_follow_ups
from tests.support.console import open_page, open_path
from tests.support.story_console import StoryConsole, story_console

MARKUP = "</script><img src=x onerror=top.owned=1><script>top.owned=1</script>'\"<svg onload=top.owned=1>"
SPICE = f"{MARKUP}{{{{constructor.constructor('top.owned=1')()}}}}"
"""HTML, and what Vue would take for an expression."""
_FOUND = """[...document.querySelectorAll('[onerror], [onload], [onclick], img[src="x"], main script')]
    .map(element => element.outerHTML)"""


_IN_FRAMES = ("Blocked script execution", 'directive: "img-src data:"')
"""What the browser says when the frame of an email must not run a script, or load an image."""


@dataclass(frozen=True)
class Look:
    """A page to look at.

    Args:
        path: its address.
        literal: what a person must see on it as it was written; None: it shows no such text.
        clicks: the labels of buttons that open something more, such as a dialog, each on a page of its own.
    """

    path: Callable[[StoryConsole], str] | str
    literal: str | None = None
    clicks: tuple[str, ...] = ()


def _page(of: Callable[[str], str]) -> Callable[[StoryConsole], str]:
    return lambda played: of(played.story.user)


LOOKS: dict[str, list[Look]] = {
    "/": [Look("/", "Soon </script><img")],
    "/campaigns": [Look("/campaigns")],
    "/campaigns/{id}": [
        Look("/campaigns/soon", f"Soon again {MARKUP}", ("Stop",)),
        *(Look(f"/campaigns/{id}", MARKUP) for id in ("later", "buyers")),
        Look(f"/campaigns/{quote(SPICE.replace('/', ''))}"),
    ],
    "/compose": [Look("/compose"), Look(f"/compose?kind={quote(SPICE)}")],
    "/compose/{id}": [
        Look("/compose/later"),
        Look("/compose/gold"),
        Look(f"/compose/{quote(SPICE.replace('/', ''))}", "There is no campaign or card"),
    ],
    "/users": [Look(f"/users?find={quote(SPICE)}", "No user has this id"), Look("/users?find=ada%40shop.test", SPICE)],
    "/users/{name:path}": [
        Look(_page(user_path), SPICE, ("Erase…",)),
        Look(_page(user_path), f"Still thinking? {MARKUP}"),
        Look(
            _page(lambda id: page_of_user(id, {"campaign": "buyers"}, "why")),
            "hat </script><img src=x onerror=top.owned=1>",
        ),
        Look(_page(lambda id: page_of_user(id, {"campaign": SPICE}, "why")), f"{SPICE} is not known"),
        Look(user_path(SPICE), f"the user {SPICE} is not known"),
    ],
    "/follow-ups": [
        Look("/follow-ups", SPICE, ("Cancel…", "Postpone…")),
        Look(f"/follow-ups?campaign={quote(SPICE)}", f"{SPICE} is not known"),
        Look("/follow-ups?state=refused", SPICE),
    ],
    "/follow-ups/{id:path}": [
        Look(
            lambda played: follow_up_path(played.follow_up),
            SPICE,
            ("Send again…", "What revision 1 of soon says now by push"),
        ),
        Look(follow_up_path(SPICE), f"there is no follow-up {SPICE}"),
    ],
    "/provider-events": [Look("/provider-events", SPICE), Look(f"/provider-events?provider={quote(SPICE)}")],
    "/keys": [Look("/keys", SPICE, ("Create a key…", "Rotate the key", "Revoke the key"))],
    "/audit": [Look("/audit", SPICE), Look(f"/audit?subject={quote(SPICE)}", "No entry matches")],
}
"""Every page of the console by the path of its route. A new page belongs here."""


@pytest.fixture(scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> AsyncIterator[StoryConsole]:
    """A console on which every text has markup in it."""
    async with story_console(tmp_path_factory.mktemp("markup"), _sqlite_template, SPICE, MARKUP) as played:
        failed = await read_follow_ups(played.context, Criteria(state="failed"), 1)
        yield played.with_follow_up(failed["follow_ups"][0]["id"])


@pytest.fixture(scope="module")
async def page(browser: Browser, console: StoryConsole) -> AsyncIterator[Page]:
    """One window, which has the scripts in its cache after the first page."""
    async with open_page(browser, console.process, allowed=_IN_FRAMES) as opened:
        yield opened


def test_every_page_is_looked_at() -> None:
    """A page that is added is looked at here too."""
    assert set(Client.page_routes.values()) == set(LOOKS)


@pytest.mark.parametrize("route", LOOKS)
async def test_no_script_runs_and_texts_are_shown_as_they_are(console: StoryConsole, page: Page, route: str) -> None:
    """On the page, and in what its buttons open."""
    for look in LOOKS[route]:
        path = look.path if isinstance(look.path, str) else look.path(console)
        await _look(page, console, path, look.literal)
        for number, label in enumerate(look.clicks):
            if number:
                await open_path(page, console.process, path)
            await page.get_by_role("button", name=label).first.click()
            await expect(page.get_by_role("dialog")).to_be_visible()
            await _check(page)


async def _look(page: Page, console: StoryConsole, path: str, literal: str | None) -> None:
    await open_path(page, console.process, path)
    if literal is not None:
        await expect(page.get_by_text(literal).first).to_be_attached()
    await _check(page)


async def _check(page: Page) -> None:
    assert await page.evaluate("window.owned") is None, page.url
    assert await page.evaluate(_FOUND) == [], page.url
