"""`connector resolve` and `resend`, and actions by filter: what they print, and with which exit code they end."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from connector.channels.protocol import OutcomeUnknown, Rejected
from connector.store.engine.database import Database
from tests.support.api import Connector
from tests.support.builders import ABANDONED, push
from tests.support.installation import Installation
from tests.support.repair_desk import RepairDesk


@pytest.mark.parametrize(
    "words",
    [
        ["resolve"],
        ["resolve", "f", "--note", "n"],
        ["resolve", "f", "--sent"],
        ["resolve", "f", "--sent", "--note", "x" * 201],
        ["resolve", "--campaign", "c", "--note", "n"],
        ["resolve", "--campaign", "c", "--sent"],
        ["resolve", "--sent", "--note", "n"],
        ["resolve", "f", "--campaign", "c", "--sent", "--note", "n"],
        ["resolve", "f", "--sent", "--note", "n", "--dry-run"],
        ["resend"],
        ["resend", "f", "--campaign", "c"],
        ["cancel", "f", "--campaign", "c"],
        ["cancel", "f", "--dry-run"],
        ["postpone", "--campaign", "c"],
        ["send-now", "--since", "yesterday", "--campaign", "c"],
    ],
)
@pytest.mark.store_only("it calls no operation")
def test_wrong_words(connector: Connector, words: list[str]) -> None:
    """Exit code 2, with the fault on standard error and nothing on standard output."""
    code, out, err = connector(*words)
    assert (code, out) == (2, "")
    assert err


async def test_repair_at_the_command_line(connector: Connector, data: Path, sqlite_database: Database) -> None:
    """Settled, refused in one sentence, previewed, sent again, cancelled by filter: over the store alone."""
    desk = RepairDesk(Installation(sqlite_database))
    await desk.open(ABANDONED)
    await desk.attempt("push", OutcomeUnknown("timeout"))
    await desk.installation.ingest(push("e2", 1, "v"))
    id = (await desk.row()).id

    async def run(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(connector, *words)

    code, out, err = await run("resend", id)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"connector resolve {id} --not-sent" in err
    note = ("--note", "they have no such message")
    many = ("resolve", "--campaign", "f", "--not-sent", *note)
    assert (await run(*many, "--dry-run"))[1].splitlines() == ["1 would be settled", f"for example {id}"]
    settled = _summary(await run(*many, "--json"))
    assert (settled["action"], settled["done"], settled["refused"]) == ("resolve", 1, {})
    assert (await run(*many))[1] == "0 settled\n"
    assert "nothing has changed" in (await run("resolve", id, "--not-sent", *note))[1]
    assert (await run("resolve", id, "--sent", *note))[0] == 1
    assert (await run("resend", id, "--dry-run"))[1] == f"{id}: would be sent again on push\n"
    previewed = _summary(await run("resend", "--campaign", "f", "--dry-run", "--json"))
    assert (previewed["done"], previewed["sample"], previewed["dry_run"]) == (1, [id], True)
    assert (await run("resend", id))[1] == f"{id}: is sent again on push\n"
    assert (await run("resend", id))[1] == f"{id}: is being sent again already\n"
    cancelled = _summary(await run("cancel", "--campaign", "f", "--yes", "--note", "wrong price", "--json"))
    assert (cancelled["done"], cancelled["refused"]) == (2, {})
    assert (await run("cancel", "--campaign", "f"))[1] == "0 cancelled\n"
    assert {row.reason for row in await desk.installation.rows()} == {"cancelled_by_operator"}
    code, out, err = await run("cancel", "--campaign", "f", "--state", "sent")
    assert (code, out) == (1, "")
    assert "has ended" in err


_EMAIL = {"subject": "Hi", "text": "there", "from": "a@b.example"}


async def test_a_bulk_resend_lists_what_is_left_out(
    connector: Connector, data: Path, sqlite_database: Database
) -> None:
    """The channel that a rule forbids now, with its reason, in words and in JSON; the other one is sent again."""
    desk = RepairDesk(Installation(sqlite_database))
    await desk.open({**ABANDONED, "messages": {**ABANDONED["messages"], "email": _EMAIL}})
    for channel in ("push", "email"):
        await desk.attempt(channel, Rejected("http_400", "no"))
    await desk.describe("u", consent={"email": "unsubscribed"})
    id = (await desk.row()).id
    words = ("resend", "--campaign", "f", "--dry-run")
    code, out, _ = await asyncio.to_thread(connector, *words)
    assert (code, out.splitlines()) == (
        0,
        ["1 would be sent again", f"for example {id}", f"1 not on email: no_consent (for example {id})"],
    )
    summary = _summary(await asyncio.to_thread(connector, *words, "--json"))
    assert (summary["done"], summary["left_out"]) == (1, {"email": {"no_consent": 1}})


def _summary(result: tuple[int, str, str]) -> dict[str, Any]:
    code, out, _ = result
    assert code == 0
    summary: dict[str, Any] = json.loads(out)
    return summary
