"""The stage on which situations are played: servers, processes with their settings, and what the programs said."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from connector.app.preflight import find_free_port
from tests.support.api import KEY_VARIABLE
from tests.support.databases import PostgreSQL
from tests.support.polling import until
from tests.support.repository import ROOT

PASSWORD = "s3cret-password"
PATIENCE_SECONDS = 240
_NAMES = {"api": "API", "worker": "worker"}
_LEFT_OUT = ("timestamp", "logger", "delivery")
"""Facts of a log line that differ each time, or that are not of interest."""


@dataclass
class Situation:
    """A situation and what the programs said in it, as rows (program, words) of a table."""

    title: str
    cause: str
    rows: list[tuple[str, str]] = field(default_factory=list)


class Stage:
    """The servers, the settings of every process, and the situations that were recorded.

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
        self.situations: list[Situation] = []

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
        self, situation: Situation, *, events: Sequence[str] = (), metrics: Sequence[str] = (), **settings: str
    ) -> None:
        """Add what `/readyz`, `doctor`, the logs' events and the worker's metrics say now."""
        for program, port in (("API", self.api_port), ("worker", self.worker_port)):
            status, body = await self.ready(port)
            if status:
                note = f": {body['note']}" if "note" in body else ""
                situation.rows.append((f"`/readyz` of the {program}", f"{status} `{body['status']}`{note}"))
        await self.record_doctor(situation, **settings)
        for program in ("api", "worker"):
            log = self.folder / f"{program}.log"
            for line in log.read_text().splitlines() if log.exists() else ():
                entry = json.loads(line)
                if entry["event"] in events:
                    facts = {name: value for name, value in entry.items() if value and name not in _LEFT_OUT}
                    situation.rows.append(
                        (f"log of the {_NAMES[program]}", f"`` {json.dumps(facts, ensure_ascii=False)} ``")
                    )
        if metrics:
            async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                page = (await client.get(f"http://127.0.0.1:{self.worker_port}/metrics")).text
            found = [line for line in page.splitlines() if any(re.match(metric, line) for metric in metrics)]
            situation.rows.extend(("metrics of the worker", f"`{line}`") for line in found)
        self.situations.append(situation)

    async def record_doctor(self, situation: Situation, **settings: str) -> None:
        code, out, _ = await self.run("doctor", "--json", **settings)
        for check in json.loads(out)["checks"]:
            is_shown = check["name"].startswith("database") or not settings
            if check["status"] == "failed" and is_shown:
                detail = f" [{check['detail']}]" if check["detail"] else ""
                situation.rows.append(
                    ("`connector doctor`", f"exit code {code}; `{check['name']}`: {check['problem']}{detail}")
                )

    async def record_start(self, situation: Situation, *words: str, **settings: str) -> None:
        """Add how a command that must fail ends."""
        code, _, err = await self.run(*words, **settings)
        text = json.loads(err.strip().splitlines()[-1])
        situation.rows.append((f"`connector {words[0]}`", f"exit code {code}: {text.get('text', text.get('note'))}"))

    def render(self) -> str:
        """Return the section: a heading and a table for each situation."""
        parts = []
        for one in self.situations:
            rows = "".join(f"| {program} | {self._normalise(words)} |\n" for program, words in one.rows)
            parts.append(f"### {one.title}\n\n{self._normalise(one.cause)}\n\n| asked | answer |\n|---|---|\n{rows}")
        return "\n" + "\n".join(parts) + "\n"

    def _normalise(self, text: str) -> str:
        """Replace the hosts and ports of this run by usual ones, and counts that vary."""
        for found, usual in self._usual.items():
            text = text.replace(found, usual)
        text = re.sub(r"poll was \d+ s ago", "poll was 61 s ago", text)
        return re.sub(r"(follow-up|launch)/default/\S+", r"\1/default/…", text).replace("|", "\\|")
