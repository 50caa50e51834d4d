"""Every route for every caller: what docs/keys.md lists, what the application declares, what a real server answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.app.context import build_context
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from tests.support.client_keys import KeyedApi, keyed_api, sign
from tests.support.route_matrix import (
    ALLOWED,
    CALLERS,
    CLIENT_WITH_TOKEN,
    PAGE,
    Security,
    expected_answers,
    load_routes,
    split_page,
    write_table,
)

USER = "id"
"""The paths' parameters are replaced by their names, so this is the user of `/v1/users/{id}/inbox`."""


@pytest.fixture
def routes(sqlite_database: Database) -> dict[str, Security]:
    """The routes of the application, with what each asks for."""
    return load_routes(create_app(build_context(Settings(), sqlite_database), Keys()))


def test_the_page_has_the_matrix(routes: dict[str, Security]) -> None:
    """`python -m tests.support.route_matrix` brings the page up to date."""
    assert split_page(PAGE.read_text())[1] == write_table(routes)


@pytest.fixture
async def api(_sqlite_template: Path, tmp_path: Path) -> AsyncIterator[KeyedApi]:
    """A real server."""
    async with keyed_api(_sqlite_template, tmp_path) as started:
        yield started


async def test_every_route_answers_every_caller_as_the_page_lists(routes: dict[str, Security], api: KeyedApi) -> None:
    """The server refuses exactly the callers that the page refuses, and does so before it checks anything else."""
    async with AsyncExitStack() as stack:
        callers: dict[str, httpx.AsyncClient] = {}
        for name in CALLERS:
            key = {"no key": None, CLIENT_WITH_TOKEN: "client", "ingest, read": "servers"}.get(name, name)
            token = sign(USER) if name == CLIENT_WITH_TOKEN else None
            callers[name] = await stack.enter_async_context(api.caller(key, token))
        for route, security in routes.items():
            verb, path = route.replace("{", "").replace("}", "").split(" ")
            for name, expected in expected_answers(security).items():
                answer = await callers[name].request(verb, path, content=None if verb == "GET" else b"not JSON")
                assert _as_in_the_page(answer) == expected, (route, name, answer.text)


def _as_in_the_page(answer: httpx.Response) -> str:
    """Return the status of a refusal of the caller; a 403 that names no missing scope is about what the path names."""
    if answer.status_code in (401, 429):  # after 20 wrong keys of one address the status is 429
        return "401"
    if answer.status_code == 403:
        details: dict[str, Any] = answer.json()["error"].get("details", {})
        return "403" if "missing" in details else ALLOWED
    return ALLOWED
