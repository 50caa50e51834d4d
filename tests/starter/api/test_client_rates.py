"""The rate of a client's key: a refused request counts for no user, and the user's own rate applies first."""

from __future__ import annotations

import httpx
import pytest

from connector.app.context import AppContext, build_context
from connector.rules.model.api_keys import Scope
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.key_cache import ApiKeyCache
from starter.api.access.scopes import Keys
from starter.operations.api_keys import ApiKeyService
from tests.support.actors import OPERATOR
from tests.support.api import Clock, open_client
from tests.support.client_keys import CLIENT_SECRET, sign


@pytest.fixture
def context(sqlite_database: Database) -> AppContext:
    """An application that accepts user tokens."""
    return build_context(Settings.model_validate({"client": {"secrets": [CLIENT_SECRET]}}), sqlite_database)


async def test_only_requests_of_users_count(context: AppContext) -> None:
    """The key has a burst of 4 and each user one of 2: neither a stranger with the key nor one user takes all of it."""
    issued = await ApiKeyService(context.database, context.workspace, OPERATOR).create("app", [Scope.CLIENT], rate=2)
    keys = Keys(stored=ApiKeyCache(context.database, context.workspace), user_rate=1, clock=Clock())

    async def status(token: str | None, path: str = "/v1/interactions") -> int:
        headers = {} if token is None else {"X-User-Token": token}
        async with open_client(context, given=issued.secret.text, keys=keys) as app:
            answer: httpx.Response = await app.post(path, json={"interactions": []}, headers=headers)
        return answer.status_code

    for _ in range(10):
        assert await status(None) == 401
        assert await status(sign("a", seconds=-1)) == 401
        assert await status(sign("a"), "/v1/campaigns/c/publish") == 403
    assert [await status(sign("a")) for _ in range(5)] == [200, 200, 429, 429, 429]
    assert [await status(sign("b")) for _ in range(3)] == [200, 200, 429]
    assert await status(sign("c")) == 429, "the rate of the key is used up"
