"""The HTTP application, made from the parts that it works with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI

from connector.app.context import AppContext
from starter.api.access import inbox_token
from starter.api.access.cross_origin import InboxOrigins
from starter.api.access.scopes import Keys
from starter.api.openapi import document as openapi
from starter.api.requests.admission import Admission
from starter.api.requests.errors import answer_errors
from starter.api.requests.middleware import RequestMiddleware
from starter.api.routes import (
    campaigns,
    explain,
    follow_ups,
    health,
    inbox,
    interactions,
    metrics,
    pushes,
    results,
    segment,
    tracking,
    users,
)
from starter.webhooks import routes as webhooks
from starter.webhooks.protocol import WebhookProvider
from starter.webhooks.registry import open_providers


def create_app(context: AppContext, keys: Keys, providers: Mapping[str, WebhookProvider] | None = None) -> FastAPI:
    """The application. While it runs, it sweeps the outbox, so that follow-ups begin at once.

    Args:
        keys: who may call; see `keys_for`.
        providers: whose webhooks are taken in, by name; None: those that are set up.
    """
    app = FastAPI(
        title="Campaign Connector",
        version=_version(),
        lifespan=_sweep,
        generate_unique_id_function=openapi.operation_id,
        description="Follow-on campaigns that start when a user interacts with another campaign.",
    )
    app.state.context, app.state.keys, app.state.tracking = context, keys, tracking.open_tracking(context)
    app.state.providers = open_providers(context.settings) if providers is None else providers
    app.state.provider_intake = webhooks.open_intake(context)
    app.include_router(health.router)
    app.include_router(tracking.router)
    app.state.segment = segment.open_mapping(context)
    keyed = (interactions, segment, users, explain, inbox, inbox_token, pushes, campaigns, results, follow_ups, metrics)
    for resource in keyed:
        app.include_router(resource.router)  # every route says which scopes it needs
    app.include_router(webhooks.router)  # their callers sign what they send
    answer_errors(app)
    openapi.describe(app)
    app.add_middleware(InboxOrigins, origins=context.settings.inbox.origins)
    app.add_middleware(Admission, limits=context.settings.api_limits)
    app.add_middleware(RequestMiddleware)
    return app


@asynccontextmanager
async def _sweep(app: FastAPI) -> AsyncIterator[None]:
    context: AppContext = app.state.context
    stopped = asyncio.Event()
    sweep = asyncio.create_task(context.outbox.run(stopped))
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
