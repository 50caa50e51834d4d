"""The examples of the OpenAPI document, sent to the real program with its worker: they are what really comes back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.testing import WorkflowEnvironment

from connector.app.context import AppContext, build_context
from connector.settings.client import ClientSettings
from connector.settings.inbox import InboxSettings
from connector.store.engine.database import Database
from connector.temporal.client import TemporalLink
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from starter.api.openapi.examples import EXAMPLES, Example
from starter.api.openapi.operation_ids import published_id
from tests.support.api import KEY, configured
from tests.support.builders import now
from tests.support.workspace import Workspace, settings_for, working

AT_ONCE = {
    "delivery": {
        "type": "action_based",
        "trigger": [{"interaction": "receive_push", "campaign": "abandoned-cart"}],
    },
    "messages": {
        "push": {"title": "Hi", "body": "15% off", "buttons": [{"id": "snooze", "label": "Later"}]},
        "in_app_message": {"title": "Hi", "body": "15% off", "buttons": [{"id": "ok", "label": "OK"}]},
    },
}


NOWHERE = (
    *("tracking-", "webhooks-"),
    *("follow-ups-resolve_message", "follow-ups-resend_messages", "follow-ups-read_follow_up"),
    *("follow-ups-send_one_now", "follow-ups-postpone_one", "follow-ups-cancel_one"),
    *("keys-rotate_key", "keys-revoke_key"),
)
"""No provider is set up here, and the examples' tracked link, follow-up and key do not exist: the answers say so."""


class Player:
    """Sends examples, with the ids that this run has in the place of theirs."""

    def __init__(self, client: httpx.AsyncClient, document: dict[str, Any]) -> None:
        self._client = client
        self._places = {
            operation["operationId"]: (method, path)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        self.ids: dict[str, str] = {}

    async def play(self, name: str) -> Any:
        """The answer as JSON, None where it has none."""
        example = EXAMPLES[name]
        method, path = self._places[published_id(name)]
        said = {key: self.ids.get(key, value) for key, value in example.parameters.items()}
        query = {key: value for key, value in said.items() if f"{{{key}}}" not in path}
        body = _today(example.body)
        answer = await self._client.request(method, path.format(**said), params=query, json=body)
        assert answer.is_success or (name.startswith(NOWHERE) and answer.status_code == 404), (name, answer.text)
        return answer.json() if example.answer is not None and answer.is_success else None

    async def begin(self) -> None:
        """What the examples take for granted: two more campaigns, all of them published, and no user."""
        for name, definition in (("abandoned-cart", {"delivery": {"type": "external"}}), ("welcome-back", AT_ONCE)):
            saved = await self._client.put(f"/v1/campaigns/{name}", json=definition)
            assert saved.is_success, saved.text
        published = await self._client.post("/v1/campaigns/abandoned-cart/publish", json={"with_follow_ons": True})
        assert published.is_success, published.text

    async def find(self) -> None:
        """The ids of the push and the message that went out: both are decided once the follow-up is sent."""
        async with asyncio.timeout(15):
            while True:
                listed = await self._client.get("/v1/follow-ups", params={"campaign": "welcome-back", "state": "sent"})
                if found := listed.json()["follow_ups"]:
                    break
                await asyncio.sleep(0.05)
        inbox = await self._client.get("/v1/users/u-17/inbox")
        self.ids = {"delivery": f"{found[0]['id']}.push", "message": inbox.json()["messages"][0]["id"]}


@pytest.fixture
async def player(
    environment: WorkflowEnvironment, sqlite_database: Database, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Player]:
    """A workspace of its own with API and worker, in real time."""
    workspace = Workspace(sqlite_database, environment).name
    settings = settings_for(workspace, sqlite_url, tmp_path)
    secrets = ["a secret of thirty-two characters or more"]
    update = {"inbox": InboxSettings(secrets=secrets), "client": ClientSettings(secrets=secrets)}
    settings = settings.model_copy(update=update)
    context: AppContext = build_context(settings, sqlite_database, TemporalLink(environment.client))
    app = create_app(context, Keys(configured(KEY)))
    with environment.with_time_skipping_disabled():
        async with working(environment, settings), app.router.lifespan_context(app):
            headers = {"Authorization": f"Bearer {KEY}"}
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
                yield Player(client, app.openapi())


def _today(body: Any) -> Any:
    """The body with times of today: the examples' would be too old some day."""
    if isinstance(body, dict) and "interactions" in body:
        later = now().isoformat()
        items = [
            {name: later if value == "2026-03-02T12:00:00Z" else value for name, value in item.items()}
            for item in body["interactions"]
        ]
        return {**body, "interactions": items}
    return body


def _check(name: str, example: Example, answer: Any) -> None:
    if example.view is not None:
        example.view.model_validate(answer)
        example.view.model_validate(example.answer)
    assert _keys(answer) == _keys(example.answer), name


def _keys(value: Any) -> Any:
    """The keys of the outermost objects: what stands deeper depends on what happened."""
    return sorted(value) if isinstance(value, dict) else type(value).__name__


async def test_examples_are_what_comes_back(player: Player) -> None:
    """Every example, one after the other, on one workspace."""
    names = list(EXAMPLES)
    await player.play("campaigns-save_campaign")
    await player.begin()
    for name in names:
        if name == "inbox-mint_token":
            await player.find()
        example = EXAMPLES[name]
        answer = await player.play(name)
        if answer is not None:
            _check(name, example, answer)
        elif example.view is not None:
            example.view.model_validate(example.answer)
