"""The bare baseline of ingest: the same server and database with a route that only inserts what it receives.

Run as `python -m bench.bare_server DATABASE_URL PORT`.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic_core import from_json
from sqlalchemy import insert

from connector.app.event_loop import run_service
from connector.app.preflight import listen
from connector.settings.application import Settings
from connector.store.engine.database import Database
from connector.store.tables import interactions
from starter.api.server import uvicorn_config

_WORKSPACE = "bench"


def create_bare_app(database: Database) -> FastAPI:
    """Create an application whose one route inserts a JSON body into the log, in one statement and one transaction."""
    app = FastAPI()

    @app.get("/healthz")
    async def check_alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.post("/v1/interactions")
    async def insert_interactions(request: Request) -> Response:
        items = from_json(await request.body())["interactions"]
        rows = [_row(item) for item in items]
        async with database.write(_WORKSPACE) as tx:
            await tx.execute(insert(interactions), rows)
        return Response(b'{"results":[]}', media_type="application/json")

    return app


def _row(item: dict[str, Any]) -> dict[str, Any]:
    at = datetime.fromisoformat(item["occurred_at"]).astimezone(UTC)
    return {
        "workspace": _WORKSPACE,
        "day": at.date(),
        "id": item["id"],
        "seq": 0,
        "user_key": item["user"],
        "kind": "event",
        "topic": item.get("name", item["type"]),
        "target": None,
        "target_kind": None,
        "t": at,
        "occurred_at": at,
        "received_at": at,
        "properties": item["properties"],
    }


async def _serve(url: str, port: int) -> None:
    database = Database.open(url)
    with listen("127.0.0.1", port, option="PORT") as socket:
        await uvicorn.Server(uvicorn_config(create_bare_app(database), Settings())).serve(sockets=[socket])


if __name__ == "__main__":
    run_service(_serve(sys.argv[1], int(sys.argv[2])))
