"""The worked cases of behaviour.md, as files in examples/behaviour."""

import json
from pathlib import Path

import pytest

from connector.definitions import read_definitions
from tests.support.repository import BEHAVIOUR, BEHAVIOUR_CASES
from tests.support.simulation import Connector


@pytest.mark.parametrize("case", BEHAVIOUR_CASES, ids=lambda folder: folder.name)
def test_worked_case(connector: Connector, case: Path) -> None:
    """The output is what was worked out by hand, line by line; ids that sending makes are opaque."""
    timeline = case / "timeline.jsonl"
    run = connector("simulate", "--campaigns", case / "campaigns.yaml", "--timeline", timeline, "--json")
    reported = {json.loads(line).get("interaction", {}).get("id") for line in timeline.read_text().splitlines()}
    printed = [
        json.dumps(o if o["trigger"] in reported else {**o, "trigger": "(made)"}, ensure_ascii=False)
        for o in run.outcomes
    ]
    assert printed == (case / "expected.jsonl").read_text().splitlines()
    for fragment in _lines(case / "expected.txt") + _lines(case / "warnings.txt"):
        assert fragment in run.err
    assert run.code == (1 if (case / "expected.txt").exists() else 0)


def test_every_worked_case_is_there() -> None:
    """Cases 1 to 32, each in one folder or several, and each in the table."""
    assert {int(folder.name[:2]) for folder in BEHAVIOUR_CASES} >= {*range(1, 33)}
    table = (BEHAVIOUR / "README.md").read_text()
    assert [folder.name for folder in BEHAVIOUR_CASES if f"[{folder.name}]" not in table] == []


def test_cases_are_not_swept_up(connector: Connector) -> None:
    """`connector apply examples` sees the campaigns of the demo only: a folder with a timeline is a case."""
    files = [source.file for source in read_definitions(BEHAVIOUR.parent).sources.values()]
    assert files
    assert not any("behaviour" in file for file in files)
    assert read_definitions(BEHAVIOUR / "24-one-wait-a-product").campaigns


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
