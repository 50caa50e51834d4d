"""Segment's SDK for Node, against a server that fails half of all requests."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from connector.store.users.users import find_user
from tests.support.api import KEY
from tests.support.builders import BASE
from tests.support.flaky_server import EVENTS, FlakyServer, serve_without_faults

NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def folder(pytestconfig: pytest.Config) -> Path:
    """A folder with the SDK installed, kept between runs; skips where that cannot be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node and npm on the PATH")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip("v\n").split(".")[0]) < 18:
        pytest.skip(f"node {version.strip()} is older than 18")
    assert pytestconfig.cache is not None
    found = Path(pytestconfig.cache.mkdir("segment-node"))
    _install(found)
    shutil.copy(NODE / "send.mjs", found)
    return found


def _install(folder: Path) -> None:
    wanted = (NODE / "package.json").read_text()
    installed = folder / "installed.json"
    if installed.exists() and installed.read_text() == wanted:
        return
    (folder / "package.json").write_text(wanted)
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm install did not end within 90 seconds; is the registry reachable?")
    if done.returncode != 0:
        pytest.skip(f"npm install failed: {done.stderr.strip()[-300:]}")
    installed.write_text(wanted)


async def _send(folder: Path, url: str, key: str = KEY, count: int = EVENTS) -> dict[str, Any]:
    words = (url, key, str(count), BASE.isoformat())
    process = await asyncio.create_subprocess_exec(
        "node", "send.mjs", *words, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(100):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    told: dict[str, Any] = json.loads(out)
    return told


async def test_all_there_and_none_twice(server: FlakyServer, folder: Path) -> None:
    """It sends several batches at once, tries each again, and waits for all of them as it is told."""
    assert (await _send(folder, server.url))["errors"] == []
    await server.check()
    async with server.installation.database.read("default") as tx:
        found = await find_user(tx, "u")
    assert found is not None
    assert (found.user.email, found.user.attributes) == ("u@example.com", {"tier": "gold"})


async def test_a_wrong_key_is_not_tried_again(sqlite_database: Any, folder: Path) -> None:
    """401 ends it at once."""
    async with serve_without_faults(sqlite_database) as server:
        told = await _send(folder, server.url, "wrong", 10)
    assert told["requests"] == 1
    assert told["errors"]
    assert "401" in told["errors"][0]
