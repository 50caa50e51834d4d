"""The OpenAPI document: whole, with an example of everything, and true of every answer that a generator can provoke."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from connector.app.context import AppContext
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from starter.api.openapi import responses as answers
from starter.api.openapi.examples import EXAMPLES
from starter.api.openapi.operation_ids import METHOD_NAMES, published_id
from tests.support.api import KEY, configured
from tests.support.polling import until
from tests.support.schemathesis import assert_documented

SAVING = tuple(map(published_id, ("campaigns-save_campaign", "definitions-apply")))


def _each(option: str, values: Sequence[str]) -> list[str]:
    """Return an option with each of the values."""
    return [word for value in values for word in (option, value)]


@pytest.fixture
def document(context: AppContext) -> dict[str, Any]:
    return create_app(context, Keys(configured(KEY))).openapi()


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return answers.operations(document)


def test_every_operation_has_an_example_and_no_other(document: dict[str, Any]) -> None:
    """An operation that is added or goes takes its example and its name with it."""
    ids = [operation["operationId"] for operation in _operations(document)]
    assert sorted(ids) == sorted(map(published_id, EXAMPLES))
    assert {*answers._EXTRA_STATUSES, *answers._ALL_STATUSES, *METHOD_NAMES} <= EXAMPLES.keys()


def test_operation_ids_are_names_of_methods(document: dict[str, Any]) -> None:
    """Each says what it does to what, in at least two words, and there are no two of one name."""
    ids = [operation["operationId"] for operation in _operations(document)]
    assert len(set(ids)) == len(ids)
    assert [one for one in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)+", one) and one != "unsubscribe"] == []


def test_every_operation_is_told_in_words(document: dict[str, Any]) -> None:
    """A summary, a tag, a description, and a schema for each answer that has a body."""
    for operation in _operations(document):
        assert all(operation.get(word) for word in ("summary", "tags", "description")), operation["operationId"]
        for status, response in operation["responses"].items():
            assert response["description"], (operation["operationId"], status)
            for content in response.get("content", {}).values():
                assert content.get("schema") or content.get("example"), (operation["operationId"], status)


@pytest.mark.parametrize(
    ("operation_id", "statuses"),
    [
        ("operation-alive", {200}),
        ("operation-ready", {200, 503}),
        ("segment-track", {200, 400, 401, 403, 408, 415, 429, 503}),
        ("segment-import_history", {200, 400, 401, 403, 408, 415, 429, 503}),
        ("webhooks-take_events", {204, 400, 403, 404, 408, 413, 503}),
        ("interactions-take_interactions", {200, 400, 401, 403, 408, 413, 415, 422, 429, 503}),
        ("campaigns-stop", {200, 400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 504}),
        ("inbox-mint_token", {200, 400, 401, 403, 408, 409, 410, 413, 415, 422, 429, 503}),
        ("users-read_user", {200, 401, 403, 404, 422, 429, 503}),
    ],
)
def test_what_an_operation_may_answer(document: dict[str, Any], operation_id: str, statuses: set[int]) -> None:
    """The route documents exactly these, and `Retry-After` for those that invite a retry."""
    (operation,) = (one for one in _operations(document) if one["operationId"] == published_id(operation_id))
    assert set(map(int, operation["responses"])) == statuses
    if operation_id != "operation-ready":  # which is polled anyway
        waits = [
            status
            for status, response in operation["responses"].items()
            if "Retry-After" in response.get("headers", {})
        ]
        assert set(map(int, waits)) == statuses & {429, 503}


def test_who_takes_no_options_reads_a_body_all_the_same(document: dict[str, Any]) -> None:
    """The body is optional, and unknown keys in it are refused. The body of an order has its reason."""

    def optional(model: str) -> list[str]:
        return sorted(
            one["operationId"]
            for one in _operations(document)
            if f"/{model}" in json.dumps(one.get("requestBody", {})) and not one["requestBody"]["required"]
        )

    assert optional("NoOptions") == ["create_inbox_token", "create_user_token", "open_push"]
    assert optional("OrderOptions") == ["archive_campaign", "resume_campaign", "revoke_key", "stop_campaign"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """No schema points at one that is not there."""
    text = json.dumps(document)
    named = {part.split('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}
    assert named <= document["components"]["schemas"].keys()


@pytest.fixture
async def address(context: AppContext) -> AsyncIterator[str]:
    """The application on a real port of this machine."""
    server = uvicorn.Server(
        uvicorn.Config(create_app(context, Keys(configured(KEY), rate=1e6)), port=0, log_config=None, access_log=False)
    )
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started, "the start of the server")
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "phases",
    [
        # Generating every combination of a campaign's many keys takes a minute and more: it is drawn from instead.
        # What saves campaigns is not among the others, because an order about a known one needs Temporal.
        ["--phases", "examples,coverage,fuzzing", "--max-examples", "4", *_each("--exclude-operation-id", SAVING)],
        ["--phases", "examples,fuzzing", "--max-examples", "75", *_each("--include-operation-id", SAVING)],
    ],
)
async def test_no_request_gets_an_answer_that_is_not_told(address: str, tmp_path: Path, phases: list[str]) -> None:
    """Schemathesis sends right and wrong requests to every operation: no server error, no undocumented status."""
    await assert_documented(address, tmp_path, "--header", f"Authorization: Bearer {KEY}", *phases)


async def test_the_document_is_served(address: str) -> None:
    """Without a key, for whoever writes a client."""
    async with httpx.AsyncClient(base_url=address) as client:
        assert (await client.get("/openapi.json")).json()["info"]["title"] == "Campaign Connector"
