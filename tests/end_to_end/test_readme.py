"""The README's quick start, pasted as it is into a shell beside a real `connector dev`."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.support.dev_process import DevProcess
from tests.support.repository import ROOT

README = ROOT / "README.md"


async def _paste(dev: DevProcess, commands: str) -> str:
    """Run the commands in one shell, as a reader pastes them; only the address of the API differs."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        commands.replace("source .venv/bin/activate\n", "")
        .replace("http://localhost:8080", "localhost:8080")
        .replace("localhost:8080", dev.running["api_url"]),
        cwd=dev.folder,
        env={**dev.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


@pytest.mark.timeout(180)
async def test_the_quick_start_works_pasted_in_one_go(tmp_path: Path) -> None:
    """The follow-up waits after the first paste, and the purchase of the second paste excepts it."""
    start, publish, purchase = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)[:3]
    assert start.endswith("connector dev\n")
    dev = DevProcess(tmp_path)
    await dev.start()
    try:
        assert "waiting" in await _paste(dev, publish)
        assert "make_purchase" in await _paste(dev, purchase)
        states = {one["user"]: one["state"] for one in await dev.follow_ups("cart-reminder")}
        assert states["u-18"] == "excepted"
        assert states["u-17"] in ("waiting", "sent")  # 30 seconds may have passed on a slow machine
    finally:
        await dev.stop()
