"""`connector doctor`: every check with its way out, as a table and as JSON, also while everything is down."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from connector.health.checks import CheckName
from tests.support.api import Connector


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("CONNECTOR_DATABASE_URL", "postgresql://app:s3cret@127.0.0.1:1/shop")


def test_everything_is_down(connector: Connector) -> None:
    """Each check has a line; the database's and Temporal's have the way out, the others say what they wait for."""
    code, out, err = connector("doctor")
    assert (code, err) == (1, "")
    lines = dict(re.findall(r"^(\w+) +(?:failed|unknown|ok) +(.*)$", out, re.MULTILINE))
    assert list(lines) == list(CheckName)
    assert "nothing listens at this address: start PostgreSQL" in lines["database"]
    assert "[127.0.0.1:1/shop: Connection refused]" in lines["database"]
    assert "nothing listens there: start its server" in lines["temporal"]
    assert lines["worker"] == "it cannot be checked because of `temporal`"
    assert "s3cret" not in out


def test_json(connector: Connector) -> None:
    """The same for programs: one object, and the same exit code."""
    code, out, err = connector("doctor", "--json")
    found = json.loads(out)
    assert (code, err, found["status"]) == (1, "", "not_ready")
    assert [check["name"] for check in found["checks"]] == list(CheckName)
    assert set(found["checks"][0]) == {"name", "status", "problem", "detail"}


def test_a_missing_folder(connector: Connector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing folder fails the check of the database, and `doctor` does not create it."""
    monkeypatch.delenv("CONNECTOR_DATABASE_URL")
    code, out, _ = connector("doctor", "--data", str(tmp_path / "nowhere"))
    assert code == 1
    assert "begin with `connector dev` or `connector setup`" in out
    assert not (tmp_path / "nowhere").exists()
