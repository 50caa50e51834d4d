"""Plays what goes wrong in production on real processes, and writes what the programs say into docs/runbook.md.

`python -m tests.support.situations` (`make situations`) takes some four minutes: PostgreSQL, Temporal's server, an API
and a worker run, and each situation is made, read (`/readyz`, `connector doctor`, logs, metrics) and ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from bench.databases import find_binaries
from connector import names
from connector.app.preflight import find_free_port
from connector.rules.model.users import User
from connector.store.engine.database import database_now
from connector.store.users.descriptions import save_user
from connector.temporal.client import connector_plugin
from tests.support.api import KEY_VARIABLE
from tests.support.builders import ORIGINAL, follow_on
from tests.support.databases import PostgreSQL, migrate_database, open_database
from tests.support.installation import Installation
from tests.support.polling import until
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "runbook.md"
BEGIN, END = "<!-- begin: situations -->\n", "<!-- end: situations -->"
PASSWORD = "s3cret-password"
HBA = "local all all trust\nhostssl all tls 127.0.0.1/32 scram-sha-256\nhost all app,owner 127.0.0.1/32 scram-sha-256\n"
PATIENCE_SECONDS = 240
_NAMES = {"api": "API", "worker": "worker"}
_LEFT_OUT = ("timestamp", "logger", "delivery")
"""Facts of a log line that are others each time, or that are not of interest."""
TRIGGER = [{"interaction": "receive_push", "campaign": "o"}]
MAILED = follow_on("nudge", TRIGGER, messages={"email": {"subject": "Still there?", "text": "Come back"}})


@dataclass
class Said:
    """What the programs said in one situation, as rows (program, words) of its table."""

    title: str
    made_by: str
    rows: list[tuple[str, str]] = field(default_factory=list)


class Stage:
    """The servers, the settings of every process, and what was said.

    Args:
        folder: for logs.
    """

    def __init__(self, server: PostgreSQL, port: int, temporal: str, folder: Path) -> None:
        self.server, self.port, self.folder = server, port, folder
        self.api_port, self.worker_port = find_free_port(0, option=""), find_free_port(0, option="")
        self.settings = {
            "CONNECTOR_DATABASE_URL": self.url("app"),
            "CONNECTOR_DATA": str(folder),
            "CONNECTOR_API_KEYS": KEY_VARIABLE,
            "CONNECTOR_LOG_FORMAT": "json",
            "CONNECTOR_SMTP_HOST": "127.0.0.1",
            "CONNECTOR_SMTP_PORT": "1",
            "CONNECTOR_SMTP_TLS": "none",
            "CONNECTOR_SMTP_SENDER": "Shop <news@shop.example>",
            "CONNECTOR_WORKER_PORT": str(self.worker_port),
            "TEMPORAL_ADDRESS": temporal,
        }
        self._usual = {
            str(port): "5432",
            temporal: "temporal:7233",
            str(self.api_port): "8080",
            "127.0.0.1": "db.example",
        }
        self._processes: list[Process] = []
        self.said: list[Said] = []

    def url(self, user: str, password: str = PASSWORD, *, name: str = "shop", port: int | None = None) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{port or self.port}/{name}"

    @asynccontextmanager
    async def running(self, command: str, **settings: str) -> AsyncIterator[Process]:
        """Run a program until the block ends; its log is a file of its own."""
        if command == "api":
            self.api_port = find_free_port(0, option="")
            self._usual[str(self.api_port)] = "8080"
        words = ("--port", str(self.api_port)) if command == "api" else ()
        with (self.folder / f"{command}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "starter.cli", command, *words,
                cwd=ROOT, env=os.environ | self.settings | settings, stdout=log, stderr=log,
            )  # fmt: skip
        self._processes.append(process)
        try:
            yield process
        finally:
            self._processes.remove(process)
            if process.returncode is None:
                process.terminate()
            await process.wait()

    async def run(self, *words: str, **settings: str) -> tuple[int, str, str]:
        """Run a command to its end; return exit code, standard output and standard error."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "starter.cli", *words, cwd=ROOT, env=os.environ | self.settings | settings,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
        return process.returncode or 0, out.decode(), err.decode()

    async def ready(self, port: int) -> tuple[int, dict[str, Any]]:
        """Return the answer of `/readyz`; status 0: nothing listens."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            try:
                answer = await client.get(f"http://127.0.0.1:{port}/readyz")
            except httpx.TransportError:
                return 0, {}
        return answer.status_code, answer.json()

    async def until_failed(self, check: str, port: int | None = None) -> None:
        """Wait until `/readyz` of the API (or of this port) says that a check fails."""

        async def is_failed() -> bool:
            ended = [one.returncode for one in self._processes if one.returncode not in (None, -signal.SIGKILL)]
            assert not ended, f"a process ended with {ended}; see {[log.read_text() for log in self.folder.iterdir()]}"
            _, body = await self.ready(port or self.api_port)
            return any(one["name"] == check and one["status"] == "failed" for one in body.get("checks", ()))

        await until(is_failed, f"{check} that fails", seconds=PATIENCE_SECONDS)

    async def until_logged(self, event: str) -> None:
        await until(
            lambda: event in (self.folder / "worker.log").read_text(), f"{event} in the log", seconds=PATIENCE_SECONDS
        )

    async def record(
        self, said: Said, *, events: Sequence[str] = (), metrics: Sequence[str] = (), **settings: str
    ) -> None:
        """Add what `/readyz`, `doctor`, the logs' events and the worker's metrics say now."""
        for program, port in (("API", self.api_port), ("worker", self.worker_port)):
            status, body = await self.ready(port)
            if status:
                note = f": {body['note']}" if "note" in body else ""
                said.rows.append((f"`/readyz` of the {program}", f"{status} `{body['status']}`{note}"))
        await self.record_doctor(said, **settings)
        for program in ("api", "worker"):
            log = self.folder / f"{program}.log"
            for line in log.read_text().splitlines() if log.exists() else ():
                entry = json.loads(line)
                if entry["event"] in events:
                    facts = {name: value for name, value in entry.items() if value and name not in _LEFT_OUT}
                    said.rows.append(
                        (f"log of the {_NAMES[program]}", f"`` {json.dumps(facts, ensure_ascii=False)} ``")
                    )
        if metrics:
            async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                page = (await client.get(f"http://127.0.0.1:{self.worker_port}/metrics")).text
            found = [line for line in page.splitlines() if any(re.match(metric, line) for metric in metrics)]
            said.rows.extend(("metrics of the worker", f"`{line}`") for line in found)
        self.said.append(said)

    async def record_doctor(self, said: Said, **settings: str) -> None:
        code, out, _ = await self.run("doctor", "--json", **settings)
        for check in json.loads(out)["checks"]:
            is_told = check["name"].startswith("database") or not settings
            if check["status"] == "failed" and is_told:
                detail = f" [{check['detail']}]" if check["detail"] else ""
                said.rows.append(
                    ("`connector doctor`", f"exit code {code}; `{check['name']}`: {check['problem']}{detail}")
                )

    async def record_start(self, said: Said, *words: str, **settings: str) -> None:
        """Add how a command that must fail ends."""
        code, _, err = await self.run(*words, **settings)
        text = json.loads(err.strip().splitlines()[-1])
        said.rows.append((f"`connector {words[0]}`", f"exit code {code}: {text.get('text', text.get('note'))}"))

    def render(self) -> str:
        """Return the section: a heading and a table for each situation."""
        parts = []
        for one in self.said:
            rows = "".join(f"| {program} | {self._as_usual(words)} |\n" for program, words in one.rows)
            parts.append(f"### {one.title}\n\n{self._as_usual(one.made_by)}\n\n| asked | answer |\n|---|---|\n{rows}")
        return "\n" + "\n".join(parts) + "\n"

    def _as_usual(self, text: str) -> str:
        """Return the text with the usual ports and hosts."""
        for found, usual in self._usual.items():
            text = text.replace(found, usual)
        text = re.sub(r"poll was \d+ s ago", "poll was 61 s ago", text)
        return re.sub(r"(follow-up|launch)/default/\S+", r"\1/default/…", text).replace("|", "\\|")


async def play_wrong_settings(stage: Stage) -> None:
    """Play the settings of the database that are wrong, one after the other."""
    cases = {
        "Wrong host of the database": stage.url("app").replace("127.0.0.1", "no-such-host.invalid"),
        "Wrong port of the database": stage.url("app", port=1),
        "Wrong password of the database": stage.url("app", "wrong"),
        "Wrong name of the database": stage.url("app", name="shopp"),
        "Wrong TLS of the database": f"{stage.url('app')}?sslmode=require",
        "A server that wants TLS": stage.url("tls"),
    }
    for title, url in cases.items():
        said = Said(title, f"`CONNECTOR_DATABASE_URL={url.replace(PASSWORD, 'PASSWORD')}`")
        setting = {"CONNECTOR_DATABASE_URL": url}
        if "host" in title or "port" in title:
            async with stage.running("api", **setting):
                await stage.until_failed("database")
                await stage.record(said, events=("database_unavailable",), **setting)
        else:
            stage.said.append(said)
            await stage.record_start(said, "worker", **setting)
            await stage.record_doctor(said, **setting)
    said = Said("A missing privilege", "`connector setup` as a user who may not create tables")
    await stage.record_start(said, "setup", CONNECTOR_DATABASE_URL=stage.url("app", name="empty"))
    await stage.record_doctor(said, CONNECTOR_DATABASE_URL=stage.url("app"))
    stage.said.append(said)
    stage.server.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app", name="shop")


async def play_namespace_and_provider(stage: Stage) -> None:
    """Play a namespace without search attributes, and then a provider that is down."""
    await stage.until_failed("outbox", stage.worker_port)
    await stage.until_logged("check_failed")
    checks = r'connector_check_ok\{.*check="(search_attributes|outbox)"'
    await stage.record(
        Said("A fresh namespace", "`connector setup` was not run for this namespace of Temporal"),
        events=("outbox_rests", "check_failed"),
        metrics=(checks, r'connector_outbox_backlog\{call="start"'),
    )
    code, _, err = await stage.run("setup", CONNECTOR_DATABASE_URL=stage.url("owner"))
    assert code == 0, err
    await stage.until_failed("sends", stage.worker_port)
    await stage.record(
        Said("A provider that is down", "nothing listens where `CONNECTOR_SMTP_HOST` and `CONNECTOR_SMTP_PORT` lead"),
        events=("send_is_tried_again",),
        metrics=(r"connector_sends_tried_again_total", r'connector_check_ok\{.*check="sends"'),
    )


async def play_failing_task(stage: Stage, client: Client) -> None:
    """Play a workflow whose code no worker has."""
    handle = await client.start_workflow("NoSuchWorkflow", id="nonsense", task_queue=names.main_queue("default"))
    await stage.until_failed("workflow_tasks")
    await stage.record(
        Said("A workflow task that fails", "a workflow of a type that the deployed workers do not know"),
        metrics=(r'connector_check_ok\{.*check="workflow_tasks"',),
    )
    await handle.terminate()


async def play_newer_tables(stage: Stage) -> None:
    """Play tables that a later version of the program made."""
    stage.server.execute("UPDATE alembic_version SET version_num = '9000'", name="shop")
    stage.server.execute("UPDATE compatibility SET oldest_program = '9000'", name="shop")
    said = Said(
        "Tables of a later version", "a later version's `connector setup` was run, and an earlier program is deployed"
    )
    await stage.record_start(said, "worker", CONNECTOR_WORKER_PORT="0")
    await stage.record_start(said, "setup")
    await stage.until_failed("tables")
    await stage.record(said)


async def play(stage: Stage, client: Client) -> None:
    """Play every situation."""
    await play_wrong_settings(stage)
    async with open_database(stage.url("owner")) as database:
        installation = Installation(database)
        await installation.publish(ORIGINAL, MAILED)
        async with database.write("default") as tx:
            await save_user(tx, User(id="u", email="u@example.com"), await database_now(tx))
        await installation.ingest({"id": "e1", "user": "u", "type": "receive_push", "campaign": "o"})
    async with stage.running("api"):
        async with stage.running("worker") as worker:
            await play_namespace_and_provider(stage)
            await play_failing_task(stage, client)
            worker.send_signal(signal.SIGKILL)
            await worker.wait()
        await stage.until_failed("worker")
        await stage.record(Said("A stopped worker", "the only worker was killed a minute ago"))
        await play_newer_tables(stage)


async def main() -> None:
    """Start the servers, play, and write the page."""
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL's server binaries are not installed")
    port = find_free_port(0, option="")
    server = PostgreSQL(binaries, port=port)
    program = shutil.which("temporal") or str(Path(sys.executable).with_name("temporal"))
    try:
        for role in ("app", "tls", "owner"):
            server.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        for name in ("shop", "empty"):
            server.execute(f"CREATE DATABASE {name} OWNER owner")
        (server.folder / "data" / "pg_hba.conf").write_text(HBA)
        server.execute("SELECT pg_reload_conf()")
        with tempfile.TemporaryDirectory(prefix="connector-situations-") as folder:
            async with await WorkflowEnvironment.start_local(
                dev_server_existing_path=program, plugins=[connector_plugin()]
            ) as environment:
                client = environment.client
                stage = Stage(server, port, client.service_client.config.target_host, Path(folder))
                migrate_database(stage.url("owner"))
                await play(stage, client)
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + stage.render() + END + rest.partition(END)[2])
    finally:
        server.stop()


if __name__ == "__main__":
    asyncio.run(main())
