"""Encrypted payloads, seen through Temporal's real Web UI and program, with and without the codec server."""

import asyncio
import base64
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from temporalio.client import Client

from connector.app.preflight import find_free_port
from connector.temporal.codec import ENCODING
from tests.support.browser import Page, find_chromium, open_page
from tests.support.builders import now
from tests.support.dev_process import DevProcess
from tests.support.payloads import OLD, codec_key, payloads_in
from tests.support.polling import until
from tests.support.repository import ROOT

RING = json.dumps([{"id": key.id, "key": key.key.get_secret_value()} for key in (OLD, codec_key("2026-09"))])
CAMPAIGNS = """
campaign: cart
delivery:
  type: action_based
  trigger: [{event: cart_abandoned}]
  delay: {after: 3 days}
messages:
  push: {title: Still thinking?, body: Hello}
"""


@dataclass
class Encrypted:
    """A `connector dev` with codec keys, a follow-up that waits in it, a codec server, and keys for that."""

    dev: DevProcess
    workflow_id: str
    user_key: str
    codec: str
    keys: dict[str, str]

    @property
    def page(self) -> str:
        return f"{self.dev.running['ui_url']}/namespaces/default/workflows/{quote(self.workflow_id, safe='')}"

    async def ask(self, path: str, given: str | None, body: Any, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {given}"} if given else {}
        async with httpx.AsyncClient(base_url=self.codec, headers=sent | headers) as client:
            return await client.post(path, content=body if isinstance(body, bytes) else json.dumps(body))


@asynccontextmanager
async def codec_server(dev: DevProcess, **settings: str) -> AsyncIterator[str]:
    """Run `connector codec-server` for the UI of this `connector dev` until the block ends."""
    address = f"http://127.0.0.1:{(port := find_free_port(0, option=''))}"
    words = ("codec-server", "--port", str(port), "--origin", dev.running["ui_url"])
    with (dev.folder / "codec.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "starter.cli", *words,
            cwd=ROOT, env=dev.environment | settings, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        async with httpx.AsyncClient() as client:

            async def answers() -> bool:
                assert process.returncode is None, (dev.folder / "codec.log").read_text()
                try:
                    return (await client.get(f"{address}/healthz")).is_success
                except httpx.TransportError:
                    return False

            await until(answers, "a codec server that answers", seconds=60)
        yield address
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.fixture(scope="module")
async def encrypted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Encrypted]:
    folder = tmp_path_factory.mktemp("codec")
    dev = DevProcess(folder)
    (folder / "keys.json").write_text(RING)
    dev.environment["CONNECTOR_CODEC_KEYS_FILE"] = str(folder / "keys.json")
    (folder / "cart.yaml").write_text(CAMPAIGNS)
    await dev.start()
    try:
        for words in (("apply", str(folder / "cart.yaml")), ("publish", "cart")):
            code, printed = await dev.run(*words)
            assert code == 0, printed
        assert (await dev.http.put("/v1/users/u", json={"push_tokens": ["phone"]})).is_success
        event = {"id": "e1", "user": "u", "type": "event", "name": "cart_abandoned", "occurred_at": now().isoformat()}
        assert await dev.report(event) == ["accepted"]
        workflow_id = (await dev.follow_ups("cart"))[0]["workflow_id"]
        keys = {scope: await _create_key(dev, scope) for scope in ("read", "manage", "ingest")}
        async with codec_server(dev) as address:
            yield Encrypted(dev, workflow_id, workflow_id.split("/")[3], address, keys)
    finally:
        await dev.stop()


async def _create_key(dev: DevProcess, scope: str) -> str:
    _, printed = await dev.run("keys", "create", "--name", scope, "--scope", scope)
    found = re.search(r"ck_\S+", printed)
    assert found, printed
    return found[0]


async def _payloads(encrypted: Encrypted) -> list[Any]:
    """The payloads of the follow-up's history as Temporal stores them."""
    client = await Client.connect(encrypted.dev.running["temporal_address"])
    handle = client.get_workflow_handle(encrypted.workflow_id)

    async def has_waited() -> bool:
        events = (await handle.fetch_history()).events
        return any(event.HasField("timer_started_event_attributes") for event in events)

    await until(has_waited, "the timer")
    return [payload for event in (await handle.fetch_history()).events for payload in payloads_in(event)]


def as_json(payload: Any) -> dict[str, Any]:
    metadata = {name: base64.b64encode(value).decode() for name, value in payload.metadata.items()}
    return {"metadata": metadata, "data": base64.b64encode(payload.data).decode()}


async def test_temporal_stores_no_clear_text(encrypted: Encrypted) -> None:
    """Input, summaries and details of the follow-up, as whoever reads Temporal's database finds them."""
    payloads = await _payloads(encrypted)
    assert len(payloads) >= 4
    assert {payload.metadata["encoding"] for payload in payloads} == {ENCODING}
    stored = (encrypted.dev.folder / "data" / "temporal.db").read_bytes()
    assert b"Waits until" not in stored


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/decode", None, 401), ("/decode", "wrong", 401), ("/decode", "ingest", 403), ("/decode", "manage", 403),
        ("/decode", "read", 200),
        ("/encode", None, 401), ("/encode", "wrong", 401), ("/encode", "ingest", 403), ("/encode", "read", 403),
        ("/encode", "manage", 200),
    ],
)  # fmt: skip
async def test_who_may_ask(encrypted: Encrypted, path: str, key: str | None, status: int) -> None:
    """A key with `read` decodes, a key with `manage` encodes; without a key neither works, even in `connector dev`."""
    sealed = as_json((await _payloads(encrypted))[0])
    answer = await encrypted.ask(path, encrypted.keys.get(key or "", key), {"payloads": [sealed]})
    assert answer.status_code == status
    assert ("payloads" in answer.json()) == (status == 200)
    if status == 200:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("path", "key"), [("/decode", None), ("/decode", "ingest"), ("/encode", "read")])
async def test_no_body_is_read_without_the_scope(encrypted: Encrypted, path: str, key: str | None) -> None:
    """The refusal comes while the body, which never ends, is still being sent."""
    lines = [f"POST {path} HTTP/1.1", "Host: h", "Content-Length: 1000"]
    if key is not None:
        lines.append(f"Authorization: Bearer {encrypted.keys[key]}")
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(encrypted.codec).port)
        writer.write("\r\n".join([*lines, "", '{"payloads": [']).encode())
        status = await reader.readline()
    writer.close()
    assert status.split()[1] == (b"401" if key is None else b"403")


@pytest.mark.parametrize(("origin", "allowed"), [("ui", True), ("https://evil.example", False), ("null", False)])
async def test_origins(encrypted: Encrypted, origin: str, allowed: bool) -> None:
    """Pages of the UI's origin may call and read, refusals included; those of others may not."""
    origin = encrypted.dev.running["ui_url"] if origin == "ui" else origin
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-namespace"}
    async with httpx.AsyncClient(base_url=encrypted.codec, headers={"Origin": origin}) as client:
        preflight = await client.options("/decode", headers=asked)
        refused = await client.post("/decode", json={"payloads": []})
    assert preflight.is_success == allowed
    for answer in (preflight, refused):
        assert (answer.headers.get("Access-Control-Allow-Origin") == origin) == allowed
    assert refused.status_code == 401


async def test_the_temporal_program(encrypted: Encrypted) -> None:
    """`temporal workflow show` prints clear text with the codec server and a key, and only then."""
    await _payloads(encrypted)
    codec = ("--codec-endpoint", encrypted.codec, "--codec-auth")
    show = ("workflow", "show", "-w", encrypted.workflow_id, "--output", "json")
    printed = {
        "without": await _temporal(encrypted, *show),
        "ingest": await _temporal(encrypted, *show, *codec, f"Bearer {encrypted.keys['ingest']}"),
        "read": await _temporal(encrypted, *show, *codec, f"Bearer {encrypted.keys['read']}"),
    }
    inputs = {name: _input(text) for name, text in printed.items()}
    assert {name: b'"follow_up_id"' in text for name, text in inputs.items()} == {
        "without": False, "ingest": False, "read": True,
    }  # fmt: skip


def _input(shown: str) -> bytes:
    """Return the workflow's input as `temporal workflow show --output json` prints it; nothing if it failed."""
    if not shown.startswith("{"):
        return b""
    [started, *_] = json.loads(shown)["events"]
    return base64.b64decode(started["workflowExecutionStartedEventAttributes"]["input"]["payloads"][0]["data"])


async def _temporal(encrypted: Encrypted, *words: str) -> str:
    program = str(Path(sys.executable).with_name("temporal"))
    process = await asyncio.create_subprocess_exec(
        program, *words, "--address", encrypted.dev.running["temporal_address"],
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={"HOME": os.environ.get("HOME", "/")},
    )  # fmt: skip
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    return printed.decode()


@pytest.mark.timeout(180)
async def test_the_web_ui(encrypted: Encrypted, tmp_path: Path) -> None:
    """In Chromium: encrypted at first; after signing in at the codec server with `read`, and only then, readable."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium on the PATH, so the UI cannot be driven")
    await _payloads(encrypted)
    clear = """document.body.innerText.includes('"follow_up_id": ')"""
    async with open_page(chromium, tmp_path / "profile") as page:
        await page.open(encrypted.page)
        await page.until('/Input\\s+"[A-Za-z0-9+\\/]{40}/.test(document.body.innerText)')
        assert not await page.evaluate(clear)
        await _use_codec_server(page, encrypted.codec)
        await page.open(encrypted.page)
        await page.until("document.body.innerText.includes('Codec Server could not connect')")
        assert not await page.evaluate(clear)
        await page.open(encrypted.codec.replace("//", f"//{encrypted.keys['read']}:x@"))
        await page.until("document.body.innerText.includes('may decode')")
        await page.open(encrypted.page)
        await page.until(clear)
        # The workflow's summary and details, which the UI shows in frames.
        await page.open(await page.evaluate("document.querySelector(\"a[href$='/user-metadata']\").href"))
        await page.until("[...document.querySelectorAll('iframe')].some(f => f.src.includes('content=cart%20'))")


async def _use_codec_server(page: Page, address: str) -> None:
    """Set what the UI's dialog about the codec server sets."""
    settings = {"endpoint": address, "includeCredentials": True, "overrideRemoteCodecConfiguration": True}
    for name, value in settings.items():
        await page.evaluate(f"localStorage.setItem({json.dumps(name)}, {json.dumps(json.dumps(value))})")
