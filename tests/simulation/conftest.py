"""`connector simulate`, run in this process through the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from starter.cli import run_command
from tests.support.simulation import Connector, Play, Run
from tests.support.stories import flattened, short, yaml_of


@pytest.fixture
def connector(capsys: pytest.CaptureFixture[str]) -> Connector:
    """Run a command line."""

    def run(*words: str | Path) -> Run:
        capsys.readouterr()
        code = run_command([str(word) for word in words])
        printed = capsys.readouterr()
        return Run(code, printed.out, printed.err)

    return run


@pytest.fixture
def simulate(connector: Connector, tmp_path: Path) -> Connector:
    """Simulate a story of definitions and lines; `words` go to the command line."""

    def run(*story: Any, words: tuple[str, ...] = ("--json",)) -> Run:
        definitions, lines = flattened(story)
        campaigns, timeline = tmp_path / "campaigns.yaml", tmp_path / "timeline.jsonl"
        campaigns.write_text(yaml_of(definitions))
        timeline.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return connector("simulate", "--campaigns", campaigns, "--timeline", timeline, *words)

    return run


@pytest.fixture
def play(simulate: Connector) -> Play:
    """Simulate a story to its end, and return its outcomes in short form."""

    def run(*story: Any, until: str | None = None) -> list[str]:
        done = simulate(*story, words=("--json", *(("--until", until) if until else ())))
        assert done.code == 0, done.err
        return [short(outcome) for outcome in done.outcomes]

    return run
