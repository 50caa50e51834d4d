"""The operations of the composer: open, check, find targets, save, and notice that somebody else saved."""

from typing import Any

import pytest
import yaml

from connector.app.context import AppContext
from connector.rules.model.errors import DefinitionError, DraftConflict, OrderRefused
from connector.store.audit import AuditFilter
from starter.operations.audit import read_audit
from starter.operations.compose import (
    MAX_CHARACTERS,
    check_text,
    open_definition,
    read_target,
    save_text,
    search_targets,
)
from starter.operations.errors import NotKnown
from tests.support.actors import OPERATOR
from tests.support.installation import Installation

WELCOME = """\
campaign: welcome
name: Welcome mail
delivery: {type: external}
messages:
  email: {subject: Hi, html: '<a data-alias="cta" href="https://shop.example/a">A</a>'}
  push: {title: T, body: B, buttons: [yes, {id: later}]}
"""
NUDGE = """\
campaign: nudge
delivery:
  type: action_based
  trigger:
    - {interaction: click_email_alias, campaign: welcome, alias: cta}
messages:
  push: {title: T, body: B}
"""


async def save(context: AppContext, text: str, **bases: int) -> list[dict[str, Any]]:
    """Save a text that was opened at these revisions."""
    return (await save_text(context, OPERATOR, text, bases=bases))["saved"]


async def test_a_definition_is_opened_as_it_was_saved(context: AppContext) -> None:
    """The YAML of the newest revision says what was saved, and saving it again changes nothing."""
    await save(context, WELCOME)
    opened = await open_definition(context, "welcome")
    assert (opened["revision"], opened["kind"], opened["state"]) == (1, "campaign", "draft")
    assert (await save(context, opened["yaml"], welcome=1))[0] == {
        "id": "welcome",
        "revision": 1,
        "change": "unchanged",
    }
    with pytest.raises(NotKnown, match="nothing-like-it"):
        await open_definition(context, "nothing-like-it")


async def test_nobody_overwrites_what_another_has_saved(context: AppContext) -> None:
    """The second of two who began from one revision gets an error that says so, and nothing of theirs is saved."""
    await save(context, WELCOME)
    await save(context, WELCOME.replace("Welcome mail", "First"), welcome=1)
    mine = WELCOME.replace("Welcome mail", "Second")
    with pytest.raises(DraftConflict, match="newest revision is 2, yours began from 1") as conflict:
        await save(context, mine, welcome=1)
    assert conflict.value.found == {"welcome": 2}
    assert "First" in (await open_definition(context, "welcome"))["yaml"]
    assert (await save(context, mine, welcome=2))[0]["revision"] == 3


async def test_a_new_definition_does_not_take_an_id_that_is_there(context: AppContext) -> None:
    """Who composes a new campaign under a known id learns of it instead of editing the other one."""
    await save(context, WELCOME)
    with pytest.raises(DraftConflict, match="welcome exists already"):
        await save(context, WELCOME.replace("Welcome mail", "Another"))


async def test_saving_is_audited_and_refused_as_apply_is(context: AppContext) -> None:
    """One entry per change with its revision; faults and settings of the workspace are refused."""
    await save(context, WELCOME)
    entries = (await read_audit(context, AuditFilter(), 10))["entries"]
    assert [(one["action"], one["subject"]) for one in entries] == [("apply", "welcome")]
    with pytest.raises(DefinitionError, match="is missing"):
        await save(context, "campaign: a\n")
    with pytest.raises(DefinitionError, match="take effect at once"):
        await save(context, "workspace: default\nzone: Europe/Berlin\n")
    with pytest.raises(DefinitionError, match="is empty"):
        await save(context, "# only a comment\n")
    with pytest.raises(OrderRefused, match="welcome is a campaign already"):
        await save(context, "card: welcome\ntitle: T\nbody: B\n", welcome=1)


@pytest.mark.parametrize(
    ("replace", "by", "key", "words"),
    [
        ("campaign: welcome", "campaign: welcom", "delivery.trigger[0].campaign", "did you mean welcome?"),
        ("alias: cta", "alias: ctaa", "delivery.trigger[0].alias", "did you mean cta?"),
        (", alias: cta", "", "delivery.trigger[0]", "must name its alias"),
        ("messages:", "  exceptions: [{event: buy}]\nmessages:", "delivery.exceptions", "delay"),
        ("push: {title: T, body: B}", "push: {title: T, body: '{{ user.first_name'}", "messages.push.body", "line 1"),
    ],
)
async def test_a_text_is_checked_against_the_catalogue(
    context: AppContext, replace: str, by: str, key: str, words: str
) -> None:
    """Faults, and what publishing would refuse, with the key at which the form shows them and the line."""
    await save(context, WELCOME)
    assert await check_text(context, NUDGE) == {"faults": [], "refusals": [], "warnings": []}
    checked = await check_text(context, NUDGE.replace(replace, by))
    found = [*checked["faults"], *checked["refusals"]]
    assert [(one["key"], words in one["problem"]) for one in found] == [(key, True)]
    assert 4 <= found[0]["line"] <= 7


async def test_a_cycle_is_shown_while_it_is_written(context: AppContext) -> None:
    """A cycle is shown at its trigger if the text has that, at the text's beginning if it is a live campaign's."""
    nudge = NUDGE.replace("click_email_alias, campaign: welcome, alias: cta", "receive_push, campaign: other")
    nudge = nudge.replace("delivery:\n", "delivery:\n  eligible_again: always\n")
    other = nudge.replace("other", "xx").replace("nudge", "other").replace("xx", "nudge")
    [found] = (await check_text(context, f"{nudge}---\n{other}"))["refusals"]
    assert (found["id"], found["key"], found["line"]) == ("nudge", "delivery.trigger[0].campaign", 6)
    assert "is a cycle of follow-ons" in found["problem"]
    await Installation(context.database).publish({"campaign": "other", "delivery": {"type": "external"}})
    await Installation(context.database).publish(*yaml.safe_load_all(nudge))
    [found] = (await check_text(context, other))["refusals"]
    assert (found["id"], found["key"], found["line"]) == ("nudge", "", 1)


async def test_a_text_that_is_too_long_is_not_read(context: AppContext) -> None:
    """Such a text is neither checked nor saved, with a fault that names the limit."""
    text = "#" * (MAX_CHARACTERS + 1)
    [fault] = (await check_text(context, text))["faults"]
    assert "at most 1,000,000" in fault["problem"]
    with pytest.raises(DefinitionError, match="at most 1,000,000"):
        await save(context, text)


async def test_targets_are_found_with_what_conditions_can_name(context: AppContext) -> None:
    """By parts of the id and of the name, with buttons, aliases and links of the messages."""
    await save(context, f"{WELCOME}---\n{NUDGE}---\ncard: welcome-card\ntitle: Hello\nbody: B\n")
    assert [one["id"] for one in (await search_targets(context, "wel"))["targets"]] == ["welcome", "welcome-card"]
    assert [one["id"] for one in (await search_targets(context, "MAIL welcome"))["targets"]] == ["welcome"]
    assert (await search_targets(context, "", limit=1))["has_more"]
    target = await read_target(context, "welcome")
    assert target["parts"] == {
        "channels": ("email", "push"),
        "push_buttons": ("later", "yes"),
        "in_app_buttons": (),
        "aliases": ("cta",),
        "urls": ("https://shop.example/a",),
        "pages": (),
        "conversions": (),
    }
    assert (await read_target(context, "welcome-card"))["kind"] == "card"
