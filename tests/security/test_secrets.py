"""Secrets of the installation, attacked: guessable ones, keys that grant too much, and processes that need none."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.api import NOWHERE
from tests.support.dev_process import DevProcess
from tests.support.repository import ROOT

MARKER = "marked-secret-" + "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CONNECTOR_WEBHOOK_SECRET", "whsec_QQ=="),
        ("CONNECTOR_WEBHOOK_SECRETS", '["whsec_QQ=="]'),
        ("CONNECTOR_TWILIO_AUTH_TOKEN", "t"),
        ("CONNECTOR_API_KEYS", '["k"]'),
        ("CONNECTOR_API_KEYS", f'["{MARKER}"]'),
    ],
)
@pytest.mark.parametrize("command", ["worker", "api"])
def test_a_guessable_secret_stops_the_start(command: str, variable: str, value: str, tmp_path: Path) -> None:
    """Secrets of one byte, and keys that would grant everything without saying so; the value is not printed."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("CONNECTOR_")}
    ended = subprocess.run(
        [sys.executable, "-m", "starter.cli", command, "--data", str(tmp_path)],
        cwd=ROOT, env=kept | {variable: value, "TEMPORAL_ADDRESS": NOWHERE}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.returncode == 1
    assert variable in ended.stderr
    assert MARKER not in ended.stderr


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads /proc")
async def test_the_temporal_server_has_no_secret(tmp_path: Path) -> None:
    """The server of `connector dev`, which a page of its UI or a flaw of it could make talk, has no secret to tell."""
    dev = DevProcess(tmp_path)
    file = tmp_path / "keys.json"
    file.write_text(json.dumps([{"name": "all", "key": MARKER, "scopes": ["read"]}]))
    dev.environment |= {
        "CONNECTOR_API_KEYS_FILE": str(file),
        "CONNECTOR_SMTP_PASSWORD": MARKER,
        "CONNECTOR_TRACKING_SECRETS": f'["{MARKER}"]',
        "TEMPORAL_API_KEY": MARKER,
        "PGPASSWORD": MARKER,
        "GOOGLE_API_KEY": MARKER,
        "AWS_SECRET_ACCESS_KEY": MARKER,
    }
    await dev.start()
    try:
        pids = json.loads((tmp_path / "data" / "dev.json").read_text())["pids"]
        environments = {name: await asyncio.to_thread(_environment, pid) for name, pid in pids.items()}
    finally:
        await dev.stop()
    assert b"CONNECTOR_" not in environments["temporal"]
    assert MARKER.encode() not in environments["temporal"]
    assert MARKER.encode() in environments["worker"]


def _environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()
