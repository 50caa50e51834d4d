"""examples/typescript as it stands: installed, compiled, and run with Node beside a `connector dev`."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.external_programs import ExternalPrograms, check_purchase_and_exception, open_dev
from tests.support.node_packages import installed_packages
from tests.support.repository import EXAMPLES

SOURCES = EXAMPLES / "typescript"
OLDEST_NODE = (20, 0)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example compiled; its packages are kept from one session to the next."""
    folder = tmp_path_factory.mktemp("typescript")
    shutil.copytree(SOURCES, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "lib"))
    packages = installed_packages(SOURCES / "package.json", "typescript", oldest_node=OLDEST_NODE)
    (folder / "node_modules").symlink_to(packages / "node_modules")
    compiled = subprocess.run(["npm", "run", "build"], cwd=folder, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stdout
    return folder


@pytest.mark.timeout(600)
async def test_the_typescript_example(program: Path, tmp_path: Path) -> None:
    """Its workflow's report triggers, and its client's signal calls off."""
    async with open_dev(tmp_path) as dev:
        programs = ExternalPrograms(dev, ("node",), program)
        async with programs.running("lib/worker.js"):
            await check_purchase_and_exception(programs, ("lib/client.js", "purchase"), ("lib/client.js", "exception"))


def test_versions_are_exact() -> None:
    """What is installed is what was tried; and the repository names no registry by a lock file."""
    text = (SOURCES / "package.json").read_text()
    versions = re.findall(r'"(@temporalio/[a-z]+|typescript|@types/node)": "([^"]*)"', text)
    assert len(versions) >= 5
    assert [name for name, version in versions if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
