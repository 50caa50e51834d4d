"""Child processes: started again when they end, ended when we are, and found again when we were killed."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from starter.dev.instance import DevInstance, end_stale_processes, read_instance, write_instance
from starter.dev.supervised_process import SupervisedProcess
from tests.support.polling import until

SLEEPER = "import sys, time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = """
import asyncio, sys
from starter.dev.supervised_process import SupervisedProcess
async def main():
    child = SupervisedProcess("c", [sys.executable, "-c", "import time; time.sleep(60)"], {}, on_start=lambda: None)
    task = asyncio.create_task(child.keep_running())
    while child.pid is None:
        await asyncio.sleep(0.01)
    print(child.pid, flush=True)
    await task
asyncio.run(main())
"""


def runs(pid: int) -> bool:
    """Whether it runs; one that has ended and that nobody has asked for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def child_of(code: str, log: Path) -> SupervisedProcess:
    return SupervisedProcess(
        "sleeper", [sys.executable, "-c", code, str(log.parent)], dict(os.environ), log=log, on_start=lambda: None
    )


async def test_what_dies_is_started_again(tmp_path: Path) -> None:
    """A killed process has a successor, and its failure is told."""
    child = child_of(SLEEPER, tmp_path / "log")
    keeping = asyncio.create_task(child.keep_running())
    await until(lambda: child.pid is not None)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: child.pid not in (None, first))
    assert child.failed.is_set()
    await child.stop(5)
    await keeping
    assert child.pid is None


@pytest.mark.parametrize(("code", "patience"), [(SLEEPER, 30), (STUBBORN, 0.2)])
async def test_stop_ends_it_and_starts_no_other(tmp_path: Path, code: str, patience: float) -> None:
    """One that listens ends at once, one that does not is killed when patience is over."""
    child = child_of(code, tmp_path / "log")
    keeping = asyncio.create_task(child.keep_running())
    await until(lambda: (tmp_path / "log").exists() and b"up" in (tmp_path / "log").read_bytes())
    pid = child.pid
    async with asyncio.timeout(10):
        await child.stop(patience)
        await keeping
    assert pid is not None
    assert not runs(pid)
    assert not child.failed.is_set()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends what was left")
async def test_a_child_does_not_outlive_a_killed_parent() -> None:
    """Killed with SIGKILL, a supervisor cannot stop anything: the kernel does."""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 30))
    assert runs(pid)
    parent.kill()
    await parent.wait()
    await until(lambda: not runs(pid))


async def test_leftovers_are_ended_and_strangers_left_alone(tmp_path: Path) -> None:
    """A number in dev.json counts only where the process was started for this folder."""
    (tmp_path / "ours").mkdir()
    ours = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEPER, str(tmp_path / "ours"))
    stranger = await asyncio.create_subprocess_exec(sys.executable, "-c", SLEEPER)
    pids = {"supervisor": 1, "worker": ours.pid, "api": stranger.pid, "temporal": 2**22 + 1}
    write_instance(tmp_path / "ours", DevInstance(api_url="a", temporal_address="t", ui_url=None, pids=pids))
    try:
        reaping = asyncio.create_task(ours.wait())
        await asyncio.to_thread(end_stale_processes, tmp_path / "ours")
        assert await asyncio.wait_for(reaping, 10) == -signal.SIGKILL
        assert stranger.returncode is None
        assert runs(stranger.pid)
    finally:
        stranger.kill()
        await stranger.wait()
    assert read_instance(tmp_path / "ours") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pids": {}}'])
def test_a_broken_file_is_no_file(tmp_path: Path, text: str) -> None:
    """dev.json may be left over from anything."""
    (tmp_path / "dev.json").write_text(text)
    assert read_instance(tmp_path) is None
