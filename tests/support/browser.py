"""Headless Chromium, controlled over a pair of pipes: open pages, read them and click in them."""

import asyncio
import fcntl
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--remote-debugging-pipe")  # fmt: skip
_ITS_READ, _ITS_WRITE = 3, 4
"""The file descriptors that `--remote-debugging-pipe` reads and writes."""


def find_chromium() -> str | None:
    """Return the path of a Chromium, None if none is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One open page, read through JavaScript expressions."""

    def __init__(self, reader: asyncio.StreamReader, write: int) -> None:
        self._reader, self._write, self._last = reader, write, 0
        self._session: str | None = None

    async def open(self, url: str) -> None:
        """Load a page; later calls are about that page."""
        target = (await self._call("Target.createTarget", url=url))["targetId"]
        attached = await self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]

    async def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page, None if it fails."""
        answer = await self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    async def until(self, expression: str, *, seconds: float = 60) -> Any:
        """Poll until the expression is true, and return its value."""
        async with asyncio.timeout(seconds):
            while not (value := await self.evaluate(expression)):
                await asyncio.sleep(0.05)
        return value

    async def click(self, selector: str) -> None:
        """Click in the middle of the element, once the page has it."""
        place = f"(b => ({{x: b.x + b.width / 2, y: b.y + b.height / 2}}))(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"  # noqa: E501
        at = await self.until(place)
        for kind in ("mousePressed", "mouseReleased"):
            await self._call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    async def press_escape(self) -> None:
        """Press and release the Escape key."""
        key = {"key": "Escape", "code": "Escape", "windowsVirtualKeyCode": 27}
        for kind in ("rawKeyDown", "keyUp"):
            await self._call("Input.dispatchKeyEvent", type=kind, **key)

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        call = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            call["sessionId"] = self._session
        os.write(self._write, json.dumps(call).encode() + b"\0")
        async with asyncio.timeout(30):
            while (answer := json.loads((await self._reader.readuntil(b"\0"))[:-1])).get("id") != self._last:
                pass
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result


@asynccontextmanager
async def open_page(chromium: str, folder: Path) -> AsyncIterator[Page]:
    """Run a browser with its profile in `folder` until the block ends."""
    its_read, write = os.pipe()
    read, its_write = os.pipe()

    def wire() -> None:
        # Move both out of the way first: either end may have the number that the other one needs.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, _ITS_WRITE + 1) for end in (its_read, its_write)]
        os.dup2(ends[0], _ITS_READ)
        os.dup2(ends[1], _ITS_WRITE)

    process = await asyncio.create_subprocess_exec(
        chromium, *_OPTIONS, f"--user-data-dir={folder}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, preexec_fn=wire, close_fds=False,
    )  # fmt: skip
    os.close(its_read)
    os.close(its_write)
    reader = asyncio.StreamReader(limit=2**24)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read, "rb")
    )
    try:
        yield Page(reader, write)
    finally:
        os.close(write)  # the browser exits when its pipe closes
        transport.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
