"""The console as a real process, and Chromium on it by playwright: offline, without errors, accessible."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    async_playwright,
    expect,
)

from connector.app.preflight import find_free_port
from tests.support.browser import find_chromium
from tests.support.polling import until
from tests.support.repository import ROOT

WIDE, NARROW = 1280, 390
_SECONDS = 60.0
_LEFT = "WebSocket is closed before the connection is established"
"""What Chromium says about a page that is left before its websocket is connected."""
_SERIOUS = frozenset({"serious", "critical"})
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # nothing leaves this machine
)


class ConsoleProcess:
    """`connector console` on a database, in a process of its own.

    Args:
        url: where it answers.
    """

    def __init__(self, url: str, log: Path) -> None:
        self.url, self._log = url, log

    def log(self) -> str:
        """Return what the process has logged."""
        return self._log.read_text()


@asynccontextmanager
async def running_console(database_url: str, folder: Path, **settings: str) -> AsyncIterator[ConsoleProcess]:
    """Run the console until the block ends, and yield it once it answers.

    Args:
        settings: CONNECTOR_* and TEMPORAL_* beside the database.
    """
    port = find_free_port(0, option="")
    url, log = f"http://127.0.0.1:{port}", folder / "console.log"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "PYTEST_"))}
    environment = {
        **inherited,
        "CONNECTOR_DATABASE_URL": database_url,
        "CONNECTOR_DATA": str(folder),
        "CONNECTOR_LOG_FORMAT": "json",
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "starter.cli", "console", "--port", str(port),
            cwd=folder, env=environment, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:

            async def answers() -> bool:
                assert process.returncode is None, log.read_text()
                try:
                    return (await client.get("/healthz")).is_success
                except httpx.TransportError:
                    return False

            await until(answers, "a console that answers", seconds=90)
        yield ConsoleProcess(url, log)
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Run the machine's Chromium until the block ends; the caller has checked that there is one."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=list(_OPTIONS))
        try:
            yield browser
        finally:
            await browser.close()


class Window:
    """A window of Chromium, whose pages share cookies and a cache, with what went wrong in them."""

    def __init__(self, context: BrowserContext, problems: list[str]) -> None:
        self._context, self._problems = context, problems

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """Open a page with a storage of its own, and check at its end that nothing went wrong in it."""
        page = await self._context.new_page()
        try:
            yield page
            assert self._problems == [], self._problems
        finally:
            with suppress(Exception):
                await page.close()
            self._problems.clear()  # what a page says while it closes is not about the next one


@asynccontextmanager
async def open_window(
    browser: Browser, console: ConsoleProcess, *, width: int = WIDE, dark: bool = False, allowed: Sequence[str] = ()
) -> AsyncIterator[Window]:
    """Open a window of its own, in which a request to another origin is a problem, and so is an error in a page.

    Requests are watched and not routed, because a browser whose requests are routed caches nothing.

    Args:
        allowed: parts of errors that the test causes on purpose.
    """
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        timezone_id="Europe/Berlin",
        locale="en-GB",
        reduced_motion="reduce",
    )
    context.set_default_timeout(_SECONDS * 1000)
    problems: list[str] = []

    def check(request: Request) -> None:
        if not request.url.startswith((console.url + "/", "data:", "blob:")):
            problems.append(f"request to {request.url}")

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.text for part in (_LEFT, *allowed)):
            problems.append(f"console: {message.text}")

    context.on("request", check)
    context.on("console", note)
    context.on("weberror", lambda found: problems.append(f"script: {found.error}"))
    try:
        yield Window(context, problems)
    finally:
        with suppress(Exception):
            await context.close()


@asynccontextmanager
async def open_page(
    browser: Browser,
    console: ConsoleProcess,
    *,
    key: str | None = None,
    width: int = WIDE,
    dark: bool = False,
    allowed: Sequence[str] = (),
) -> AsyncIterator[Page]:
    """Open a page in a window of its own, signed in with `key`; see `open_window`."""
    started = open_window(browser, console, width=width, dark=dark, allowed=allowed)
    async with started as window, window.page() as page:
        if key is not None:
            await sign_in(page, console, key)
        yield page


async def sign_in(page: Page, console: ConsoleProcess, key: str) -> None:
    """Sign in by the form."""
    await page.goto(console.url + "/sign-in")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", level=1, name="Overview").wait_for()


async def open_path(page: Page, console: ConsoleProcess, path: str) -> None:
    """Open a page of the console, and wait until its websocket is connected."""
    await page.goto(console.url + path)
    await page.wait_for_function("window.did_handshake === true")


async def press(element: Locator, key: str = "Enter") -> None:
    """Use an element as people without a mouse do, once it can be used."""
    await expect(element).to_be_enabled()
    await element.press(key)


async def find_serious(page: Page, within: str | None = None) -> list[str]:
    """Return axe's serious and critical findings, each with the elements that it found.

    Args:
        within: a selector of the part to look at, such as a dialog, behind which everything is dimmed.
    """
    results: dict[str, Any] = (await Axe().run(page, within)).response
    return [
        f"{found['id']}: {node['html']}"
        for found in results["violations"]
        if found["impact"] in _SERIOUS
        for node in found["nodes"]
    ]


async def overflows(page: Page) -> bool:
    """Whether the page is wider than the window, so that people would scroll sideways."""
    return bool(await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))
