"""Clients generated from the OpenAPI document: they import, compile, and read real data from a real API."""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import httpx
import pytest

from connector.app.logs import configure_logs
from connector.settings.application import Settings
from tests.support.api import KEY
from tests.support.databases import open_migrated_database
from tests.support.installation import Installation
from tests.support.node_packages import installed_packages, node_version
from tests.support.served_api import serving_api

HERE = Path(__file__).parent
_SECONDS = 60.0
SOURCES = HERE / "typescript"
PUSH = {"push": {"title": "Hi", "body": "15% off"}}
DEFINITIONS: list[dict[str, Any]] = [
    {"campaign": "abandoned-cart", "delivery": {"type": "external"}, "messages": PUSH},
    {
        "campaign": "cart-reminder",
        "delivery": {
            "type": "action_based",
            "trigger": [{"event": "cart_abandoned"}, {"interaction": "receive_push", "campaign": "abandoned-cart"}],
            "delay": {"after": "1 day"},
            "exceptions": [{"event": "make_purchase"}],
        },
        "messages": PUSH,
    },
]
USERS = ("ada", "ben", "eve", "tom", "u-17")
EXPECTED = {
    "reported": ["accepted"],
    "firstName": "Ada",
    "trigger": 2,
    "campaigns": ["abandoned-cart", "cart-reminder"],
    "pages": 3,
    "missing": [404, "not_found"],
    "wrong": [401, "unauthorized"],
}


async def _fill(url: str) -> None:
    """Publish an original and a follow-on, and let five users trigger it, one of whom buys something."""
    async with open_migrated_database(url) as database:
        installation = Installation(database)
        await installation.publish(*DEFINITIONS)
        await installation.ingest(*({"user": user, "type": "event", "name": "cart_abandoned"} for user in USERS))
        await installation.ingest({"user": "eve", "type": "make_purchase"})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path) -> Iterator[str]:
    """A real API with follow-ups of five users, without Temporal."""
    folder = tmp_path_factory.mktemp("api")
    url = f"sqlite+aiosqlite:///{shutil.copy(_sqlite_template, folder / 'connector.db')}"
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
        changed.setenv("NO_PROXY", "127.0.0.1")
        configure_logs("auto", level="ERROR")
        asyncio.run(_fill(url))
        with serving_api(Settings(database_url=url, data=folder)) as served:
            headers = {"Authorization": f"Bearer {KEY}"}
            for name in USERS:
                described = {"first_name": name.title() if name != "u-17" else "Ada"}
                user = f"{served}/v1/users/{name}"
                httpx.put(user, json=described, headers=headers, timeout=_SECONDS).raise_for_status()
            yield served


@pytest.fixture(scope="module")
def document(address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document that the API serves to everybody, as a file."""
    file = tmp_path_factory.mktemp("document") / "openapi.json"
    file.write_text(httpx.get(f"{address}/openapi.json", timeout=_SECONDS).raise_for_status().text)
    return file


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program; return what it prints."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def python_client(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package that openapi-python-client generates, imported."""
    folder = tmp_path_factory.mktemp("python")
    name = f"generated_{uuid4().hex}"
    options = ("--path", document, "--meta", "none", "--output-path", name, "--config", HERE / "python.yaml")
    printed = run(sys.executable, "-m", "openapi_python_client", "generate", *options, cwd=folder)
    assert "WARNING" not in printed, printed
    with pytest.MonkeyPatch.context() as changed:
        changed.syspath_prepend(folder)
        yield importlib.import_module(name)


def test_python_modules_import(python_client: ModuleType) -> None:
    """Every model and every operation."""
    found = [module.name for module in pkgutil.walk_packages(python_client.__path__, f"{python_client.__name__}.")]
    assert len(found) > 150
    for name in found:
        importlib.import_module(name)


def test_python_reads_real_data(python_client: ModuleType, address: str) -> None:
    """A report, a user, a definition as a model, pages by cursor, and errors as models."""

    def operation(name: str) -> ModuleType:
        return importlib.import_module(f"{python_client.__name__}.api.{name}")

    models = importlib.import_module(f"{python_client.__name__}.models")
    with python_client.AuthenticatedClient(base_url=address, token=KEY) as client:
        item = models.Event(user="u-17", type_=models.EventType.EVENT, name="cart_abandoned")
        body = models.Interactions(interactions=[item])
        reported = operation("interactions.record_interactions").sync(client=client, body=body)
        campaign = operation("campaigns.read_campaign").sync("cart-reminder", client=client)
        listed = operation("campaigns.read_status").sync(client=client)
        states, pages, after = list[str](), 0, None
        while pages == 0 or after is not None:
            more = {"after": after} if after is not None else {}
            page = operation("follow_ups.list_follow_ups").sync(
                client=client, campaign="cart-reminder", limit=2, **more
            )
            states, pages, after = [*states, *(str(one.state) for one in page.follow_ups)], pages + 1, page.next_
        user = operation("users.read_user").sync("u-17", client=client)
        missing = operation("campaigns.read_campaign").sync_detailed("nothing", client=client)
    with python_client.AuthenticatedClient(base_url=address, token="wrong") as client:
        wrong = operation("campaigns.read_status").sync_detailed(client=client)
    read = {
        "reported": [str(one.status) for one in reported.results],
        "firstName": user.first_name,
        "trigger": len(campaign.definition.delivery.trigger),
        "campaigns": [one.id for one in listed.campaigns],
        "states": states,
        "pages": pages,
        "missing": [missing.status_code, missing.parsed.error.code],
        "wrong": [wrong.status_code, wrong.parsed.error.code],
    }
    check(read)


def check(read: dict[str, Any]) -> None:
    """Check what a client read: five follow-ups, of which one was cancelled, and a refused second trigger."""
    assert sorted(read.pop("states")) == ["excepted", *["waiting"] * 4]
    assert read == EXPECTED


@pytest.mark.timeout(300)
def test_typescript_compiles_and_reads_real_data(document: Path, address: str, tmp_path: Path) -> None:
    """@hey-api/openapi-ts generates, tsc checks strictly, and Node runs it."""
    is_old = node_version() < (20, 19)  # Debian 12 has Node.js 18: the last version of the generator that runs on it
    manifest = SOURCES / "node18/package.json" if is_old else SOURCES / "package.json"
    packages = installed_packages(manifest, "generated-client", oldest_node=(18, 0))
    shutil.copytree(SOURCES, tmp_path, dirs_exist_ok=True)
    (tmp_path / "node_modules").symlink_to(packages / "node_modules")
    programs = packages / "node_modules" / ".bin"
    shutil.copy(document, tmp_path)
    run(programs / "openapi-ts", cwd=tmp_path)
    run(programs / "tsc", "-p", ".", cwd=tmp_path)
    check(json.loads(run("node", "built/read.js", address, KEY, "u-17", cwd=tmp_path)))
