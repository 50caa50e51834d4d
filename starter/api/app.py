"""The HTTP application, made from the parts that it works with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import Depends, FastAPI

from starter.api import campaigns, explain, follow_ups, health, interactions, metrics, openapi, users
from starter.api.errors import answer_errors
from starter.api.keys import Keys, check_key
from starter.api.requests import Requests
from starter.compose import Parts


def create_app(parts: Parts, keys: Keys) -> FastAPI:
    """The application. While it runs, it sweeps the outbox, so that follow-ups begin at once.

    Args:
        keys: who may call; see `keys_for`.
    """
    app = FastAPI(
        title="Campaign Connector",
        version=_version(),
        lifespan=_sweep,
        description="Follow-on campaigns that start when a user interacts with another campaign.",
    )
    app.state.parts, app.state.keys = parts, keys
    app.include_router(health.router)
    for resource in (interactions, users, explain, campaigns, follow_ups, metrics):
        app.include_router(resource.router, dependencies=[Depends(check_key)])
    answer_errors(app)
    openapi.describe(app)
    app.add_middleware(Requests)
    return app


@asynccontextmanager
async def _sweep(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    stopped = asyncio.Event()
    sweep = asyncio.create_task(parts.outbox.run(stopped))
    try:
        yield
    finally:
        stopped.set()
        await sweep


def _version() -> str:
    try:
        return version("campaign-connector")
    except PackageNotFoundError:
        return "0"
