"""`connector settings`: what holds, where it comes from, and no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Connector

pytestmark = pytest.mark.store_only("a command that calls no operation")

SECRET = "hunter2" * 8


def reported(output: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in json.loads(output)["settings"]}


def test_origins(connector: Connector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment, file, option, default, and the earlier name of a setting."""
    file = tmp_path / "password"
    file.write_text(SECRET)
    monkeypatch.setenv("CONNECTOR_SMTP_PORT", "25")
    monkeypatch.setenv("CONNECTOR_SMTP_PASSWORD_FILE", str(file))
    monkeypatch.setenv("CONNECTOR_SWEEP_SECONDS", "2")
    monkeypatch.delenv("CONNECTOR_DATA", raising=False)
    code, out, _ = connector("settings", "--json", "--data", str(tmp_path))
    assert code == 0
    found = {name: (one["value"], one["from"], one["given_by"]) for name, one in reported(out).items()}
    assert found["CONNECTOR_SMTP_PORT"] == (25, "environment", "CONNECTOR_SMTP_PORT")
    assert found["CONNECTOR_SMTP_PASSWORD"] == ("***", "file", f"CONNECTOR_SMTP_PASSWORD_FILE={file}")
    assert found["CONNECTOR_SWEEP_INTERVAL"] == ("2 seconds", "environment", "CONNECTOR_SWEEP_SECONDS")
    assert found["CONNECTOR_DATA"] == (str(tmp_path), "option", "--data")
    assert found["CONNECTOR_SMTP_TLS"] == ("starttls", "default", None)


def test_a_folder_of_the_environment(connector: Connector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CONNECTOR_DATA is no option, although `--data` has its value by default."""
    monkeypatch.setenv("CONNECTOR_DATA", str(tmp_path))
    assert reported(connector("settings", "--json")[1])["CONNECTOR_DATA"]["from"] == "environment"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://ada:{SECRET}@db.example:5432/c", "postgresql://ada:***@db.example:5432/c"),
        (
            f"postgresql://ada@db.example/c?password={SECRET}&sslmode=require",
            "postgresql://ada@db.example/c?sslmode=require",
        ),
        ("postgresql://db.example/c", "postgresql://db.example/c"),
        (f"no url {SECRET}", "***"),
    ],
)
def test_the_url_of_the_database(url: str, shown: str, connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, name and user are shown, passwords never."""
    monkeypatch.setenv("CONNECTOR_DATABASE_URL", url)
    assert reported(connector("settings", "--json")[1])["CONNECTOR_DATABASE_URL"]["value"] == shown


def test_no_secret_is_printed(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Table and JSON mask secrets, and show names, scopes and hosts beside them."""
    monkeypatch.setenv("CONNECTOR_API_KEYS", json.dumps([{"name": "deploy", "key": SECRET, "scopes": ["manage"]}]))
    monkeypatch.setenv("CONNECTOR_TRACKING_SECRETS", json.dumps([SECRET]))
    monkeypatch.setenv("CONNECTOR_TWILIO_API_URL", f"https://ada:{SECRET}@proxy.example")
    monkeypatch.setenv("TEMPORAL_API_KEY", SECRET)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal:7233")
    monkeypatch.setenv("TEMPORAL_ADRESS", "temporal:7233")
    for words in (("settings",), ("settings", "--json")):
        code, out, err = connector(*words)
        assert code == 0
        assert SECRET not in out + err
        assert "deploy" in out
        assert "temporal:7233" in out
        assert "TEMPORAL_ADRESS; did you mean TEMPORAL_ADDRESS?" in err


@pytest.mark.parametrize("words", [("settings",), ("status",), ("setup",), ("api",), ("worker",), ("keys", "list")])
def test_every_command_refuses(words: tuple[str, ...], connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelled variable and a wrong value, both at once, before anything is opened; a service logs them as JSON."""
    monkeypatch.setenv("CONNECTOR_SMPT_HOST", "mail")
    monkeypatch.setenv("CONNECTOR_RETENTION", "90")
    code, out, err = connector(*words)
    assert (code, out) == (1, "")
    lines = json.loads(err)["text"].splitlines() if words[0] in ("api", "worker") else err.splitlines()
    assert lines == [
        "CONNECTOR_RETENTION: '90' has no unit; write a duration like \"90 seconds\"",
        "CONNECTOR_SMPT_HOST is unknown; did you mean CONNECTOR_SMTP_HOST?",
    ]
