"""Schemathesis, which sends right and wrong requests to every operation of an API."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

_CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
_QUIET = ("--no-shrink", "--warnings", "off", "--suppress-health-check", "all")


async def assert_documented(address: str, folder: Path, *words: str) -> None:
    """Assert that no drawn request gets a server error or an answer that the document does not have."""
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("st"), "run", f"{address}/openapi.json"),
        *("--checks", _CHECKS, "--seed", "5", *_QUIET, *words),
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()[-20_000:]
