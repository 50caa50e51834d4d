"""Backups of a PostgreSQL database, as an operator makes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.databases import find_binaries
from tests.support.databases import PostgreSQL


def dump(server: PostgreSQL, name: str) -> str:
    """Return the backup of a database."""
    return _run(server, "pg_dump", "--no-owner", name)


def restore(server: PostgreSQL, name: str, backup: str) -> None:
    """Replace a database by a backup; nothing may be connected to it."""
    server.drop(name)
    server.create(name)
    _run(server, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", name, given=backup)


def _run(server: PostgreSQL, program: str, *words: str, given: str | None = None) -> str:
    binaries = find_binaries() or Path()
    command = [str(binaries / program), "-h", str(server.folder), "-U", "connector", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, input=given).stdout
