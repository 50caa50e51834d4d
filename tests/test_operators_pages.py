"""docs/production.md and docs/runbook.md name commands, options, settings and places that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from connector.store.engine.database import MAX_CONNECTIONS
from connector.temporal.client import SEARCH_ATTRIBUTES
from starter.cli import COMMANDS
from tests.support.repository import DOCS, ROOT

PAGES = ("production.md", "runbook.md")
OURS = {name for panel in COMMANDS.values() for name in panel}
TEMPORAL = shutil.which("temporal") or str(Path(sys.executable).with_name("temporal"))
TEMPORAL_VARIABLES = {
    "TEMPORAL_ADDRESS",
    "TEMPORAL_NAMESPACE",
    "TEMPORAL_API_KEY",
    "TEMPORAL_TLS",
    "TEMPORAL_TLS_CLIENT_CERT_PATH",
    "TEMPORAL_TLS_CLIENT_KEY_PATH",
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
}
"""Of docs.temporal.io/references/client-environment-configuration."""


def _page(name: str) -> str:
    return (DOCS / name).read_text()


def _commands(name: str, program: str) -> set[str]:
    """Return the commands of a program that a page shows as code."""
    text = _page(name)
    code = [*re.findall(r"`([^`\n]+)`", text), *"\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).split("\n")]
    return {line.partition("#")[0].strip() for line in code if re.match(rf"{program} [a-z]", line)}


@cache
def _help(*words: str) -> str:
    """Return the help of a command, which must exist."""
    done = subprocess.run([*words, "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, words
    return done.stdout + done.stderr


def _words(command: str) -> tuple[tuple[str, ...], set[str]]:
    """Return a command's words up to its first argument, and its options."""
    before = re.split(r" (?:-|'|\"|[A-Z]|…)", command)[0].split()
    without_texts = re.sub(r"'[^']*'|\"[^\"]*\"", "", command)
    return tuple(before[1:]), set(re.findall(r" (--?[a-z][a-z-]*)", without_texts))


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_the_connector(page: str) -> None:
    """Each is a command of the program."""
    unknown = {command for command in _commands(page, "connector") if _words(command)[0][0] not in OURS}
    assert unknown == set()


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_temporal(page: str) -> None:
    """Each is a command of the `temporal` program, with these options."""
    for command in _commands(page, "temporal"):
        words, options = _words(command)
        text = _help(TEMPORAL, *words)
        assert {option for option in options if f"{option} " not in text and f"{option}," not in text} == set(), command


@pytest.mark.parametrize("page", PAGES)
def test_settings(page: str) -> None:
    """Each variable is a setting, or one of Temporal's."""
    known = set(re.findall(r"`(CONNECTOR_[A-Z_]+)`", _page("settings.md")))
    assert set(re.findall(r"CONNECTOR_[A-Z_]*[A-Z]", _page(page))) - known == set()
    assert set(re.findall(r"TEMPORAL_[A-Z_]*[A-Z]", _page(page))) <= TEMPORAL_VARIABLES


@pytest.mark.parametrize("page", PAGES)
def test_links_to_sections(page: str) -> None:
    """Each link with an anchor leads to a heading."""
    dead = []
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", _page(page)):
        headings = re.findall(r"^#+ (.+)$", _page(target or page), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        if anchor not in anchors:
            dead.append(f"{target}#{anchor}")
    assert dead == []


def test_search_attributes() -> None:
    """The table and the command for Temporal Cloud have every search attribute with its type."""
    types = {"KEYWORD": "Keyword", "DATETIME": "Datetime"}
    expected = {key.name: types[key.indexed_value_type.name] for key in SEARCH_ATTRIBUTES}
    page = _page("production.md")
    assert dict(re.findall(r"^\| `(\w+)` \| (Keyword|Datetime) \|$", page, re.MULTILINE)) == expected
    assert dict(re.findall(r"--sa (\w+)=(\w+)", page)) == expected


def test_connections() -> None:
    """The number of connections of a process is the default of the setting."""
    assert f"at most `CONNECTOR_DATABASE_CONNECTIONS` ({MAX_CONNECTIONS}) connections" in _page("production.md")


def test_targets() -> None:
    """Each `make X` is a target."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {name for page in PAGES for name in re.findall(r"`make ([a-z]+)", _page(page))} <= targets
