"""The API that CONNECTOR_API_URL names may be hostile: no command obeys, waits for or trusts its answers."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connector.app.context import build_context
from connector.rules.model.errors import ConnectorError
from connector.settings.application import Settings
from connector.settings.remote import RemoteSettings
from connector.store.engine.database import Database
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from starter.api.openapi.examples import EXAMPLES
from starter.api.openapi.operation_ids import published_id
from starter.cli import COMMANDS, run_command
from starter.commands.calls import open_api
from starter.commands.places import OFFLINE, REFUSED
from starter.remote import client as client_module
from starter.remote.client import ApiClient
from starter.remote.registration import get
from tests.support.api import KEY, configured
from tests.support.terminals import DEFINITIONS, EVIL, dangerous

COMMANDS_OVER_HTTP: dict[str, list[str]] = {
    "apply": ["FILE"],
    "archive": ["a"],
    "audit": [""],
    "backtest": ["a --since 1_day"],
    "campaigns": ["", "a", "a --review"],
    "cancel": ["a", "--campaign a"],
    "cleanup": ["--dry-run"],
    "doctor": [""],
    "explain": ["a", "--follow-up a", "a --svg OUT"],
    "follow-ups": [""],
    "graph": ["", "--out OUT"],
    "interact": ["--user u --type start_session"],
    "keys": ["list", "create --name a --scope read", "rotate abc", "revoke abc"],
    "plan": ["FILE"],
    "postpone": ["a --by 1_hour", "--campaign a --by 1_hour"],
    "preview": ["a", "a --html OUT"],
    "publish": ["a"],
    "report": ["a --html OUT"],
    "reports": ["", "--retry"],
    "resend": ["a", "--campaign a"],
    "resolve": ["a --sent --note n", "--campaign a --sent --note n"],
    "resume": ["a --dry-run", "a"],
    "send-now": ["a", "--campaign a"],
    "simulate": ["--campaigns FILE --like u --since 1_day"],
    "status": ["", "a", "--attention"],
    "stop": ["a"],
    "users": ["find a@b.example", "show a", "history a", "split a", "erase a --yes"],
    "workspace": [""],
}
"""Words of every command that calls the API; `_` is a space in a word."""


def test_every_command_is_here() -> None:
    """A command that is added is tried here too."""
    names = {name for summaries in COMMANDS.values() for name in summaries}
    assert set(COMMANDS_OVER_HTTP) == names - (set(OFFLINE) - {"simulate"}) - set(REFUSED)


def spoiled(value: Any) -> Any:
    """Return an answer whose texts, but for times, try to take over the terminal; so do its names."""
    if isinstance(value, dict):
        return {name: spoiled(one) for name, one in value.items()} | {EVIL: EVIL}
    if isinstance(value, list):
        return [spoiled(one) for one in value]
    return EVIL if isinstance(value, str) and not value[:4].isdecimal() else value


def mistyped(value: Any) -> Any:
    """Return an answer that has a text where there is a number or a list, and a number where there is a text."""
    if isinstance(value, dict):
        return {name: mistyped(one) for name, one in value.items()}
    return 7 if isinstance(value, str) else EVIL


_EVIL_FAULT = {"key": EVIL, "problem": [EVIL], "line": EVIL, "file": 1}
ANSWERS: dict[str, Callable[[Any], tuple[int, Any]]] = {
    "evil texts": lambda example: (200, spoiled(example)),
    "wrong types": lambda example: (200, mistyped(example)),
    "nothing of it": lambda _: (200, {EVIL: EVIL}),
    "a refusal": lambda _: (409, _error(EVIL, EVIL, problems=[EVIL, 1])),
    "faults": lambda _: (422, _error(EVIL, EVIL, faults=[_EVIL_FAULT])),
    "a failure": lambda _: (500, _error("internal", EVIL)),
    "an error of wrong types": lambda _: (400, _error(1, [EVIL], problems=EVIL, faults=[1])),
}


def _error(code: Any, message: Any, **details: Any) -> Any:
    return {"error": {"code": code, "message": message, "details": details}}


class HostileApi(ThreadingHTTPServer):
    """Answers each route with its example, as `spoil` changes it."""

    daemon_threads = True

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spoil = ANSWERS["evil texts"]
        keys = {published_id(key): key for key in EXAMPLES}
        self._examples = [
            (
                method.upper(),
                re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path)),
                EXAMPLES[keys[described["operationId"]]],
            )
            for path, methods in sorted(document["paths"].items(), key=lambda one: one[0].count("{"))
            for method, described in methods.items()
            if described["operationId"] in keys
        ]

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str, path: str) -> tuple[int, Any]:
        """Return the status and the body."""
        found = (one.answer for verb, pattern, one in self._examples if verb == method and re.fullmatch(pattern, path))
        return self.spoil(next(found, {"status": "ready", "checks": [{"name": "database", "status": "ok"}]}))


def _pattern(path: str) -> str:
    return re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path))


class _Handler(BaseHTTPRequestHandler):
    server: HostileApi

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = self.server.answer(self.command, self.path.partition("?")[0])
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("X-Request-Id", "\x1b[31m\x9b2J")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileApi]:
    """A hostile API on a port of its own."""
    app = create_app(
        build_context(Settings(), Database.open("sqlite+aiosqlite:////nowhere/connector.db")), Keys(configured(KEY))
    )
    with HostileApi(app.openapi()) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def run(
    hostile: HostileApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """Run a command over the hostile API; return what it printed, which must be harmless."""
    monkeypatch.setenv("CONNECTOR_API_URL", hostile.url)
    monkeypatch.setenv("CONNECTOR_API_KEY", KEY)
    monkeypatch.setenv("CONNECTOR_DATA", str(tmp_path / "none"))
    (tmp_path / "c.yaml").write_text(DEFINITIONS)
    places = {"FILE": str(tmp_path / "c.yaml"), "OUT": str(tmp_path / "out")}

    def run(words: str) -> str:
        code = run_command([places.get(word, word.replace("_", " ")) for word in words.split()])
        printed = "".join(capsys.readouterr())
        assert code in (0, 1), (words, printed)
        assert not dangerous(printed), (words, printed)
        assert "\nfake: line" not in printed, (words, printed)
        return printed

    return run


@pytest.mark.parametrize("answer", ["evil texts", "wrong types"])
@pytest.mark.usefixtures("logging_restored")
def test_no_terminal_obeys_it(hostile: HostileApi, answer: str, run: Callable[[str], str]) -> None:
    """Every command prints what it gets escaped, and ends by itself; what it cannot read may be of another version."""
    hostile.spoil = ANSWERS[answer]
    for name, endings in COMMANDS_OVER_HTTP.items():
        for ending in endings:
            printed = run(f"{name} {ending}")
            assert ("Traceback" in printed) == ("an API of another version" in printed)


@pytest.mark.parametrize("answer", list(ANSWERS)[2:])
@pytest.mark.usefixtures("logging_restored")
def test_no_terminal_obeys_an_error(hostile: HostileApi, answer: str, run: Callable[[str], str]) -> None:
    """Errors, and answers without what was asked for, are printed escaped too."""
    hostile.spoil = ANSWERS[answer]
    for words in ("status", "publish a"):
        assert run(words)


URL = "https://connector.shop.example"
SETTINGS = RemoteSettings(url=URL, key=SecretStr(KEY))


async def _send(answer: Any) -> object:
    async with ApiClient(SETTINGS, transport=httpx.MockTransport(answer)) as client:
        return await client.send(get("/v1/status"))


async def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without end is refused, also one that is small only while it is compressed."""
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 100_000)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"[" * 10_000

    packed = gzip.compress(b"0" * 1_000_000)
    for content, headers in ((endless(), {}), (packed, {"Content-Encoding": "gzip"})):
        response = httpx.Response(200, content=content, headers=headers)
        with pytest.raises(ConnectorError, match="is larger than 100,000 bytes"):
            await _send(lambda _, response=response: response)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff\xfe", b"1" * 10_000, b"NaN", b""])
async def test_an_answer_that_is_no_json_object_is_refused(content: bytes) -> None:
    """Too deeply nested, not UTF-8, a number that is too long, NaN, and an empty body."""
    with pytest.raises(ConnectorError, match="does not answer as the connector's API does"):
        await _send(lambda _: httpx.Response(200, content=content))


@pytest.mark.parametrize(
    ("url", "is_warned"),
    [
        ("http://shop.example", True),
        ("http://10.0.0.7:8080", True),
        ("http://localhost.shop.example", True),
        ("http://[2001:db8::1]:8080", True),
        ("https://shop.example", False),
        ("http://localhost:8080", False),
        ("http://127.0.0.1:8080", False),
        ("http://127.9.9.9", False),
        ("http://[::1]:8080", False),
    ],
)
def test_a_key_that_others_can_read(url: str, is_warned: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning names the way out; without a key there is nothing to read."""
    assert not RemoteSettings(url=url).sends_key_unprotected
    open_api(RemoteSettings(url=url, key=SecretStr(KEY)))
    printed = capsys.readouterr()
    assert (printed.out, "write https://, or go through a tunnel" in printed.err) == ("", is_warned)
