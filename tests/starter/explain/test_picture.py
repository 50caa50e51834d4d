"""`explain --svg`: a user's interactions, waits, exceptions, sends and refusals as a picture, escaped and readable."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from connector.app.context import AppContext
from connector.rules.model.users import User
from connector.simulation.pictures import NotDrawable
from connector.store.engine.database import Database, database_now
from connector.store.users.descriptions import save_user
from starter.explain.explain import explain_decisions
from starter.explain.picture import draw_explanation
from starter.operations.user_logs import read_user_log
from tests.support.api import Connector
from tests.support.builders import BOUGHT, ORIGINAL, PUSHED, buy, follow_on, opened, push
from tests.support.installation import Installation

MARKUP = "<script>alert(1)</script>&\x07\x1b[31m"
WAITS = follow_on("cart-reminder", PUSHED, delay={"after": "40 days"}, exceptions=[BOUGHT], key="properties.sku")
GOLD = follow_on("for-gold", PUSHED, audience={"attribute": "tier", "is": "gold"})
SVG = "{http://www.w3.org/2000/svg}"


async def draw(context: AppContext, user: str, campaign: str | None = None) -> str:
    log = await read_user_log(context, user, "30 days")
    return draw_explanation(await explain_decisions(context, user, campaign), log)


def texts_of(drawn: str) -> list[str]:
    """Return the texts of a picture, which must be XML without scripts."""
    root = ElementTree.fromstring(drawn)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "style", "rect", "line", "circle", "text"
    }  # fmt: skip
    return [element.text or "" for element in root.iter(f"{SVG}text")]


async def fill(database: Database, user: str) -> None:
    """A user with a wait, an exception, a refusal and two other interactions."""
    installation = Installation(database)
    await installation.publish(ORIGINAL, WAITS, GOLD)
    async with database.write("default") as tx:
        await save_user(tx, User(id=user, push_tokens=("p",)), await database_now(tx))
    for item in (
        push("e1", 0, user, sku="A"),
        buy("e2", 20, user, product=MARKUP),
        push("e3", 30, user, sku=MARKUP),
        opened("e4", 35, user),
    ):
        await installation.ingest(item)


async def test_what_the_picture_shows(context: AppContext, sqlite_database: Database) -> None:
    """Every interaction once, a lane for each campaign and key with its end; light and dark."""
    await fill(sqlite_database, "ann")
    drawn = await draw(context, "ann")
    texts = texts_of(drawn)
    assert {"ann", "all interactions", "cart-reminder", "key A", "for-gold"} <= set(texts)
    assert any(text.startswith("excepted ") for text in texts)
    assert "waiting" in texts
    assert sum("not_in_audience" in text for text in texts) == 2
    assert "open_push of o" in texts
    assert "prefers-color-scheme: dark" in drawn
    only = texts_of(await draw(context, "ann", "for-gold"))
    assert "cart-reminder" not in only


async def test_texts_of_users_are_escaped(context: AppContext, sqlite_database: Database) -> None:
    """Ids, keys and properties full of markup and control characters stay texts."""
    await fill(sqlite_database, MARKUP)
    drawn = await draw(context, MARKUP)
    assert any(text.startswith("<script>alert(1)") for text in texts_of(drawn))
    assert "<script" not in drawn
    assert not any(character in drawn for character in "\x07\x1b")


async def test_nothing_to_draw(context: AppContext, sqlite_database: Database) -> None:
    """A user who did nothing has no picture, and the answer says so."""
    async with sqlite_database.write("default") as tx:
        await save_user(tx, User(id="u"), await database_now(tx))
    with pytest.raises(NotDrawable, match="nothing to draw"):
        await draw(context, "u")


def test_at_the_command_line(connector: Connector, data: Path, tmp_path: Path) -> None:
    """The file is written, and standard error says where; without a user the words are wrong."""
    picture = tmp_path / "u.svg"
    connector("interact", "--user", "u", "--type", "start_session")
    code, out, err = connector("explain", "u", "--svg", str(picture))
    assert (code, out) == (0, "")
    assert str(picture) in err
    assert "start_session" in texts_of(picture.read_text())
    assert connector("explain", "--follow-up", "x", "--svg", str(picture))[0] == 2
