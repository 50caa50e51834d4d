"""`POST /v1/simulate` plays the stories of any key with `read`: within bounds, and leaves nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from connector.app.context import AppContext
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from starter.operations import simulation, simulation_process
from starter.operations.simulation import SimulationTooLarge, Story, simulate_story
from tests.support.api import KEY, configured
from tests.support.builders import ABANDONED, ORIGINAL, push

PLAYED = {
    "definitions": [ORIGINAL, ABANDONED],
    "timeline": [
        {"at": "2026-03-02T09:00:00Z", "publish": ["o", "f"]},
        {"at": "2026-03-02T10:00:00Z", "interaction": push("p", 1, "ann")},
    ],
}
_SECONDS = 60.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, which is empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def run_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replace the process of simulations by a Python script."""

    def replace(script: str) -> None:
        program = tmp_path / "program"
        program.write_text(f"#!{sys.executable}\n{script}")
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))

    return replace


async def test_no_setting_and_no_secret_reaches_the_process(
    folder: Path, run_instead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the environment it gets what Python needs, and a folder of its own that is deleted afterwards."""
    monkeypatch.setenv("CONNECTOR_DATABASE_URL", "postgresql://connector:secret@db/connector")
    monkeypatch.setenv("CONNECTOR_API_KEYS", "[]")
    run_instead("import json, os; print(json.dumps({'is_cut': False, 'found': dict(os.environ)}))")
    found = (await simulate_story(Story("")))["found"]
    assert {name for name in found if name.startswith(("CONNECTOR", "TEMPORAL", "AWS"))} == set()
    assert Path(found["TMPDIR"]).parent == folder
    assert os.listdir(folder) == []


async def test_a_killed_simulation_leaves_no_files(folder: Path) -> None:
    """The API deletes the timeline, because a killed process deletes nothing."""
    with pytest.raises(SimulationTooLarge, match="has not ended within"):
        await simulate_story(Story("- {at: 2026-03-02T09:00:00Z, publish: f}" * 10_000, texts={}), seconds=0.01)
    assert os.listdir(folder) == []


@pytest.mark.parametrize(("most", "characters", "is_cut"), [(3, 6, False), (2, 6, True), (3, 5, True), (0, 0, True)])
def test_its_answer_is_bounded(most: int, characters: int, is_cut: bool) -> None:
    """Ten thousand outcomes with rendered messages would be more than the API may hold."""
    outcomes: list[Any] = [] if is_cut else [{}, {}, {}]
    assert simulation_process._take(iter(["{}"] * 3), most, characters) == (outcomes, is_cut)


@pytest.mark.skipif(sys.platform != "linux", reason="limits are those of Linux")
@pytest.mark.parametrize("script", ["x = bytearray(2**30)", "open(f'{sys.argv[3]}/f', 'wb').write(b' ' * 2**25)"])
async def test_its_memory_and_its_files_are_bounded(folder: Path, run_instead: Any, script: str) -> None:
    """A simulation that needs more is ended, and the caller gets an error."""
    root = Path(simulation.__file__).parents[2]
    begin = f"import sys; sys.path.insert(0, {str(root)!r})\nfrom starter.operations import simulation_process as own\n"
    run_instead(f"{begin}own._limit()\n{script}\nprint('{{\"is_cut\": false}}')")
    with pytest.raises(SimulationTooLarge, match="too much memory, time or space"):
        await simulate_story(Story(""))
    assert os.listdir(folder) == []


async def test_it_ends_with_its_client(context: AppContext, folder: Path, tmp_path: Path, run_instead: Any) -> None:
    """A client who goes away leaves no process behind, and another simulation can begin."""
    began = tmp_path / "pid"
    run_instead(f"import os, time; open({str(began)!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    gone = asyncio.Event()
    body = json.dumps(PLAYED).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    headers = {b"authorization": f"Bearer {KEY}".encode(), b"host": b"127.0.0.1", b"content-type": b"application/json"}
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http"},
        **{"path": "/v1/simulate", "raw_path": b"/v1/simulate", "root_path": "", "query_string": b""},
        **{"headers": list(headers.items()), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {}},
    }
    answering = asyncio.create_task(create_app(context, Keys(configured(KEY)))(scope, receive, send))
    async with asyncio.timeout(_SECONDS):
        while not (began.exists() and began.read_text()):
            assert not answering.done(), answering.result()
            await asyncio.sleep(0.05)
        gone.set()
        await answering
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.read_text()), 0)
    assert (simulation._running, os.listdir(folder)) == (0, [])
