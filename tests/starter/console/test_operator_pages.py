"""What an operator does in the console: find a user, see why one got nothing, cancel follow-ups, and go back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from connector.rules.model.api_keys import parse_key
from starter.console.paths import follow_up_path, user_path
from starter.operations.follow_ups import Criteria, read_follow_ups
from tests.support.console import find_serious, open_page, open_path, press
from tests.support.story_console import StoryConsole, story_console

UI = "http://temporal.test:8233"


@pytest.fixture(scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StoryConsole]:
    """A console on which `u/17` got a message, `ben` cancelled one by a purchase, and an operator another."""
    async with story_console(tmp_path_factory.mktemp("console"), CONNECTOR_TEMPORAL_UI_URL=UI) as played:
        yield played


@pytest.fixture(scope="module")
async def page(browser: Browser, console: StoryConsole) -> AsyncIterator[Page]:
    """One window, which has the scripts in its cache after the first page."""
    async with open_page(browser, console.process) as opened:
        yield opened


async def test_a_user_is_found_and_explained(console: StoryConsole, page: Page) -> None:
    """An operator finds a user by email, and sees texts, consent and the nearest miss of a campaign."""
    await open_path(page, console.process, "/users")
    await page.get_by_label("Id, email or phone number").fill("ADA@shop.test")
    await press(page.get_by_role("button", name="Find"))
    await press(page.get_by_role("link", name=console.story.user, exact=True))
    await expect(page.get_by_role("heading", name=console.story.user)).to_be_visible()
    timeline = page.locator("#timeline")
    await expect(timeline.locator("li.message").filter(has_text="Still thinking?")).to_have_count(1)
    await expect(timeline.get_by_text("Sms: nothing stated → unsubscribed, by a profile")).to_be_visible()
    await expect(page.get_by_text(": sms: nothing stated → unsubscribed, by a profile")).to_be_visible()
    await expect(timeline.get_by_text("not_in_audience")).to_be_visible()
    await page.get_by_label("Campaign").fill("buyers")
    await page.get_by_role("button", name="Explain").click()
    why = page.locator("#why")
    await expect(why.get_by_text("It did not count", exact=False)).to_be_visible()
    await page.go_back()
    await page.go_back()
    await expect(page).to_have_url(re.compile("find=ADA%40shop.test"))
    await expect(page.get_by_role("link", name=console.story.user, exact=True)).to_be_visible()


async def test_a_page_that_is_not_known_any_more_is_loaded_anew(browser: Browser, console: StoryConsole) -> None:
    """A browser that slept, or a console that restarted: the page comes back by itself, and the websocket with it."""
    async with open_page(browser, console.process, allowed=["WebSocket connection to"]) as page:
        await open_path(page, console.process, "/users")
        await page.evaluate("window.slept = true; window.socket.io.opts.query.client_id = 'forgotten'")
        await page.evaluate("window.socket.io.engine.close()")
        await page.wait_for_function("window.slept === undefined && window.did_handshake === true")
        await expect(page.get_by_role("heading", level=1, name="Users")).to_be_visible()


async def test_a_list_keeps_its_filters_in_the_address(console: StoryConsole, page: Page) -> None:
    """A filter that is chosen is in the address, and going back shows the list before."""
    await open_path(page, console.process, "/follow-ups?campaign=later")
    rows = page.get_by_role("table", name="").locator("tbody tr")
    await expect(rows).to_have_count(5)
    await page.get_by_role("combobox", name="State").click()
    await page.get_by_role("option", name="excepted").click()
    await page.get_by_role("button", name="Show").click()
    await expect(page).to_have_url(re.compile("campaign=later.*state=excepted|state=excepted.*campaign=later"))
    await expect(rows).to_have_count(2)
    await expect(rows.get_by_role("link", name="ben")).to_be_visible()
    await page.go_back()
    await expect(rows).to_have_count(5)


async def test_chosen_follow_ups_are_cancelled_after_a_dry_run(console: StoryConsole, page: Page) -> None:
    """Without a mouse: the numbers come first, nothing changes before the confirmation, refusals say why."""
    await open_path(page, console.process, "/follow-ups?campaign=later")
    for user in ("cleo", "ben"):
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name=user))
        await press(row.get_by_role("checkbox"), "Space")
    await expect(page.get_by_text("2 selected")).to_be_visible()
    await press(page.get_by_role("button", name="Cancel…"))
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text("1 would be cancelled")).to_be_visible()
    await expect(dialog.get_by_text("1 refused: it has ended: excepted (exception)")).to_be_visible()
    assert await find_serious(page, ".cc-dialog") == []
    assert await _states(console, "cleo") == {"waiting", "failed"}
    await dialog.get_by_label("Reason").fill("wrong price")
    await press(dialog.get_by_role("button", name="Cancel: 1"))
    await expect(dialog.get_by_text("1 cancelled", exact=True)).to_be_visible()
    assert await _states(console, "cleo") == {"dropped", "failed"}
    await press(dialog.get_by_role("button", name="Close"))
    await expect(page.get_by_role("row").filter(has=page.get_by_role("link", name="cleo"))).to_contain_text("dropped")
    await open_path(page, console.process, "/audit?action=cancel")
    await expect(page.get_by_role("row").filter(has_text="wrong price")).to_have_count(1)


async def test_unknown_results_are_settled_after_a_dry_run(console: StoryConsole, page: Page) -> None:
    """No verdict is preselected, and another verdict needs another dry run before it can be carried out."""
    await console.story.lose("ada")
    await open_path(page, console.process, "/follow-ups?campaign=soon&state=failed&reason=send_unknown")
    await page.get_by_role("button", name="Settle…").click()
    dialog = page.get_by_role("dialog")
    verdict, act = dialog.get_by_role("combobox"), dialog.get_by_role("button", name="Settle as not sent: 1")
    await dialog.get_by_label("How you know").fill("their log")
    await dialog.get_by_role("button", name="Show what it would do").click()
    await expect(page.get_by_text("say whether the messages were sent", exact=False).first).to_be_visible()
    await verdict.select_option("sent")
    await dialog.get_by_role("button", name="Show what it would do").click()
    await expect(dialog.get_by_text("1 would be settled")).to_be_visible()
    await expect(dialog.get_by_role("button", name="Settle as sent: 1")).to_be_visible()
    await verdict.select_option("not_sent")
    await expect(dialog.get_by_role("button", name="Settle as")).to_have_count(0)
    await dialog.get_by_role("button", name="Show what it would do").click()
    await act.click()
    await expect(dialog.get_by_text("1 settled", exact=True)).to_be_visible()
    listed = await read_follow_ups(console.context, Criteria(user="ada", campaign="soon"), 1)
    assert (listed["follow_ups"][0]["state"], listed["follow_ups"][0]["reason"]) == ("failed", "send_failed")
    await dialog.get_by_role("button", name="Close").click()
    await expect(page.get_by_text("Nothing matches these filters")).to_be_visible()


async def test_a_follow_up_leads_to_its_user_and_its_workflow(console: StoryConsole, page: Page) -> None:
    """With the decision and the link into Temporal's UI, namespace and workflow encoded."""
    listed = await read_follow_ups(console.context, Criteria(user="ben", campaign="later"), 1)
    [follow_up] = listed["follow_ups"]
    await open_path(page, console.process, follow_up_path(follow_up["workflow_id"]))
    await expect(page.get_by_text("an exception cancelled it", exact=False).first).to_be_visible()
    target = await page.get_by_role("link", name="Open in Temporal").get_attribute("href")
    assert target == f"{UI}/namespaces/default/workflows/{follow_up['workflow_id'].replace('/', '%2F')}"
    await page.get_by_role("link", name="ben", exact=True).click()
    await expect(page.get_by_role("heading", name="ben", exact=True)).to_be_visible()


async def test_a_user_called_by_dots_has_a_page(console: StoryConsole, page: Page) -> None:
    """A browser would take the id for a step in the path."""
    await open_path(page, console.process, user_path(".."))
    await expect(page.get_by_role("heading", name="..", exact=True)).to_be_visible()


async def test_an_erasure_is_typed(console: StoryConsole, page: Page) -> None:
    """The dialog says what goes, and the button stays off until the id is typed."""
    await open_path(page, console.process, user_path("ada"))
    await page.get_by_role("button", name="Erase…").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_text("the whole log of interactions", exact=False)).to_be_visible()
    erase = dialog.get_by_role("button", name="Erase for good")
    await expect(erase).to_be_disabled()
    assert await find_serious(page, ".cc-dialog") == []
    await dialog.get_by_label("The id, to confirm").fill("ada")
    await erase.click()
    await expect(page.get_by_text("This user was erased")).to_be_visible()
    assert await _states(console, "ada") == set()


async def _states(console: StoryConsole, user: str) -> set[str]:
    page = await read_follow_ups(console.context, Criteria(user=user), 10)
    return {one["state"] for one in page["follow_ups"]}


async def test_a_key_is_shown_once_and_revoked(console: StoryConsole, page: Page) -> None:
    """The secret is in the dialog that follows its creation, and nowhere afterwards; what is wrong is said at once."""
    await open_path(page, console.process, "/keys")
    await page.get_by_role("button", name="Create a key…").click()
    dialog = page.get_by_role("dialog", name="Create a key")
    await expect(dialog).to_be_visible()
    assert await find_serious(page, ".cc-dialog") == []
    await dialog.get_by_label("What the key is for").fill("warehouse")
    await dialog.get_by_role("button", name="Create").click()
    await expect(page.get_by_text("Scopes: ", exact=False).first).to_be_visible()  # none was chosen
    await dialog.get_by_role("checkbox", name="read:").click()
    await dialog.get_by_role("button", name="Create").click()
    shown = page.get_by_role("dialog", name="Copy the key now")
    secret = await shown.locator("pre").inner_text()
    assert parse_key(secret) is not None
    await shown.get_by_role("button", name="I have it").click()
    row = page.get_by_role("row").filter(has_text="warehouse")
    await expect(row).to_contain_text("active")
    assert secret not in await page.content()
    await row.get_by_role("button", name="Revoke the key warehouse").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(row).to_contain_text("revoked")


async def test_events_are_matched_again(console: StoryConsole, page: Page) -> None:
    """What still matches nothing stays, and the numbers say so."""
    await open_path(page, console.process, "/provider-events?reason=unknown_user")
    await expect(page.get_by_role("row").filter(has_text="unknown_user:")).to_be_visible()
    await page.get_by_role("button", name="Match again").click()
    await expect(
        page.get_by_text("0 matched, 0 dropped as too old or of erased users, 2 still unmatched")
    ).to_be_visible()
