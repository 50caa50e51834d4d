"""The command line of the codec server: what it refuses to start with."""

import json
from pathlib import Path

import pytest

from tests.support.api import Connector
from tests.support.payloads import NEW

pytestmark = pytest.mark.store_only("a command that calls no operation")

RING = json.dumps([{"id": NEW.id, "key": NEW.key.get_secret_value()}])


def test_without_codec_keys(connector: Connector, data: Path) -> None:
    """There is nothing to decrypt."""
    code, _, err = connector("codec-server", "--port", "0")
    assert code == 1
    assert "CONNECTOR_CODEC_KEYS" in err


@pytest.mark.parametrize("origin", ["*", "https://*.example", "https://temporal.example/", "temporal.example", "null"])
def test_origins_are_exact(connector: Connector, data: Path, origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the option and by the setting: with `*` every page could read payloads by the browser's credentials."""
    monkeypatch.setenv("CONNECTOR_CODEC_KEYS", RING)
    code, _, err = connector("codec-server", "--port", "0", "--origin", origin)
    assert code == 2
    assert "is not an origin" in err
    monkeypatch.setenv("CONNECTOR_CODEC_ORIGINS", json.dumps([origin]))
    code, _, err = connector("codec-server", "--port", "0")
    assert code == 1
    assert "CONNECTOR_CODEC_ORIGINS" in err


def test_a_key_is_needed_even_in_development(connector: Connector, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`connector dev` on loopback needs no key for the API; clear text always does."""
    monkeypatch.setenv("CONNECTOR_CODEC_KEYS", RING)
    monkeypatch.setenv("CONNECTOR_DEV", "1")
    code, _, err = connector("codec-server", "--port", "0")
    assert code == 1
    assert "connector keys create" in err
