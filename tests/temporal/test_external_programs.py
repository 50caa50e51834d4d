"""Others beside a running `connector dev`: a worker and client in Python, and the `temporal` program."""

import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.builders import now
from tests.support.dev_process import DevProcess
from tests.support.external_programs import ExternalPrograms, check_purchase_and_exception, open_dev
from tests.support.repository import EXAMPLES

pytestmark = pytest.mark.timeout(240)
SCRIPT = EXAMPLES / "python/record_interactions.py"


@pytest.fixture(scope="module")
async def dev(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DevProcess]:
    """An installation for this module."""
    async with open_dev(tmp_path_factory.mktemp("outsiders")) as dev:
        yield dev


async def test_the_python_example(dev: DevProcess, tmp_path: Path) -> None:
    """Its workflow's report triggers, and its client's signal calls off."""
    programs = ExternalPrograms(dev, (sys.executable, str(SCRIPT)), tmp_path)
    async with programs.running("worker"):
        await check_purchase_and_exception(programs, ("purchase",), ("exception",))


async def test_the_temporal_program(dev: DevProcess, tmp_path: Path) -> None:
    """It finds the follow-up by its campaign and signals to it; a signal without an input breaks nothing."""
    bought = {"id": "b-2", "user": "u-2", "type": "make_purchase", "occurred_at": now().isoformat()}
    assert await dev.report(bought) == ["accepted"]
    program = shutil.which("temporal") or str(Path(sys.executable).with_name("temporal"))
    temporal = ExternalPrograms(dev, (program, "--address", dev.running["temporal_address"]), tmp_path)
    row = await temporal.waiting("u-2")

    async def listed() -> bool:
        query = 'CampaignId = "ask-for-a-review" AND ExecutionStatus = "Running"'
        return row["workflow_id"] in await temporal.run("workflow", "list", "-q", query, "--output", "json")

    await dev.until(listed, 30)
    signal = ("workflow", "signal", "--name", "exception", "-w", row["workflow_id"])
    await temporal.run(*signal)
    await temporal.run(*signal, "--input", '{"type": "event", "name": "review_written"}')
    assert (await temporal.becomes("u-2", "excepted"))["reason"] == "exception"


async def test_the_examples_are_applied_beside_what_npm_installed(dev: DevProcess, tmp_path: Path) -> None:
    """`connector apply examples` takes the campaigns, whatever else lies in the folder."""
    copied = shutil.copytree(EXAMPLES, tmp_path / "examples")
    (copied / "typescript/node_modules/thing").mkdir(parents=True)
    (copied / "typescript/node_modules/thing/config.yaml").write_text("not: a definition\n")
    code, said = await dev.run("apply", str(copied), "--json")
    assert code == 0, said
    assert "abandoned-cart" in json.dumps(said)


@pytest.mark.parametrize(
    ("language", "example"),
    [("python", "python/record_interactions.py"), ("typescript", "typescript/src/*.ts")],
)
def test_the_page_shows_what_runs(language: str, example: str) -> None:
    """Every line of code in docs/sources/temporal.md stands in the example that is run here."""
    page = (EXAMPLES.parent / "docs/sources/temporal.md").read_text()
    shown = "\n".join(re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL))
    there = {line.strip() for path in EXAMPLES.glob(example) for line in path.read_text().splitlines()}
    assert shown
    assert [line for line in shown.splitlines() if line.strip() and line.strip() not in there] == []
