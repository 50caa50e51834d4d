"""A person composes, publishes, watches and stops the abandoned-cart follow-on in the console, without YAML."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.support.browser import find_chromium
from tests.support.console import ConsoleProcess, open_page, open_path, running_browser
from tests.support.dev_process import DevProcess
from tests.support.polling import until

pytestmark = [
    pytest.mark.paired,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium on this machine"),
]
TEXT = "{{ user.first_name | default: 'Hi' }}, 15% off until Sunday"


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[DevProcess]:
    """`connector dev` with its console."""
    process = DevProcess(tmp_path)
    await process.start(with_console=True)
    yield process
    await process.stop()


@pytest.mark.timeout(300)
async def test_a_follow_on_from_nothing_to_its_end(dev: DevProcess, tmp_path: Path) -> None:
    """Compose, publish in the right order, a wait, an exception, a send, why one user got nothing, and stop."""
    console = ConsoleProcess(dev.running["console_url"], tmp_path / "dev.log")
    async with running_browser() as browser, open_page(browser, console) as page:
        await _compose_original(page, console)
        await _compose_follow_on(page, console)
        await _publish_both(page, console)
        for user, fields in {"ada": {"push_tokens": ["a"]}, "ben": {"push_tokens": ["b"]}, "carl": {}}.items():
            answer = await dev.http.put(f"/v1/users/{user}", json={"first_name": user.title(), **fields})
            assert answer.is_success, answer.text
        received = [{"id": f"push-{user}", "user": user, "type": "receive_push", "campaign": "abandoned-cart",
                     "occurred_at": await _now(dev)} for user in ("ada", "ben", "carl")]  # fmt: skip
        assert await dev.report(*received) == ["accepted"] * 3
        await _see_in_funnel(page, console, "Waiting", 3)
        bought = {"id": "buy-ada", "user": "ada", "type": "make_purchase", "occurred_at": await _now(dev, ahead=1)}
        assert await dev.report(bought) == ["accepted"]
        await _send_now(page, console, "ben")
        await _send_now(page, console, "carl")
        await _until_states(dev, {"ada": "excepted", "ben": "sent", "carl": "dropped"})
        await _see_in_funnel(page, console, "Sent", 1)
        await _find_out_why_not(page, console)
        await _stop(page, console)


async def _now(dev: DevProcess, *, ahead: int = 0) -> str:
    """Return the API's time in whole seconds, some ahead: what is later in the same second must say so."""
    read = parsedate_to_datetime((await dev.http.get("/healthz")).headers["date"])
    return (read + timedelta(seconds=ahead)).isoformat()


async def _compose_original(page: Page, console: ConsoleProcess) -> None:
    await open_path(page, console, "/compose?kind=external")
    await page.get_by_label("Id", exact=True).fill("abandoned-cart")
    await page.get_by_label("Name", exact=True).fill("Abandoned cart")
    await _until_yaml(page, "name: Abandoned cart")
    await _save(page, "abandoned-cart")


async def _compose_follow_on(page: Page, console: ConsoleProcess) -> None:
    await open_path(page, console, "/compose?kind=action_based")
    await page.get_by_label("Id", exact=True).fill("cart-reminder")
    await page.get_by_label("Name", exact=True).fill("Second reminder")
    form = page.locator(".cf-form-side")
    await form.get_by_label("Title", exact=True).fill("Still thinking it over?")
    await form.get_by_label("Text", exact=True).fill(TEXT)
    await form.get_by_text("Ana, 15% off until Sunday").wait_for()
    await page.get_by_role("tab", name="Trigger").click()
    await page.get_by_label("does what").select_option("receive_push")
    await _until_yaml(page, "receive_push")
    await page.get_by_label("Campaign", exact=True).fill("aband")
    suggestions = page.get_by_role("group", name="Suggestions")
    await suggestions.get_by_role("button", name="abandoned-cart").click()
    await _until_yaml(page, "abandoned-cart")
    await page.get_by_role("tab", name="Delay and exceptions").click()
    await page.get_by_label("Time after the trigger", exact=True).fill("2")
    await _until_yaml(page, "after: 2 days")
    await page.get_by_role("button", name="Add an exception").click()
    await page.get_by_label("Event", exact=True).fill("make_purchase")
    await _until_yaml(page, "make_purchase")
    await _save(page, "cart-reminder")


async def _save(page: Page, id: str) -> None:
    await page.get_by_role("button", name="Save draft").click()
    await page.get_by_text(f"{id}: saved as revision 1.").wait_for()


async def _until_yaml(page: Page, words: str) -> None:
    """Wait until the YAML beside the form has these words."""
    has_words = "words => document.querySelector('.cm-content').innerText.includes(words)"
    await page.wait_for_function(has_words, arg=words)


async def _publish_both(page: Page, console: ConsoleProcess) -> None:
    """The page of the original offers both in the order that misses nothing."""
    await open_path(page, console, "/campaigns/abandoned-cart")
    together = page.get_by_role("button", name="Publish 2 campaigns in this order")
    assert await page.locator("ol.cc-order li").all_inner_texts() == ["cart-reminder", "abandoned-cart"]
    await together.click()
    await page.get_by_role("dialog").get_by_role("button", name="Publish 2 campaigns in this order").click()
    await page.get_by_text("in effect since").first.wait_for()


async def _see_in_funnel(page: Page, console: ConsoleProcess, step: str, count: int) -> None:
    await open_path(page, console, "/campaigns/cart-reminder")
    row = page.locator("li, tr, div.cc-bar").filter(has_text=step).filter(has_text=str(count)).first
    await row.wait_for()


async def _send_now(page: Page, console: ConsoleProcess, user: str) -> None:
    """An operator does not wait for two days; the rules of the due time apply all the same."""
    await open_path(page, console, f"/follow-ups?user={user}")
    await page.get_by_role("link", name="Details").click()
    await page.get_by_role("button", name="Send now…").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Send now: 1").click()
    await dialog.get_by_text("1 sent now").wait_for()


async def _until_states(dev: DevProcess, wanted: dict[str, str]) -> None:
    async def is_so() -> bool:
        return {one["user"]: one["state"] for one in await dev.follow_ups("cart-reminder")} == wanted

    await until(is_so, f"follow-ups in the states {wanted}", seconds=60)


async def _find_out_why_not(page: Page, console: ConsoleProcess) -> None:
    await open_path(page, console, "/users")
    await page.get_by_role("textbox").first.fill("carl")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="carl").first.click()
    why = page.locator("#why")
    await why.get_by_label("Campaign").fill("cart-reminder")
    await why.get_by_role("button", name="Explain").click()
    await why.get_by_text("unreachable").first.wait_for()


async def _stop(page: Page, console: ConsoleProcess) -> None:
    await open_path(page, console, "/campaigns/cart-reminder")
    await page.get_by_role("button", name="Stop", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_text("0 follow-ups").wait_for()
    await dialog.get_by_role("button", name="Stop", exact=True).click()
    await page.get_by_role("button", name="Resume", exact=True).wait_for()
