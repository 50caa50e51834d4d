"""A real API with keys of every scope, and callers of it: apps with a user token, and servers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from connector.rules.model.api_keys import Scope
from connector.store.engine.database import Database
from starter.operations.api_keys import ApiKeyService
from tests.support.actors import OPERATOR
from tests.support.api_process import ApiProcess, api_process
from tests.support.installation import Installation

CLIENT_SECRET = "a secret that only the team's servers know"
ORIGIN = "https://shop.example"
ATTRIBUTES = ("theme", "first_name")
BANNER = {"card": "banner", "title": "t", "body": "b"}
CAMPAIGN = {"campaign": "o", "delivery": {"type": "external"}}
_ENVIRONMENT = {
    "CONNECTOR_CLIENT_SECRETS": json.dumps([CLIENT_SECRET]),
    "CONNECTOR_CLIENT_ORIGINS": json.dumps([ORIGIN]),
    "CONNECTOR_CLIENT_ATTRIBUTES": json.dumps(ATTRIBUTES),
    "CONNECTOR_INBOX_SECRETS": json.dumps([CLIENT_SECRET]),
    "CONNECTOR_INBOX_ORIGINS": json.dumps(["https://inbox.example"]),
}


@dataclass(frozen=True)
class KeyedApi:
    """A real API process, and its keys by the name of the caller: each scope, and `revoked`."""

    process: ApiProcess
    database: Database
    keys: Mapping[str, str]

    def caller(self, name: str | None, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """Return a client that sends the key of this name, and a user token if one is given."""
        sent = {} if name is None else {"Authorization": f"Bearer {self.keys.get(name, name)}"}
        sent |= {} if token is None else {"X-User-Token": token}
        base = f"http://127.0.0.1:{self.process.port}"
        return httpx.AsyncClient(base_url=base, headers={**sent, **headers}, timeout=60)

    def app(self, user: str, **headers: str) -> httpx.AsyncClient:
        """Return an app on the phone of a user."""
        return self.caller("client", sign(user), **headers)


def sign(
    user: str,
    *,
    secret: str = CLIENT_SECRET,
    workspace: str = "default",
    seconds: float = 600,
    purpose: str = "user-v1",
) -> str:
    """Return a user token as a team's server signs it, by the words of docs/keys.md."""
    encoded = _base64(user.encode())
    expires_at = int(time.time() + seconds)
    signed = f"{purpose}.{workspace}.{encoded}.{expires_at}"
    signature = _base64(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))
    return f"{purpose}.{encoded}.{expires_at}.{signature}"


@asynccontextmanager
async def keyed_api(template: Path, folder: Path, **environment: str) -> AsyncIterator[KeyedApi]:
    """Serve the API on a copy of this SQLite file, with a campaign and a card, until the block ends."""
    url = f"sqlite+aiosqlite:///{shutil.copy(template, folder / 'connector.db')}"
    database = Database.open(url)
    try:
        await Installation(database).publish(BANNER, CAMPAIGN)
        service = ApiKeyService(database, "default", OPERATOR)
        issued = {scope.value: await service.create(scope.value, [scope], rate=1000) for scope in Scope}
        issued["servers"] = await service.create("servers", [Scope.INGEST, Scope.READ], rate=1000)
        issued["revoked"] = await service.create("revoked", [Scope.INGEST, Scope.READ, Scope.MANAGE])
        await service.revoke(issued["revoked"].key.id)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**_ENVIRONMENT, **environment}.items():
                patch.setenv(name, value)
            async with api_process(url, folder / "api.log") as process:
                yield KeyedApi(process, database, {name: key.secret.text for name, key in issued.items()})
    finally:
        await database.close()


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
