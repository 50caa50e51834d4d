"""Packages of npm for tests: installed once for a `package.json`, and kept from one session to the next."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

_NO_REGISTRY = re.compile(
    r"E4\d\d|ETARGET|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENOTCACHED|UND_ERR|CERT"
)


def installed_packages(manifest: Path, name: str, *, oldest_node: tuple[int, int]) -> Path:
    """Return the folder with the packages of a `package.json` in its `node_modules`.

    Skips the test, with the reason, where Node.js or the packages cannot be had.

    Args:
        name: of the kept folder, for people.
        oldest_node: the major and minor version of Node.js that the packages need.
    """
    _check_node(oldest_node)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "campaign-connector"
    kept = cache / f"{name}-{hashlib.sha256(manifest.read_bytes()).hexdigest()[:16]}"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=cache))
        try:
            shutil.copy(manifest, fresh)
            _install(fresh)
            with suppress(OSError):  # another session was quicker
                fresh.rename(kept)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return kept


def node_version() -> tuple[int, int]:
    """Return the major and minor version of Node.js. Skips the test where there is none with npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("there is no Node.js with npm on PATH")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor, *_ = map(int, re.findall(r"\d+", version))
    return major, minor


def _check_node(oldest: tuple[int, int]) -> None:
    version = node_version()
    if version < oldest:
        found, needed = (".".join(map(str, one)) for one in (version, oldest))
        pytest.skip(f"Node.js {found} is older than {needed}, which the packages need")


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
    if done.returncode and _NO_REGISTRY.search(done.stderr):
        pytest.skip(f"npm could not get the packages: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr
