"""Other teams' programs that use a running `connector dev`: the examples, and the campaign that shows their effect."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError

from tests.support.dev_process import DevProcess
from tests.support.repository import EXAMPLES

CAMPAIGN = "ask-for-a-review"


class ExternalPrograms:
    """Another team's worker and client, which know only Temporal's address."""

    def __init__(self, dev: DevProcess, program: tuple[str, ...], folder: Path) -> None:
        self.dev, self._program, self._folder = dev, program, folder
        address = {"TEMPORAL_ADDRESS": dev.running["temporal_address"]}
        self.environment: Mapping[str, str] = {**dev.environment, **address}

    async def run(self, *words: str) -> str:
        """Run a program to its successful end, and return its output."""
        process = await self._start(*words)
        said, faults = await _end(process, 60)
        assert process.returncode == 0, faults.decode()
        return said.decode()

    @asynccontextmanager
    async def running(self, *words: str) -> AsyncIterator[None]:
        """Run a program until the block ends; the block starts when the program reports that it is ready."""
        process = await self._start(*words)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(90):
                while b"worker runs" not in (line := await process.stdout.readline()):
                    assert line, (await process.stderr.read()).decode() if process.stderr else ""
            yield
        finally:
            process.terminate()
            await _end(process, 30)

    async def waiting(self, user: str) -> dict[str, Any]:
        """The follow-up that waits for this user, once its workflow runs."""
        return await self.becomes(user, "waiting")

    async def becomes(self, user: str, state: str) -> dict[str, Any]:
        """This user's follow-up in this state."""
        found: list[dict[str, Any]] = []

        async def is_there() -> bool:
            found[:] = [row for row in await self.dev.follow_ups(CAMPAIGN) if row["user"] == user]
            return [row["state"] for row in found] == [state]

        await self.dev.until(is_there, 30)
        return found[0]

    async def _start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._program,
            *words,
            cwd=self._folder,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )


async def _end(process: asyncio.subprocess.Process, seconds: float) -> tuple[bytes, bytes]:
    """Wait for the process to end and return its output; after that time, kill it."""
    try:
        async with asyncio.timeout(seconds):
            return await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()


@asynccontextmanager
async def open_dev(folder: Path) -> AsyncIterator[DevProcess]:
    """Run `connector dev` with the README's campaign published."""
    [text] = re.findall(r"```yaml\n(.*?)```", (EXAMPLES / "typescript/README.md").read_text(), re.DOTALL)
    (folder / "review.yaml").write_text(text)
    dev = DevProcess(folder)
    await dev.start()
    try:
        for words in (("apply", str(folder / "review.yaml")), ("publish", CAMPAIGN)):
            code, said = await dev.run(*words)
            assert code == 0, said
        yield dev
    finally:
        await dev.stop()


async def check_purchase_and_exception(
    programs: ExternalPrograms, purchase: tuple[str, ...], exception: tuple[str, ...]
) -> None:
    """Report a purchase, find its follow-up and cancel it; repeating the report changes nothing.

    Args:
        purchase, exception: the arguments with which the client does it.
    """
    reported = json.loads(await programs.run(*purchase, "order-1", "u-17", "shoe-1", "90"))
    assert reported == {"results": [{"id": "purchase-order-1", "status": "accepted"}]}
    row = await programs.waiting("u-17")
    assert row["trigger"] == "purchase-order-1"
    await programs.dev.until(lambda: _runs(programs, row["workflow_id"]), 30)
    again = json.loads(await programs.run(*purchase, "order-1", "u-17", "shoe-1", "90"))
    assert again == {"results": [{"id": "purchase-order-1", "status": "duplicate"}]}
    assert "signalled" in await programs.run(*exception, row["workflow_id"])
    ended = await programs.becomes("u-17", "excepted")
    explained = (await programs.dev.http.get("/v1/users/u-17/explain")).json()
    explanation = json.dumps(explained)
    assert ended["exception"] in explanation
    assert ("make_purchase" in explanation, "shoe-1" in explanation) == (True, True)


async def _runs(programs: ExternalPrograms, workflow_id: str) -> bool:
    client = await Client.connect(programs.dev.running["temporal_address"])
    try:
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError:
        return False
    return True
