"""The worker's own port: `/healthz`, `/readyz` and `/metrics`, for probes and for Prometheus.

It needs no key, so it listens on loopback unless `CONNECTOR_WORKER_HOST` says otherwise; nothing on it names a user or
has a secret. Every answer comes within some seconds, whatever does not answer the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.app.context import AppContext
from connector.app.http_server import serve_until, server_config
from connector.app.metrics_page import CONTENT_TYPE_LATEST, MetricsPage
from connector.app.preflight import listen
from connector.temporal.runtime import serve_sdk_metrics

_log = structlog.get_logger("worker")
_MAX_CONNECTIONS = 32

ReadinessCheck = Callable[[], Awaitable[tuple[int, dict[str, Any]]]]
"""Returns the status code and the body of `/readyz`."""


def create_probe_app(page: MetricsPage, check: ReadinessCheck) -> Starlette:
    """Return the application with the three routes."""

    async def alive(_: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def ready(_: Request) -> Response:
        status, body = await check()
        return JSONResponse(body, status)

    async def metrics(_: Request) -> Response:
        return Response(await page.render(), media_type=CONTENT_TYPE_LATEST)

    routes = {"/healthz": alive, "/readyz": ready, "/metrics": metrics}
    return Starlette(routes=[Route(path, answer) for path, answer in routes.items()])


@asynccontextmanager
async def open_worker_port(context: AppContext, stopped: asyncio.Event) -> AsyncIterator[None]:
    """Serve the port until the block ends, if the settings name one. Raises PortTaken.

    Args:
        stopped: once it is set, the worker is not ready: it only completes what it has begun.
    """
    settings = context.settings
    if settings.worker_port is None:
        yield
        return

    async def check() -> tuple[int, dict[str, Any]]:
        if stopped.is_set():
            return 503, {"status": "not_ready", "note": "the worker is stopping"}
        found = await context.probe.read()
        return found.http_status("worker"), found.body("worker")

    with listen(settings.worker_host, settings.worker_port, option="CONNECTOR_WORKER_PORT") as socket:
        host, port = socket.getsockname()[:2]
        _log.info("worker_port_listens", host=host, port=port)
        page = MetricsPage(context.gauges, sdk=serve_sdk_metrics())
        ended = asyncio.Event()
        config = server_config(create_probe_app(page, check), _MAX_CONNECTIONS, lifespan="off")
        serving = asyncio.create_task(serve_until(ended, config, socket))
        try:
            yield
        finally:
            ended.set()
            await serving
            await page.close()
