"""CONNECTOR_API_URL at the command line: which commands call the API, and what a wrong address or key says."""

from __future__ import annotations

from pathlib import Path

import pytest

from starter.commands.places import REFUSED
from tests.support.api import NOWHERE, Connector

pytestmark = pytest.mark.store_only("it sets the address itself")


@pytest.mark.parametrize("command", [*REFUSED])
def test_commands_that_call_no_api(connector: Connector, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They say why instead of working on the wrong database; their help can be read."""
    monkeypatch.setenv("CONNECTOR_API_URL", f"http://{NOWHERE}")
    monkeypatch.setenv("CONNECTOR_LOG_FORMAT", "pretty")
    code, out, err = connector(command)
    assert (code, out) == (1, "")
    assert err.startswith(f"`connector {command}` does not call CONNECTOR_API_URL: ")
    assert connector(command, "--help")[0] == 0


def test_an_api_that_is_away(connector: Connector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The address stands in the error; nothing falls back to the store, nor makes a data folder."""
    monkeypatch.setenv("CONNECTOR_API_URL", f"http://{NOWHERE}")
    code, out, err = connector("status", "--data", str(tmp_path / "new"))
    assert (code, out) == (1, "")
    assert err.startswith(f"the API at http://{NOWHERE} cannot be reached: ")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "url", ["connector.shop.example", "ftp://shop.example", "https://key@shop.example", "https://"]
)
def test_a_wrong_address(connector: Connector, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """What is no address of an API is a wrong setting."""
    monkeypatch.setenv("CONNECTOR_API_URL", url)
    code, _, err = connector("status")
    assert (code, "CONNECTOR_API_URL" in err) == (1, True)


def test_a_key_without_an_address(connector: Connector, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who has a key means an API, not the database of this machine."""
    key = "ck_a-secret-of-thirty-two-characters"
    monkeypatch.setenv("CONNECTOR_API_KEY", key)
    code, _, err = connector("status")
    assert (
        code,
        "CONNECTOR_API_KEY needs CONNECTOR_API_URL" in err,
        key in err,
    ) == (1, True, False)
