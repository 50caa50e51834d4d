"""In real Chromium: sign in, look at the overview and at campaigns, and publish, stop and resume."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from temporalio.testing import WorkflowEnvironment

from connector.app.context import build_context
from connector.rules.model.api_keys import Scope
from connector.rules.model.campaigns import parse_definition
from connector.store.audit import AuditFilter
from starter.operations.api_keys import ApiKeyService
from starter.operations.audit import read_audit
from starter.operations.drafts import save_definitions
from starter.operations.graph import read_graph
from tests.support.actors import OPERATOR
from tests.support.api import ALL_SCOPES
from tests.support.builders import PUSHED, external, follow_on
from tests.support.console import (
    NARROW,
    WIDE,
    ConsoleProcess,
    find_serious,
    open_page,
    open_path,
    overflows,
    press,
    running_console,
)
from tests.support.databases import open_migrated_database
from tests.support.story_console import StoryConsole, story_console
from tests.support.workspace import Workspace, settings_for, working

pytestmark = pytest.mark.timeout(300)  # one for all: tests are ordered by it, and these share a console and a window
KEY = "a-key-of-the-settings-that-only-this-test-knows"
KEYS = json.dumps([{"name": "tests", "key": KEY, "scopes": ALL_SCOPES}])
MARKUP = '<img src=x onerror=alert(1)>"];%%{init}%%`*b*`#lt;&lt;'
_CUT = """[...document.querySelectorAll('.cc-graph foreignObject')].filter((place) => {
    const text = document.createRange();
    text.selectNodeContents(place);
    const [shown, room] = [text.getBoundingClientRect(), place.getBoundingClientRect()];
    return shown.width > room.width + 1 || shown.height > room.height + 1;
}).map((place) => place.textContent)"""
"""The labels of the graph that are larger than the room that Mermaid has given them."""
PATHS = ("/", "/campaigns", "/campaigns/soon?days=0", "/campaigns/idea", "/campaigns/unknown")


@pytest.fixture(scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> AsyncIterator[StoryConsole]:
    """A console with sign-in, on a story with markup in every text, and with a draft beside what is live."""
    folder = tmp_path_factory.mktemp("console")
    settings = {"CONNECTOR_DEV": "0", "CONNECTOR_API_KEYS": KEYS, "CONNECTOR_CONSOLE_INTERVAL": "1 second"}
    async with story_console(folder, _sqlite_template, MARKUP, **settings) as played:
        idea = {
            **follow_on("idea", {"interaction": "open_push", "campaign": "soon"}, delay={"after": "1 hour"}),
            "name": f"Idea {MARKUP}",
        }
        edited = {**follow_on("gold", PUSHED, audience={"attribute": "tier", "is": "gold"}), "name": "Gold"}
        await save_definitions(played.context, OPERATOR, [parse_definition(one) for one in (idea, edited)])
        yield played


@pytest.fixture(scope="module")
async def page(browser: Browser, console: StoryConsole) -> AsyncIterator[Page]:
    """A window that is signed in with every scope."""
    async with open_page(browser, console.process, key=KEY) as opened:
        yield opened


async def test_pages_are_accessible_in_each_mode_and_width(console: StoryConsole, page: Page) -> None:
    """No serious findings of axe in light and dark, no sideways scrolling at 390 px, one heading of level 1."""
    for path in PATHS:
        await open_path(page, console.process, path)
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        for scheme, width in (("dark", NARROW), ("light", WIDE)):
            await page.emulate_media(color_scheme=scheme)
            await page.set_viewport_size({"width": width, "height": 900})
            await page.wait_for_function(f"document.body.classList.contains('body--{scheme}')")
            assert await find_serious(page) == [], (path, scheme)
            assert not await overflows(page), (path, width)


async def test_the_graph_shows_campaigns_and_leads_to_them(console: StoryConsole, page: Page) -> None:
    """Nodes with state and counts, labels as text whatever is in them; a click opens the campaign."""
    await open_path(page, console.process, "/")
    graph = page.locator(".cc-graph svg")
    nodes = (await read_graph(console.context))["nodes"]
    for state in ("active", "draft"):
        count = sum(node["state"] == state for node in nodes)
        await expect(graph.locator(f".node.{state}")).to_have_count(count)
    for node in nodes:
        await expect(graph.locator(".node", has_text=node["name"][:40])).to_contain_text("waiting")
    assert await graph.locator("img, script, foreignObject b, foreignObject em").count() == 0
    assert await page.evaluate(_CUT) == []
    idea = f"Idea {MARKUP}"
    await graph.locator(".node", has_text=idea).click()
    await expect(page).to_have_url(re.compile("/campaigns/idea$"))
    await expect(page.get_by_role("heading", level=1)).to_have_text(idea)


async def test_what_needs_a_hand_leads_on(console: StoryConsole, page: Page) -> None:
    """What failed and what is unknown, with the page that lists it; a search shows the neighbourhood."""
    await open_path(page, console.process, "/")
    hand = page.get_by_role("region", name="Needs a hand")
    await expect(hand.get_by_text("follow-ups of soon should have gone out")).to_be_visible()
    overdue = hand.get_by_role("listitem").filter(has_text="Overdue").get_by_role("link")
    assert await overdue.first.get_attribute("href") == "/follow-ups?campaign=soon&state=overdue"
    await expect(hand).not_to_contain_text("connector ")
    await hand.get_by_role("listitem").filter(has_text="Failed").get_by_role("link").click()
    await expect(page).to_have_url(re.compile("campaign=soon&reason=send_failed"))
    await page.go_back()
    await page.get_by_role("searchbox", name="Find a campaign").fill("idea")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("search=idea"))
    await expect(page.get_by_text("1 campaign matches “idea”, with what is around.")).to_be_visible()
    await expect(page.locator(".cc-graph svg .node", has_text="Idea")).to_have_count(1)
    await open_path(page, console.process, "/campaigns?state=draft")
    await expect(page.get_by_role("combobox", name="State")).to_have_value("draft")
    await expect(page.locator("tbody tr")).to_have_count(1)


async def test_a_campaign_in_numbers(console: StoryConsole, page: Page) -> None:
    """The funnel, why not as links to the users, times in the viewer's zone, a draft as a diff, a backtest."""
    await open_path(page, console.process, "/campaigns/soon?days=0")
    funnel = page.get_by_role("list", name="From the trigger to the conversion")
    await expect(funnel.get_by_role("listitem").filter(has_text="Triggered")).to_contain_text(re.compile(r"[1-9]"))
    await page.get_by_text("Each day with control group, variants and uplift").click()
    each_day = page.get_by_role("region", name="Results of each day")
    await expect(each_day.get_by_role("row").filter(has_text="All receivers")).to_contain_text(re.compile(r"20\d\d-"))
    reasons = page.get_by_role("list", name="Why follow-ups sent nothing")
    await reasons.get_by_role("link").first.click()
    await expect(page).to_have_url(re.compile("/follow-ups\\?campaign=soon&state="))

    await open_path(page, console.process, "/campaigns/gold")
    draft = page.get_by_role("region", name=re.compile("^Draft: revision 2"))
    await expect(draft.get_by_role("row").filter(has_text="audience.is")).to_contain_text("gold")
    await expect(draft.get_by_role("row").filter(has_text="name")).to_contain_text(f"Gold {MARKUP}")
    await expect(draft.get_by_role("button", name="Publish")).to_be_enabled()
    since = page.locator("dd time").first
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? UTC", await since.get_attribute("title") or "")
    assert "T" not in (await since.text_content() or "T")
    await page.get_by_role("button", name="Run the backtest").click()
    await expect(page.get_by_role("list", name="What the backtest counted")).to_contain_text("Triggered")


async def test_counts_are_live(console: StoryConsole, page: Page) -> None:
    """What changes in the store is on the open page within the interval, without a click."""
    await open_path(page, console.process, "/campaigns/soon?days=0")
    funnel = page.get_by_role("list", name="From the trigger to the conversion")
    triggered = funnel.get_by_role("listitem").filter(has_text="Triggered")
    before = int(re.sub(r"\D", "", await triggered.inner_text()))
    await console.story.trigger("new")
    await expect(triggered).to_contain_text(str(before + 1))


async def test_a_key_that_may_only_look(browser: Browser, console: StoryConsole) -> None:
    """No button that would change anything, no page of another scope; revoked, its open page leaves at once."""
    service = ApiKeyService(console.context.database, "default", OPERATOR)
    issued = await service.create("guest", [Scope.READ])
    allowed = ["WebSocket connection", "the server responded with a status of"]
    async with open_page(browser, console.process, key=issued.secret.text, allowed=allowed) as page:
        await open_path(page, console.process, "/campaigns/gold")
        for name in ("Publish", "Stop", "Archive"):
            await expect(page.get_by_role("button", name=name)).to_have_count(0)
        await open_path(page, console.process, "/follow-ups")
        await expect(page.get_by_role("link", name="Details").first).to_be_visible()
        assert await page.get_by_role("button", name="Cancel…").count() == 0
        assert await page.get_by_role("link", name=re.compile("Keys|Audit")).count() == 0
        await open_path(page, console.process, "/keys")
        await expect(page.get_by_text("admin", exact=False).first).to_be_visible()
        assert await page.get_by_role("button", name="Create a key…").count() == 0
        await open_path(page, console.process, "/nothing")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
        await open_path(page, console.process, "/campaigns/gold")
        await service.revoke(issued.key.id)
        await expect(page.get_by_label("API key")).to_be_visible()
        await expect(page).to_have_url(re.compile("/sign-in"))
        await sign_in_again(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Gold")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("API key")).to_be_visible()
        await page.goto(console.process.url + "/campaigns/gold")
        await expect(page.get_by_label("API key")).to_be_visible()


async def sign_in_again(page: Page) -> None:
    """Sign in on the page that asks for it, with a key that may do everything."""
    await page.get_by_label("API key").fill(KEY)
    await page.get_by_role("button", name="Sign in").click()


async def test_the_sign_in_refuses_and_is_accessible(browser: Browser, console: StoryConsole) -> None:
    """A wrong key is refused in the words of the API, and the form has a label and no serious findings."""
    async with open_page(browser, console.process, width=NARROW, allowed=["status of 401"]) as page:
        await page.goto(console.process.url + "/campaigns/gold")
        await page.get_by_label("API key").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("the key is not valid")
        # a page without scripts cannot be looked at by axe, which needs eval: its structure is checked by hand
        await expect(page.get_by_role("textbox", name="API key")).to_be_focused()
        assert not await overflows(page)
        await sign_in_again(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Gold")


async def test_by_keyboard(console: StoryConsole, page: Page) -> None:
    """The first stop skips the navigation, and Enter follows it; a dialog opens, holds the focus and closes."""
    await open_path(page, console.process, "/campaigns/gold")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#content")).to_be_focused()
    stop = page.get_by_role("button", name="Stop")
    await stop.focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("end as dropped: stopped")
    await expect(dialog.get_by_role("button", name="Do nothing")).to_be_focused()
    assert await find_serious(page, ".cc-dialog") == []
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)


async def test_orders_are_given_and_recorded(
    browser: Browser, environment: WorkflowEnvironment, tmp_path: Path, sqlite_url: str
) -> None:
    """Without a mouse: the right order is one button, then stop and resume; each is in the audit trail."""
    async with open_migrated_database(sqlite_url) as database:
        workspace = Workspace(database, environment)
        drafts = [external(), follow_on("nudge", PUSHED, delay={"after": "1 day"})]
        async with working(environment, settings := settings_for(workspace.name, sqlite_url, tmp_path)):
            context = build_context(settings, database)
            await save_definitions(context, OPERATOR, [parse_definition(one) for one in drafts])
            address = environment.client.service_client.config.target_host
            started = running_console(
                sqlite_url,
                tmp_path,
                CONNECTOR_WORKSPACE=workspace.name,
                CONNECTOR_API_KEYS=KEYS,
                TEMPORAL_ADDRESS=address,
                TEMPORAL_NAMESPACE=environment.client.namespace,
            )
            with environment.with_time_skipping_disabled():
                async with started as process, open_page(browser, process, key=KEY) as page:
                    await _order(page, process)
            found = await read_audit(context, AuditFilter(), 50)
    done = [
        (one["action"], one["subject"], one["actor"]["kind"], one["reason"])
        for one in found["entries"]
        if one["outcome"] == "requested"
    ]
    assert sorted(done) == sorted(
        [
            ("publish", "o", "console", None),
            ("stop", "nudge", "console", "wrong price"),
            ("resume", "nudge", "console", None),
        ]
    )


async def _order(page: Page, process: ConsoleProcess) -> None:
    await open_path(page, process, "/campaigns/o")
    await press(page.get_by_role("button", name="Publish 2 campaigns in this order"))
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("in this order: nudge, o")
    await press(dialog.get_by_role("button", name="Publish"))
    await expect(page.get_by_text("Revision 1, in effect since")).to_be_visible()
    await open_path(page, process, "/campaigns/nudge")
    await press(page.get_by_role("button", name="Stop"))
    await dialog.get_by_label("Reason").fill("wrong price")
    await press(dialog.get_by_role("button", name="Stop"))
    await press(page.get_by_role("button", name="Resume"))
    await press(dialog.get_by_role("button", name="Resume"))
    await expect(page.get_by_role("button", name="Stop")).to_be_visible()
