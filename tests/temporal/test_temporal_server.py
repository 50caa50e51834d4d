"""The Temporal server of the tests."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.support.polling import until
from tests.support.repository import ROOT

_OPEN_AND_WAIT = """
import asyncio
from pathlib import Path
from tests.support.temporal_server import open_environment

async def main():
    environment = await open_environment()
    print(*{pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()})
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="finds the server in /proc")
async def test_the_server_ends_with_a_killed_process() -> None:
    """A test run that is killed leaves no server behind, which would use memory and ports until a restart."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-uc", _OPEN_AND_WAIT, cwd=ROOT, stdout=PIPE)
    assert process.stdout is not None
    line = await process.stdout.readline()
    process.kill()
    await process.wait()
    (server,) = line.decode().split()
    await until(lambda: not _runs(server), "the end of the server")


def _runs(pid: str) -> bool:
    return Path(f"/proc/{pid}").exists()
