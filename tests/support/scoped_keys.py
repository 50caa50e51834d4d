"""API keys with single scopes for a real API process."""

from __future__ import annotations

from connector.rules.model.api_keys import Scope
from connector.store.engine.database import Database
from starter.operations.api_keys import ApiKeyService
from tests.support.actors import OPERATOR


async def create_keys(url: str, *names: str) -> dict[str, str]:
    """Create a key for each of these names, whose scopes are joined by `+`; return the keys as texts by name."""
    database = Database.open(url)
    try:
        service = ApiKeyService(database, "default", OPERATOR)
        issued = {name: await service.create(name, tuple(Scope(one) for one in name.split("+"))) for name in names}
        return {name: one.secret.text for name, one in issued.items()}
    finally:
        await database.close()
