"""No value from users, services or files makes a terminal do anything: it is escaped wherever it is printed."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import structlog

from connector.app.logs import configure_logs
from connector.channels.console import ConsoleChannel
from connector.channels.protocol import Address, OutgoingMessage
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.printable import escape_line
from starter.terminal import format_table
from tests.support.api import NOWHERE
from tests.support.repository import ROOT
from tests.support.terminals import DANGEROUS, DEFINITIONS, EVIL, dangerous

SHOWN = "x\\u001b]0;owned\\u0007\\u001b[31m\\u009b2J\\u202egnp.exe\\u2066\\u200b\\ufeff\\u007f\\r\\nfake: line"


def run(folder: Path, *words: str, code: int = 0) -> str:
    """Run a real command with this data folder; return what it printed, which must be harmless."""
    ended = subprocess.run(
        [sys.executable, "-m", "starter.cli", *words],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "CONNECTOR_DATA": str(folder), "TEMPORAL_ADDRESS": NOWHERE, "PYTHONUTF8": "1"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    printed = (ended.stdout + ended.stderr).decode()
    assert ended.returncode == code, printed
    assert not dangerous(printed), repr(printed)
    assert "\nfake: line" not in printed
    return printed


def test_every_character_that_a_terminal_obeys_or_hides_is_escaped() -> None:
    """All of Unicode's controls, formats, separators and surrogates, as JSON escapes them; no other text changes."""
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        shown = escape_line(character)
        if unicodedata.category(character) in DANGEROUS:
            assert shown.startswith("\\"), hex(code)
            assert json.loads(f'"{shown}"') == character
        elif shown != character and unicodedata.category(character) != "Cn":  # the range has one that is not assigned
            assert character in "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
    assert escape_line("Grüße, 日本, مرحبا, 👍🏽") == "Grüße, 日本, مرحبا, 👍🏽"


def test_tables_and_faults() -> None:
    """A line break in a value begins no row and no fault of its own."""
    assert format_table(("user",), [(EVIL,)]).count("\n") == 1
    error = DefinitionError([Fault(f"messages.{EVIL}", "unknown key", f"{EVIL}.yaml", 3)])
    assert str(error) == f"{SHOWN}.yaml:3: messages.{SHOWN}: unknown key"


def test_commands_escape_what_users_and_services_supply(sqlite_url: str, tmp_path: Path) -> None:
    """Ids, properties and reasons in `interact`, `explain`, `status` and `audit`, in words and in JSON."""
    (tmp_path / "c.yaml").write_text(DEFINITIONS)
    run(tmp_path, "apply", str(tmp_path / "c.yaml"), "--reason", "because " + EVIL.replace("\r\n", " "))
    item = {"id": f"e-{EVIL}", "user": EVIL, "type": "event", "name": EVIL, "occurred_at": "2026-11-28T00:00:00Z",
            "properties": {EVIL: EVIL}}  # fmt: skip
    (tmp_path / "i.jsonl").write_text(json.dumps(item) + "\n" + json.dumps(item | {"type": EVIL}) + "\n")
    run(tmp_path, "interact", "--file", str(tmp_path / "i.jsonl"), code=1)
    assert SHOWN in run(tmp_path, "explain", EVIL)
    in_json = run(tmp_path, "explain", EVIL, "--json")
    assert json.loads(in_json)["user"] == EVIL
    run(tmp_path, "explain", "unknown" + EVIL, code=1)
    run(tmp_path, "explain", EVIL, "--campaign", EVIL, code=1)
    run(tmp_path, "status", EVIL, code=1)
    run(tmp_path, "status", "--" + EVIL, code=2)
    run(tmp_path, EVIL, code=2)
    run(tmp_path, "audit")
    run(tmp_path, "audit", "--json")


@pytest.mark.parametrize(
    "text",
    [
        '"{EVIL}": 1',
        'campaign: "{EVIL}"',
        'campaign: o\n"{EVIL}": 1\ndelivery: {type: external}',
        'campaign: o\ndelivery: {type: "{EVIL}"}',
        'campaign: o\ndelivery: {type: external}\naudience: {attribute: a, "{EVIL}": 1}',
        'campaign: o\ndelivery: {type: external}\nmessages: {sms: {body: "{{ {EVIL} }}"}}',
        'campaign: o\ndelivery: {type: external}\nmessages: {webhook: {url: "x", headers: {"{EVIL}": "{{ a"}}}',
        'a: !<"{EVIL}"> b',
        "a: &\x1b[31m b",
    ],
)  # fmt: skip
def test_faults_of_definitions(tmp_path: Path, text: str) -> None:
    """Keys, values, templates and tags of a file that somebody else wrote are quoted, and do nothing."""
    (tmp_path / "c.yaml").write_text(text.replace("{EVIL}", json.dumps(EVIL)[1:-1]))
    assert "c.yaml" in run(tmp_path, "plan", str(tmp_path / "c.yaml"), code=1)


def test_simulate_escapes_its_timeline(tmp_path: Path) -> None:
    """The users and keys of a timeline, in words, in JSON and in errors."""
    (tmp_path / "c.yaml").write_text(DEFINITIONS)
    at = "2026-03-02T09:00:00Z"
    push = {"id": f"e-{EVIL}", "user": EVIL, "type": "receive_push", "campaign": "o"}
    lines = [
        {"at": at, "publish": ["o", "f"]},
        {"at": at, "user": {"id": EVIL, "push_tokens": ["t"]}},
        {"at": at, "interaction": push},
    ]
    timeline = tmp_path / "t.jsonl"
    timeline.write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ("simulate", "--campaigns", str(tmp_path / "c.yaml"), "--timeline", str(timeline))
    assert SHOWN in run(tmp_path, *words)
    assert json.loads(run(tmp_path, *words, "--json"))["user"] == EVIL
    timeline.write_text(json.dumps({"at": at, EVIL: 1}) + "\n")
    run(tmp_path, *words, code=1)


@pytest.mark.parametrize("chosen", ["pretty", "json"])
@pytest.mark.usefixtures("logging_restored")
def test_logs_and_the_console_channel(chosen: Any) -> None:
    """A message that is printed for a developer, and an error with a value in its text."""
    stream = io.StringIO()
    configure_logs(chosen, stream=stream)
    content = {"title": EVIL, "body": EVIL, "url": EVIL}
    asyncio.run(ConsoleChannel().send(OutgoingMessage("d", EVIL, "push", Address(EVIL), content)))
    try:
        raise ValueError(EVIL)
    except ValueError:
        structlog.get_logger("x").exception(EVIL, value=EVIL, values=[EVIL])
    assert not dangerous(stream.getvalue())
    assert "\nfake: line" not in stream.getvalue().partition("Traceback")[0]
