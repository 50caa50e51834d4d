"""The FastAPI application: routes, middleware and error handlers around one `AppContext`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache

from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import BaseRoute

from connector.app.context import AppContext
from connector.app.version import program_version
from starter.api.access.origins import AllowedOrigins
from starter.api.access.scopes import Keys
from starter.api.openapi import document as openapi
from starter.api.requests.admission import Admission
from starter.api.requests.errors import install_error_handlers
from starter.api.requests.middleware import NO_TELEMETRY, RequestMiddleware
from starter.api.requests.paths import EncodedPaths, decode_path_parameters
from starter.api.requests.query import check_parameters
from starter.api.routes import (
    api_docs,
    api_keys,
    audit,
    campaigns,
    cleanup,
    definitions,
    follow_ups,
    inbox,
    interactions,
    operation,
    orders,
    overview,
    previews,
    provider_events,
    pushes,
    repairs,
    segment,
    status,
    tracking,
    user_logs,
    users,
    webhooks,
)
from starter.webhooks.protocol import WebhookProvider
from starter.webhooks.registry import open_providers


def create_app(context: AppContext, keys: Keys, providers: Mapping[str, WebhookProvider] | None = None) -> FastAPI:
    """Create the application. While it runs, it also runs the outbox, so that follow-ups start at once.

    Args:
        keys: who may call; see `keys_for`.
        providers: the providers whose webhooks are accepted, by name; None: those that are configured.
    """
    app = FastAPI(
        title="Campaign Connector",
        version=program_version(),
        lifespan=_sweep,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if context.settings.api_docs else None,
        routes=list(_routes(context.settings.api_docs)),
        redirect_slashes=False,  # a redirect would lead to another user
        telemetry=NO_TELEMETRY,
        description="Follow-on campaigns that start when a user interacts with another campaign.",
    )
    app.state.context, app.state.keys, app.state.tracking = context, keys, tracking.open_tracking(context)
    app.state.providers = open_providers(context.settings) if providers is None else providers
    app.state.provider_intake = webhooks.open_intake(context)
    app.state.segment = segment.open_mapping(context)
    install_error_handlers(app)
    openapi.describe(app)
    settings = context.settings
    app.add_middleware(AllowedOrigins, inbox=settings.inbox.origins, client=settings.client.origins)
    app.add_middleware(Admission, limits=context.settings.api_limits)
    app.add_middleware(EncodedPaths)
    app.add_middleware(RequestMiddleware)
    return app


@cache
def _routes(docs: bool) -> tuple[BaseRoute, ...]:
    """Return every route, the same objects for each application of a process.

    FastAPI analyses what a route depends on at its first request, which takes longer than most requests.
    """
    router = APIRouter(dependencies=[Depends(decode_path_parameters)], generate_unique_id_function=openapi.operation_id)
    open_to_all = (operation, api_docs, tracking) if docs else (operation, tracking)
    # every route of these declares the scopes that it needs; those of the webhooks check signatures
    of_campaigns = (campaigns, definitions, orders, status, previews, overview)
    of_operators = (follow_ups, repairs, provider_events, audit, api_keys, cleanup)
    keyed = (interactions, segment, users, user_logs, inbox, pushes, *of_campaigns, *of_operators)
    for resource in (*open_to_all, *keyed, webhooks):
        checks = [Depends(check_parameters)] if resource in keyed else []
        router.include_router(resource.router, dependencies=checks)
    return tuple(router.routes)


@asynccontextmanager
async def _sweep(app: FastAPI) -> AsyncIterator[None]:
    context: AppContext = app.state.context
    stopped = asyncio.Event()
    sweep = asyncio.create_task(context.outbox.run(stopped))
    try:
        async with tracking.ingesting_visits(app.state.tracking):
            yield
    finally:
        stopped.set()
        await sweep
