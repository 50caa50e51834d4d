"""The databases of a run: SQLite files, or a PostgreSQL cluster of its own that is as durable as in production."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Protocol

import psycopg

_START_SECONDS, _STOP_SECONDS = 30, 20
_OPTIONS = ("listen_addresses=", "shared_buffers=512MB", "max_wal_size=4GB", "log_min_messages=panic")
"""Without the network. Commits wait for the disk; only the caches are larger than those of a new cluster."""


class Databases(Protocol):
    """Creates databases of one kind."""

    name: str

    def create(self) -> str:
        """Create an empty database, and return its URL."""
        ...


class SqliteFiles:
    """SQLite files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.name = f"SQLite {sqlite3.sqlite_version}"
        self._folder, self._numbers = folder, itertools.count(1)

    def create(self) -> str:
        """Return the URL of a new file, which the first connection creates."""
        return f"sqlite:///{self._folder / f'bench-{next(self._numbers)}'}.db"


class Cluster:
    """A PostgreSQL cluster in a temporary folder, reachable only through a Unix socket."""

    def __init__(self, folder: Path, version: str) -> None:
        self.name = f"PostgreSQL {version}"
        self._folder, self._numbers = folder, itertools.count(1)

    def create(self) -> str:
        """Create a database, and return its URL."""
        name = f"bench_{next(self._numbers)}"
        _execute(self._folder, f'CREATE DATABASE "{name}"')
        return f"postgresql://connector@/{name}?host={self._folder}"


@contextmanager
def start_cluster() -> Iterator[Cluster]:
    """Start a cluster, and delete it at the end.

    Raises:
        RuntimeError: PostgreSQL is not installed, or did not start.
    """
    binaries, account = find_binaries(), server_account()
    if binaries is None:
        raise RuntimeError("PostgreSQL was not found: `initdb` and `postgres` must be installed for --postgresql")
    folder = Path(tempfile.mkdtemp(prefix="connector-bench-pg-"))
    try:
        if account:
            os.chown(folder, account["user"], account["group"])
        data = str(folder / "data")
        initdb = [str(binaries / "initdb"), "-D", data, "-U", "connector", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **account)
        options = [word for option in _OPTIONS for word in ("-c", option)]
        server = subprocess.Popen([binaries / "postgres", "-D", data, "-k", folder, *options], cwd="/", **account)
        try:
            yield Cluster(folder, _wait_for_version(folder, server))
        finally:
            server.terminate()
            server.wait(_STOP_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _execute(folder: Path, statement: str) -> str:
    """Execute a statement outside a transaction, and return the server's version."""
    with psycopg.connect(host=str(folder), user="connector", dbname="postgres", autocommit=True) as connection:
        connection.execute(statement)
        return connection.info.parameter_status("server_version") or "of an unknown version"


def _wait_for_version(folder: Path, server: subprocess.Popen[bytes]) -> str:
    deadline = monotonic() + _START_SECONDS
    while True:
        try:
            return _execute(folder, "SELECT 1").split()[0]
        except psycopg.OperationalError:
            if monotonic() > deadline or server.poll() is not None:
                raise RuntimeError("PostgreSQL did not start; its messages are above") from None
            sleep(0.05)


def find_binaries() -> Path | None:
    """Return the folder with `initdb` and `postgres`: from the PATH, else the newest of the distribution's."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def server_account() -> dict[str, Any]:
    """Return the account to run PostgreSQL as, which refuses to run as root; empty for other users."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
