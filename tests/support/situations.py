"""Plays what goes wrong in production on real processes, and writes what the programs say into docs/runbook.md.

`python -m tests.support.situations` (`make situations`) takes some four minutes: PostgreSQL, Temporal's server, an API
and a worker run, and each situation is made, read (`/readyz`, `connector doctor`, logs, metrics) and ended.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from bench.databases import find_binaries
from connector import names
from connector.app.preflight import find_free_port
from connector.rules.model.users import User
from connector.store.engine.database import database_now
from connector.store.users.descriptions import save_user
from connector.temporal.client import connector_plugin
from tests.support.builders import ORIGINAL, follow_on
from tests.support.databases import PostgreSQL, migrate_database, open_database
from tests.support.installation import Installation
from tests.support.repository import ROOT
from tests.support.stage import PASSWORD, Situation, Stage

PAGE = ROOT / "docs" / "runbook.md"
BEGIN, END = "<!-- begin: situations -->\n", "<!-- end: situations -->"
HBA = "local all all trust\nhostssl all tls 127.0.0.1/32 scram-sha-256\nhost all app,owner 127.0.0.1/32 scram-sha-256\n"
TRIGGER = [{"interaction": "receive_push", "campaign": "o"}]
MAILED = follow_on("nudge", TRIGGER, messages={"email": {"subject": "Still there?", "text": "Come back"}})


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
        situation = Situation(title, f"`CONNECTOR_DATABASE_URL={url.replace(PASSWORD, 'PASSWORD')}`")
        setting = {"CONNECTOR_DATABASE_URL": url}
        if "host" in title or "port" in title:
            async with stage.running("api", **setting):
                await stage.until_failed("database")
                await stage.record(situation, events=("database_unavailable",), **setting)
        else:
            stage.situations.append(situation)
            await stage.record_start(situation, "worker", **setting)
            await stage.record_doctor(situation, **setting)
    situation = Situation("A missing privilege", "`connector setup` as a user who may not create tables")
    await stage.record_start(situation, "setup", CONNECTOR_DATABASE_URL=stage.url("app", name="empty"))
    await stage.record_doctor(situation, CONNECTOR_DATABASE_URL=stage.url("app"))
    stage.situations.append(situation)
    stage.server.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app", name="shop")


async def play_namespace_and_provider(stage: Stage) -> None:
    """Play a namespace without search attributes, and then a provider that is down."""
    await stage.until_failed("outbox", stage.worker_port)
    await stage.until_logged("check_failed")
    checks = r'connector_check_ok\{.*check="(search_attributes|outbox)"'
    await stage.record(
        Situation("A fresh namespace", "`connector setup` was not run for this namespace of Temporal"),
        events=("outbox_rests", "check_failed"),
        metrics=(checks, r'connector_outbox_backlog\{call="start"'),
    )
    code, _, err = await stage.run("setup", CONNECTOR_DATABASE_URL=stage.url("owner"))
    assert code == 0, err
    await stage.until_failed("sends", stage.worker_port)
    await stage.record(
        Situation("A provider that is down", "nothing listens at `CONNECTOR_SMTP_HOST` and `CONNECTOR_SMTP_PORT`"),
        events=("send_is_tried_again",),
        metrics=(r"connector_sends_tried_again_total", r'connector_check_ok\{.*check="sends"'),
    )


async def play_failing_task(stage: Stage, client: Client) -> None:
    """Play a workflow whose code no worker has."""
    handle = await client.start_workflow("NoSuchWorkflow", id="nonsense", task_queue=names.main_queue("default"))
    await stage.until_failed("workflow_tasks")
    await stage.record(
        Situation("A workflow task that fails", "a workflow of a type that the deployed workers do not know"),
        metrics=(r'connector_check_ok\{.*check="workflow_tasks"',),
    )
    await handle.terminate()


async def play_newer_tables(stage: Stage) -> None:
    """Play tables that a later version of the program made."""
    stage.server.execute("UPDATE alembic_version SET version_num = '9000'", name="shop")
    stage.server.execute("UPDATE compatibility SET oldest_program = '9000'", name="shop")
    situation = Situation(
        "Tables of a later version", "a later version's `connector setup` was run, and an earlier program is deployed"
    )
    await stage.record_start(situation, "worker", CONNECTOR_WORKER_PORT="0")
    await stage.record_start(situation, "setup")
    await stage.until_failed("tables")
    await stage.record(situation)


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
        await stage.record(Situation("A stopped worker", "the only worker was killed a minute ago"))
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
