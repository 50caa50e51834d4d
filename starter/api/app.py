"""The HTTP application, made from the parts that it works with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import Depends, FastAPI

from starter.api import (
    campaigns,
    explain,
    follow_ups,
    health,
    inbox,
    inbox_token,
    interactions,
    metrics,
    openapi,
    pushes,
    results,
    tracking,
    users,
)
from starter.api.admission import Admission
from starter.api.cross_origin import InboxOrigins
from starter.api.errors import answer_errors
from starter.api.keys import Keys, Scope, needs
from starter.api.requests import Requests
from starter.compose import Parts
from starter.webhooks import twilio


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
    app.state.parts, app.state.keys, app.state.tracking = parts, keys, tracking.open_tracking(parts)
    app.include_router(health.router)
    app.include_router(inbox.router)
    app.include_router(inbox_token.router)
    app.include_router(pushes.router)
    app.include_router(tracking.router)
    for resource in (interactions, users, explain, campaigns, results, follow_ups, metrics):
        app.include_router(resource.router, dependencies=[Depends(needs(Scope.MANAGE))])
    app.include_router(twilio.router)  # its caller signs what it sends
    answer_errors(app)
    openapi.describe(app)
    app.add_middleware(InboxOrigins, origins=parts.settings.inbox.origins)
    app.add_middleware(Admission, limits=parts.settings.api_limits)
    app.add_middleware(Requests)
    return app


@asynccontextmanager
async def _sweep(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    stopped = asyncio.Event()
    sweep = asyncio.create_task(parts.outbox.run(stopped))
    try:
        async with tracking.taking_in(app.state.tracking):
            yield
    finally:
        stopped.set()
        await sweep


def _version() -> str:
    try:
        return version("campaign-connector")
    except PackageNotFoundError:
        return "0"
