"""The processes of `simulate --jobs` end with the command, however it ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.builders import ORIGINAL
from tests.support.polling import until
from tests.support.stories import NUDGE, begin, push, yaml_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


TO_ITS_END = 5_000
"""So many items if they are played to their end, which takes seconds; more than the reader's pipe can hold."""


@pytest.fixture
def simulating(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A command that plays a long timeline in two processes."""
    campaigns, timeline = tmp_path / "campaigns.yaml", tmp_path / "timeline.jsonl"
    campaigns.write_text(yaml_of([ORIGINAL, NUDGE]))
    with timeline.open("w") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in begin("f", "o"))
        file.writelines(
            f"{json.dumps(push('10:00', f'e{n}', user=f'u{n}'))}\n" for n in range(getattr(request, "param", 20_000))
        )
    words = ["simulate", "--campaigns", str(campaigns), "--timeline", str(timeline), "--json", "--jobs", "2"]
    command = subprocess.Popen(
        [sys.executable, "-m", "starter.cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    yield command
    if command.poll() is None:
        os.killpg(command.pid, signal.SIGKILL)
    command.communicate()


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_in_the_middle(simulating: subprocess.Popen[str], ended_by: signal.Signals) -> None:
    """An interrupted, terminated or killed command leaves no process, and prints no outcome."""
    _wait_until(lambda: len(_processes_of(simulating.pid)) == 3)
    os.kill(simulating.pid, ended_by)
    out, _ = simulating.communicate(timeout=30)
    assert out == ""
    assert simulating.returncode != 0
    _wait_until(lambda: _processes_of(simulating.pid) == [])


def test_interrupt_from_the_terminal(simulating: subprocess.Popen[str]) -> None:
    """Ctrl-C reaches every process; only the command itself answers it."""
    _wait_until(lambda: len(_processes_of(simulating.pid)) == 3)
    os.killpg(simulating.pid, signal.SIGINT)
    _, errors = simulating.communicate(timeout=30)
    assert "Traceback" not in errors
    _wait_until(lambda: _processes_of(simulating.pid) == [])


@pytest.mark.parametrize("simulating", [TO_ITS_END], indirect=True)
def test_reader_that_goes_away(simulating: subprocess.Popen[str]) -> None:
    """A reader that stops after a few lines, like `head`, ends all processes."""
    assert simulating.stdout is not None
    simulating.stdout.readline()
    simulating.stdout.close()
    simulating.wait(timeout=60)
    _wait_until(lambda: _processes_of(simulating.pid) == [])


@pytest.mark.parametrize("simulating", [TO_ITS_END], indirect=True)
def test_killed_share(simulating: subprocess.Popen[str]) -> None:
    """If the system kills a share before it has played, one process plays the timeline."""
    _wait_until(lambda: len(_processes_of(simulating.pid)) == 3)
    os.kill(max(_processes_of(simulating.pid)), signal.SIGKILL)
    out, errors = simulating.communicate(timeout=120)
    assert (simulating.returncode, errors) == (0, "")
    assert len(out.splitlines()) == TO_ITS_END


def _wait_until(holds: Callable[[], bool]) -> None:
    asyncio.run(until(holds))


def _processes_of(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session_id = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session_id) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found
