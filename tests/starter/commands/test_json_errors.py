"""With CONNECTOR_LOG_FORMAT=json whatever a command writes to standard error is JSON, whatever goes wrong."""

import json

import pytest

from starter import cli
from tests.support.api import Connector

pytestmark = pytest.mark.store_only("about settings and the data folder")


@pytest.fixture(autouse=True)
def _json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_LOG_FORMAT", "json")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("status", "--nonsense"), 2, "No such option: --nonsense"),
        (("nonsense",), 2, "No such command"),
        (("simulate",), 2, "Missing option"),
        (("status", "--data", "/nowhere"), 1, "there is no folder /nowhere"),
        (("worker", "--data", "/nowhere"), 1, "there is no folder /nowhere"),
    ],
)
def test_failed_command(connector: Connector, words: tuple[str, ...], code: int, text: str) -> None:
    """Wrong arguments and refusals: one object with the whole text, and the same exit codes as in text."""
    ended, _, said = connector(*words)
    assert ended == code
    [line] = [json.loads(line) for line in said.splitlines()]
    assert (line["event"], line["level"], line["logger"]) == ("command_failed", "error", "command")
    assert text in line["text"]


def test_wrong_setting(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings are refused in JSON too, though they name the format."""
    monkeypatch.setenv("CONNECTOR_SMTP_PORT", "mail")
    code, _, said = connector("status")
    assert (code, json.loads(said)["error"]) == (1, "SettingsWrong")


def test_defect(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback is one object with the type and the places, without the text of the error."""
    monkeypatch.setattr(cli, "load_command", lambda _: int("anna@example.com"))
    code, _, said = connector("status")
    line = json.loads(said)
    assert (code, line["event"], line["level"], line["error"]) == (1, "command_crashed", "critical", "ValueError")
    assert "anna" not in said


def test_help_and_results_are_text(connector: Connector) -> None:
    """Standard output is not the log."""
    assert connector("--help")[::2] == (0, "")
