"""Schemathesis sends right and wrong requests with a key of each scope: no server error, no undocumented answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.client_keys import KeyedApi, keyed_api, sign
from tests.support.schemathesis import assert_documented

DRAWN = ("--phases", "examples,fuzzing", "--max-examples", "2")


@pytest.fixture(scope="module")
async def api(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KeyedApi]:
    """A real server with a rate that no caller exceeds."""
    folder = tmp_path_factory.mktemp("generated")
    async with keyed_api(_sqlite_template, folder, CONNECTOR_CLIENT_USER_RATE="1000") as started:
        yield started


@pytest.mark.timeout(300)
@pytest.mark.parametrize("caller", ["client", "ingest", "read", "operator"])
async def test_no_scope_gets_an_answer_that_is_not_documented(api: KeyedApi, caller: str, tmp_path: Path) -> None:
    """Also if the scope is missing, and for a client with its user's token."""
    headers = [f"Authorization: Bearer {api.keys[caller]}"]
    headers += [f"X-User-Token: {sign('u-17')}"] if caller == "client" else []
    sent = [word for header in headers for word in ("--header", header)]
    await assert_documented(f"http://127.0.0.1:{api.process.port}", tmp_path, *DRAWN, *sent)
