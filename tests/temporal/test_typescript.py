"""examples/typescript as it stands: installed, compiled, and run with Node beside a `connector dev`."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.external_programs import ExternalPrograms, check_purchase_and_exception, open_dev
from tests.support.repository import EXAMPLES

SOURCES = EXAMPLES / "typescript"
OLDEST_NODE = 20
NO_REGISTRY = re.compile(
    r"E4\d\d|ETARGET|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENOTCACHED|UND_ERR|CERT"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example compiled; its packages are kept from one session to the next."""
    folder = tmp_path_factory.mktemp("typescript")
    shutil.copytree(SOURCES, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "lib"))
    (folder / "node_modules").symlink_to(_installed() / "node_modules")
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


def _installed() -> Path:
    """Where the packages are, installed if need be; skips where that cannot be."""
    _check_node()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "campaign-connector"
    kept = cache / f"typescript-{hashlib.sha256((SOURCES / 'package.json').read_bytes()).hexdigest()[:16]}"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        try:
            shutil.copy(SOURCES / "package.json", fresh)
            _install(fresh)
            with suppress(OSError):  # another session was quicker
                fresh.rename(kept)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return kept


def _check_node() -> None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("there is no Node.js with npm on PATH, so the TypeScript example cannot run")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"Node.js {version} is older than {OLDEST_NODE}, which Temporal's SDK for TypeScript needs")


def _install(folder: Path) -> None:
    options = [
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--prefer-offline",
        "--fetch-retries=1",
    ]
    done = subprocess.run(["npm", "install", *options], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and NO_REGISTRY.search(done.stderr):
        pytest.skip(f"npm could not get the packages: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr
