"""The composer in a browser: the form and the YAML in step, faults where they are made, saving, and nothing lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from connector.app.context import AppContext, build_context
from connector.definitions import parse_yaml
from connector.rules.publishing.drafting import as_written
from connector.settings.application import Settings
from starter.operations.compose import open_definition, save_text
from starter.operations.drafts import save_definitions
from tests.support.actors import OPERATOR
from tests.support.api import NOWHERE
from tests.support.author_mistakes import TYPICAL, WELCOME, G, M
from tests.support.console import (
    NARROW,
    ConsoleProcess,
    Window,
    find_serious,
    open_path,
    open_window,
    overflows,
    running_console,
)
from tests.support.databases import migrate_database, open_migrated_database

expect.set_options(timeout=60_000)
pytestmark = pytest.mark.timeout(400)  # the machine may be far slower than the one that this was written on

EDITOR = ".cm-content"
IS_EXPLAINED = """([line, words]) =>
  document.querySelector(`.cm-content > .cm-line:nth-child(${line})`)?.matches(".is-fault, .is-warning") &&
  [...document.querySelectorAll(".cf-problem")].some(
    ({ firstElementChild: at, lastElementChild: said }) =>
      at.textContent === `Line ${line}` && said.textContent.includes(words))"""
"""Whether the line is marked, and the words are in the list with its number; the browser looks with each frame."""
FORM_MISTAKES = [
    ("2 Trigger", "Campaign", "welcom", "did you mean welcome"),
    ("3 Delay", "Time after the trigger", "soon", "is not a duration"),
    ("3 Delay", "The message is sent", "none", "without a delay"),
    ("3 Delay", "Until", "2027-01-01", "needs a time zone"),
]
"""The step, the field, what is put in there, and what is said at the field: a wrong id and time, a missing delay."""
CATALOGUE = """\
campaign: welcome
name: Welcome mail
delivery: {type: external}
messages:
  email: {subject: Hi, html: '<a data-alias="cta" href="https://shop.example/a">A</a>'}
  in_app_message: {title: T, body: B, buttons: [{id: explore, label: Look around}]}
---
campaign: reminder
name: Reminder
delivery:
  type: action_based
  trigger:
    - {interaction: open_email, campaign: welcome}
  delay: {after: 1 day}
audience: {any: [{all: [{attribute: tier, is: gold}, {attribute: age, at_least: 18}]}, {attribute: vip, is: true}]}
messages:
  push: {title: Still there?, body: "{{ user.first_name }}"}
  webhook: {url: https://shop.example/hook, headers: {X-One: "1"}, body: '{"id": "{{ user.id }}"}'}
"""


@dataclass(frozen=True)
class Desk:
    """A console in a process, and a context on the same database."""

    process: ConsoleProcess
    context: AppContext

    async def yaml(self, id: str) -> str:
        """Return the newest saved revision of a definition."""
        return str((await open_definition(self.context, id))["yaml"])


@pytest.fixture(scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    """A console on a catalogue with two campaigns, without sign-in as in `connector dev`."""
    folder = tmp_path_factory.mktemp("compose")
    url = f"sqlite+aiosqlite:///{folder / 'connector.db'}"
    await asyncio.to_thread(migrate_database, url)
    async with open_migrated_database(url) as database:
        context = build_context(Settings(), database)
        await save_definitions(context, OPERATOR, parse_yaml(CATALOGUE, file="catalogue.yaml").all)
        async with running_console(url, folder, CONNECTOR_DEV="1", TEMPORAL_ADDRESS=NOWHERE) as process:
            yield Desk(process, context)


@pytest.fixture(scope="module")
async def window(browser: Browser, desk: Desk) -> AsyncIterator[Window]:
    """A window for all pages, which has the scripts in its cache after the first one."""
    async with open_window(browser, desk.process) as opened:
        yield opened


@pytest.fixture
async def page(window: Window) -> AsyncIterator[Page]:
    """A page of its own, in which leaving is never held up."""
    async with window.page() as opened:
        opened.on("dialog", lambda dialog: dialog.accept())
        yield opened


async def open_settled(page: Page, desk: Desk, path: str) -> None:
    """Open the composer and wait until it has checked its text."""
    await open_path(page, desk.process, path)
    await expect(page.get_by_role("status").filter(has_text=re.compile("fault|saved"))).to_be_visible()


async def write_yaml(page: Page, text: str) -> None:
    """Replace the text of the editor as somebody who types."""
    await page.get_by_label("YAML of the definition").focus()
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text(text)


async def test_a_follow_on_is_composed_without_yaml(desk: Desk, page: Page) -> None:
    """Four steps, each shown in the YAML as it is filled in; suggestions, previews and the example follow."""
    await open_settled(page, desk, "/compose")
    text = page.locator(EDITOR)
    await page.get_by_label("Id", exact=True).fill("second-look")
    await page.get_by_label("Title").fill("Still thinking?")
    await page.get_by_label("Text", exact=True).fill("{{ user.first_name }}, 15% off")
    await expect(page.get_by_role("region", name="Preview: push")).to_contain_text("Ana, 15% off")
    await page.get_by_role("tab", name="2 Trigger").click()
    await expect(page.get_by_text("is not an id", exact=False).first).to_be_visible()
    await page.get_by_label("Campaign", exact=True).click()
    await page.get_by_role("group", name="Suggestions").get_by_role("button", name="welcome").click()
    await page.get_by_label("does what").focus()
    await page.get_by_label("does what").select_option("click_in_app_message_button")
    await expect(page.get_by_label("Which button")).to_be_visible()
    await expect(page.get_by_label("does what")).to_be_focused()  # though its section was built anew
    await page.get_by_label("Which button").click()
    await page.get_by_role("button", name="explore").click()
    await expect(text).to_contain_text("campaign: welcome, button: explore")
    await page.get_by_role("tab", name="3 Delay").click()
    await page.get_by_role("button", name="Add an exception").click()
    await page.get_by_label("Event", exact=True).fill("make_purchase")
    await page.get_by_label("Time after the trigger", exact=True).fill("3")
    await expect(page.get_by_role("img", name=re.compile("clicks a button.*sent on Friday"))).to_be_visible()
    await page.get_by_role("tab", name="4 Audience").click()
    await page.get_by_label("It is for").select_option("all")
    await page.get_by_label("Attribute").fill("tier")
    await page.get_by_label("Value").fill("gold")
    await page.get_by_label("Control group, per cent").fill("10")
    await expect(text).to_contain_text("control_group: 10")
    assert await find_serious(page) == []
    await page.get_by_role("button", name="Save draft").click()
    await expect(page.get_by_text("second-look: saved as revision 1.")).to_be_visible()
    await expect(page).to_have_url(re.compile("/compose/second-look$"))
    saved = as_written(parse_yaml(await desk.yaml("second-look"), file="saved").campaigns[0])
    assert saved["delivery"] == {
        "type": "action_based",
        "trigger": [{"interaction": "click_in_app_message_button", "campaign": "welcome", "button": "explore"}],
        "delay": {"after": "3 days"},
        "exceptions": [{"event": "make_purchase"}],
    }
    assert (saved["audience"], saved["control_group"]) == ({"attribute": "tier", "is": "gold"}, 10)


async def test_what_is_written_in_yaml_is_in_the_form_and_stays(desk: Desk, page: Page) -> None:
    """Comments, order and what the form cannot show stay; a fault leaves the form as it was and says its line."""
    await open_settled(page, desk, "/compose/reminder")
    written = (await desk.yaml("reminder")).replace("name: Reminder", "name: Ours  # for Ana")
    await write_yaml(page, written)
    name = page.get_by_label("Name", exact=True)
    await expect(name).to_have_value("Ours")
    await expect(page.get_by_text("Only in the YAML, and kept: headers")).to_be_visible()
    await write_yaml(page, written.replace("name: Ours", "name:\tOurs: “new”"))
    await expect(page.get_by_role("button", name=re.compile("Line 2"))).to_be_visible()
    await expect(page.get_by_role("button", name="Save draft")).to_be_disabled()
    assert await name.input_value() == "Ours"
    await name.fill("Theirs")
    await expect(page.get_by_text("cannot follow line 2", exact=False)).to_be_visible()
    await expect(name).to_have_value("Ours")
    await write_yaml(page, written)
    await expect(page.get_by_role("button", name="Save draft")).to_be_enabled()
    await name.fill("New: one")
    await expect(page.locator(EDITOR)).to_contain_text('name: "New: one"  # for Ana')
    await page.get_by_role("tab", name="4 Audience").click()
    await expect(page.get_by_text("A combination of conditions", exact=False)).to_be_visible()
    await page.get_by_role("button", name="Save draft").click()
    await expect(page.get_by_text("reminder: saved as revision 2.")).to_be_visible()
    [saved] = parse_yaml(await desk.yaml("reminder"), file="saved").campaigns
    [before] = parse_yaml(written, file="before").campaigns
    assert as_written(saved) == {**as_written(before), "name": "New: one"}


async def test_each_typical_mistake_is_explained_where_it_is_made(desk: Desk, page: Page) -> None:
    """In the YAML at its line, which is marked and in words beside it; what is made in the form, at its field too."""
    await open_settled(page, desk, "/compose")
    listed = page.get_by_role("list", name="Faults and warnings").get_by_role("button")
    for mistake in TYPICAL.values():
        await write_yaml(page, mistake.text)
        await page.wait_for_function(IS_EXPLAINED, arg=[mistake.line, mistake.words])
    await page.keyboard.press("Escape")
    await page.keyboard.press("Tab")
    await expect(listed.first).to_be_focused()  # Tab alone indents: Escape lets people out of the editor
    await write_yaml(page, G.removeprefix(WELCOME) + "  exceptions: [{event: make_purchase}]\n" + M)
    await expect(listed).to_have_count(0)
    for step, label, value, words in FORM_MISTAKES:
        await page.get_by_role("tab", name=re.compile(rf"^{step}")).click()
        field = page.get_by_label(label, exact=True)
        is_choice = await field.evaluate("field => field.tagName === 'SELECT'")
        await (field.select_option(value) if is_choice else field.fill(value))
        await expect(field).to_have_accessible_description(re.compile(words))
        await expect(page.get_by_role("tab", name=re.compile(rf"^{step}.*\(\d+\)"))).to_be_visible()


async def test_nobody_saves_over_another_unseen(desk: Desk, page: Page) -> None:
    """Who saves second sees the differences and decides; both texts are there until then."""
    await open_settled(page, desk, "/compose/welcome")
    base = (await open_definition(desk.context, "welcome"))["revision"]
    theirs = (await desk.yaml("welcome")).replace("Welcome mail", "Theirs")
    await save_text(desk.context, OPERATOR, theirs, bases={"welcome": base})
    await page.get_by_label("Name", exact=True).fill("Mine")
    await page.get_by_role("button", name="Save draft").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("-name: Theirs")
    await expect(dialog).to_contain_text("+name: Mine")
    await dialog.get_by_role("button", name="Save mine as the newest").click()
    await expect(page.get_by_text(f"welcome: saved as revision {base + 2}.")).to_be_visible()
    assert "name: Mine" in await desk.yaml("welcome")


async def test_what_was_not_saved_outlives_a_reload(desk: Desk, page: Page) -> None:
    """The tab has it again, says so, and lets it go."""
    await open_settled(page, desk, "/compose?kind=card")
    await page.get_by_label("Title").fill("Spring")
    await expect(page.locator(EDITOR)).to_contain_text("title: Spring")
    await page.wait_for_function("window.composeChanged === true")
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.type))
    await page.reload()
    assert asked == ["beforeunload"]
    await expect(page.get_by_text("not saved is here again", exact=False)).to_be_visible()
    await expect(page.get_by_label("Title")).to_have_value("Spring")
    await page.get_by_role("button", name="Give it up").click()
    await expect(page.get_by_label("Title")).to_have_value("")


async def test_a_text_goes_out_and_comes_in_as_a_file(desk: Desk, page: Page, tmp_path: Path) -> None:
    """A file with two definitions is read, the form shows the one that is chosen, and what goes out is the text."""
    await open_settled(page, desk, "/compose?kind=external")
    file = tmp_path / "two.yaml"
    text = "# ours\ncampaign: one\ndelivery: {type: external}\n---\ncard: two\ntitle: T\nbody: B\n"
    await asyncio.to_thread(file.write_text, text)
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Read a file").click()
    await (await chooser.value).set_files(file)
    await expect(page.get_by_label("Id", exact=True)).to_have_value("one")
    await page.get_by_label("Definition in the form").select_option("1")
    await page.get_by_label("Title").fill("Tomorrow")
    await expect(page.locator(EDITOR)).to_contain_text("title: Tomorrow")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Take out as a file").click()
    taken = await (await download.value).path()
    assert await asyncio.to_thread(taken.read_text) == text.replace("title: T\n", "title: Tomorrow\n")


async def test_the_composer_fits_a_phone_in_the_dark(desk: Desk, page: Page) -> None:
    """390 pixels wide, the YAML behind a switch, without serious findings of axe."""
    await page.set_viewport_size({"width": NARROW, "height": 900})
    await page.emulate_media(color_scheme="dark")
    await open_path(page, desk.process, "/compose/reminder")
    await page.wait_for_function("document.body.classList.contains('body--dark')")
    await expect(page.get_by_role("region", name="Preview: push")).to_contain_text("Ana")
    assert not await overflows(page)
    assert await find_serious(page) == []
    await page.get_by_role("button", name="YAML", exact=True).click()
    await expect(page.locator(EDITOR)).to_be_visible()
    assert not await overflows(page)
    assert await find_serious(page) == []
