"""The audit trail is complete: every change has an entry, by every starter and from inside Temporal."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import typer
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from temporalio.testing import ActivityEnvironment, WorkflowEnvironment

from activities.publish import Publisher
from connector import names
from connector.app.context import build_context
from connector.app.logs import configure_logs
from connector.rules.model.api_keys import Scope
from connector.rules.model.audit import IN_TEMPORAL, Act, Actor, ActorKind, AuditAction
from connector.rules.model.joining import IdPair, Joiner
from connector.store.audit import AuditEntry, AuditFilter, list_audit, record_audit
from connector.store.catalogue.cache import CatalogueCache
from connector.store.tables import follow_ups
from connector.store.users.linking import link_ids
from connector.store.users.users import resolve_and_lock
from connector.temporal.client import TemporalLink
from connector.wire import OperatorRequest, Order
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from starter.api.openapi import responses
from starter.api.openapi.operation_ids import published_id
from starter.cli import COMMANDS, load_command
from starter.operations.api_keys import ApiKeyService, load_keys
from tests.support.api import KEY, configured
from tests.support.builders import ORIGINAL, now
from tests.support.polling import until
from tests.support.workspace import LATER, Workspace, settings_for

Command = Callable[..., Awaitable[tuple[int, str, str]]]
ME = Actor(ActorKind.COMMAND_LINE, pwd.getpwuid(os.getuid()).pw_name, origin=socket.gethostname())
WHY = "why it was done"
EXTERNAL = {"delivery": {"type": "external"}}

SCHEDULED = {"delivery": {"type": "scheduled", "send": "at_publish"}, "messages": {"push": {"title": "a", "body": "b"}}}

ROUTES: dict[str, tuple[str, str, Any, str]] = {
    "campaigns-save_campaign": (
        "PUT",
        f"/v1/campaigns/nudge?reason={WHY}",
        {"delivery": {"type": "external"}},
        "apply",
    ),
    "campaigns-send_test_message": (
        "POST",
        "/v1/campaigns/nudge/send-test",
        {"reason": WHY, "address": "a-token", "definition": {**SCHEDULED, "campaign": "nudge"}},
        "send_test",
    ),
    "campaigns-publish": ("POST", "/v1/campaigns/nudge/publish", {"reason": WHY}, "publish"),
    "campaigns-stop": ("POST", "/v1/campaigns/nudge/stop", {"reason": WHY}, "stop"),
    "campaigns-resume": ("POST", "/v1/campaigns/nudge/resume", {"reason": WHY}, "resume"),
    "campaigns-order": ("POST", "/v1/orders", {"verb": "stop", "ids": ["nudge"], "reason": WHY}, "stop"),
    "campaigns-archive": ("POST", "/v1/campaigns/nudge/archive", {"reason": WHY}, "archive"),
    "definitions-apply": (
        "POST",
        "/v1/apply",
        {"definitions": [{"campaign": "n", **EXTERNAL}], "reason": WHY},
        "apply",
    ),
    "definitions-save_workspace": ("PUT", f"/v1/workspace?reason={WHY}", {"zone": "Asia/Tokyo"}, "apply"),
    "users-split": ("POST", f"/v1/users/visitor/split?reason={WHY}", None, "undo_join"),
    "users-erase": ("DELETE", f"/v1/users/u?reason={WHY}", None, "erase_user"),
}
"""Every route that needs `manage` and changes something: a call that succeeds in this order, and the action."""

ROUTES_OF_ADMIN: dict[str, tuple[str, str, Any, str]] = {
    "keys-create_key": ("POST", "/v1/keys", {"name": "shop", "scopes": ["read"], "reason": WHY}, "create_key"),
    "keys-rotate_key": ("POST", "/v1/keys/KEY/rotate", {"reason": WHY}, "rotate_key"),
    "keys-revoke_key": ("POST", "/v1/keys/KEY/revoke", {"reason": WHY}, "revoke_key"),
    "cleanup-clean_up": ("POST", "/v1/cleanup", {"reason": WHY}, "clean_up"),
    "provider-events-match_events": ("POST", "/v1/provider-events/match", {"note": WHY}, "retry_reports"),
}
"""The same for keys, the cleanup and providers' events; KEY is the id of the key that the first call creates."""

TWO_ENTRIES = ("/v1/orders", "/v1/provider-events/match")
"""The paths of other acts than orders of one campaign that leave an entry before the work and one after it."""

ROUTES_OF_REPAIRS = {
    f"follow-ups-{name}"
    for name in (
        *("resolve_message", "resolve_many", "resend_messages", "resend_many"),
        *("send_many_now", "postpone_many", "cancel_many"),
        *("send_one_now", "postpone_one", "cancel_one"),  # the commands of the table below call the same operations
    )
}
"""Those that need follow-ups in other states; tests/starter/operations looks at the entries of what they call."""

COMMANDS_WITH_ENTRIES: dict[str, tuple[str, str]] = {
    "apply": ("FOLDER", "apply"),
    "publish": ("nudge", "publish"),
    "stop": ("nudge", "stop"),
    "resume": ("nudge", "resume"),
    "archive": ("nudge", "archive"),
    "postpone": ("FOLLOW_UP --by 1_hours", "postpone"),
    "send-now": ("FOLLOW_UP", "send_now"),
    "cancel": ("ANOTHER_ONE", "cancel"),
    "reports": ("--retry", "retry_reports"),
    "cleanup": ("", "clean_up"),
    "keys create": ("--name shop --scope ingest", "create_key"),
    "keys rotate": ("KEY", "rotate_key"),
    "keys revoke": ("KEY", "revoke_key"),
    "users split": ("visitor", "undo_join"),
    "users erase": ("u --yes", "erase_user"),
}
"""Every command that changes something: words with which it succeeds, and the action. `_` is a space in a word."""

COMMANDS_WITHOUT = {  # those of the first line read
    *("plan", "status", "simulate", "backtest", "explain", "audit", "keys list", "settings", "follow-ups", "doctor"),
    *("users find", "users history", "users show", "graph", "report"),
    *("demo", "dev", "worker", "api", "console", "codec-server", "setup"),  # they run or prepare processes
    *("resolve", "resend"),  # they do, as ROUTES_OF_REPAIRS do
    "preview",  # it does if it sends a test, which needs a provider: tests/starter/operations/test_marked_sends.py
    *("schema", "init", "validate"),  # they need files only
    *("campaigns", "workspace", "graph", "report"),
    "interact",  # it reports what users did, which the log keeps
}


async def trail(workspace: Workspace) -> list[AuditEntry]:
    """Return all entries, oldest first."""
    async with workspace.database.read(workspace.name) as tx:
        return (await list_audit(tx, AuditFilter(), 1000))[::-1]


@pytest.fixture
async def api(
    workspace: Workspace, environment: WorkflowEnvironment, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """The API of a workspace whose worker runs."""
    context = build_context(
        settings_for(workspace.name, sqlite_url, tmp_path), workspace.database, TemporalLink(environment.client)
    )
    app = create_app(context, Keys(configured(KEY)))
    headers = {"Authorization": f"Bearer {KEY}", "X-Request-Id": "r-1"}
    transport = httpx.ASGITransport(app, client=("10.0.0.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
        client.app = app  # type: ignore[attr-defined]
        yield client


def managing_operations(document: dict[str, Any]) -> set[str]:
    """Return the operations that need `manage` or `admin` and are not reads."""
    return {
        operation["operationId"]
        for methods in document["paths"].values()
        for method, operation in methods.items()
        if method != "get"
        and any({"manage", "admin"} & {*scopes} for one in operation.get("security", []) for scopes in one.values())
    }


async def _request(api: httpx.AsyncClient, method: str, path: str, body: Any) -> httpx.Response:
    """Return the answer, after the cleanup that the worker does by itself when it starts."""

    async def answered() -> httpx.Response | None:
        answer = await api.request(method, path, json=body)
        return None if "cleanup_runs" in answer.text else answer

    answer: httpx.Response = await until(answered, f"an answer of {path}")
    return answer


async def test_every_route_that_manages_leaves_an_entry(workspace: Workspace, api: httpx.AsyncClient) -> None:
    """Who (the key's id), from where, what, why, the request's id; of an order also that it was requested before."""
    managing = (*ROUTES, *ROUTES_OF_ADMIN, *ROUTES_OF_REPAIRS)
    assert managing_operations(api.app.openapi()) == set(map(published_id, managing))  # type: ignore[attr-defined]
    assert {*responses._EXTRA_STATUSES} >= ROUTES.keys()
    await workspace.open(ORIGINAL)
    await api.post("/v1/track", json={"event": "visit", "anonymousId": "visitor"})
    assert (await api.post("/v1/alias", json={"previousId": "visitor", "userId": "u"})).is_success
    actor = Actor(ActorKind.KEY, "env-1", "10.0.0.7", "r-1")
    key = ""
    for operation, (method, path, body, action) in (ROUTES | ROUTES_OF_ADMIN).items():
        before = await trail(workspace)
        answer = await _request(api, method, path.replace("KEY", key), body)
        assert answer.is_success, (operation, answer.text)
        key = answer.json()["id"] if action == "create_key" else key
        new = (await trail(workspace))[len(before) :]
        outcomes = ["requested", "done"] if "/nudge/" in path or path in TWO_ENTRIES else ["done"]
        assert [entry.act.outcome for entry in new] == outcomes, operation
        assert {(entry.actor, entry.act.action.value, entry.act.reason) for entry in new} == {(actor, action, WHY)}
    [joined] = (await api.get("/v1/audit", params={"action": "join_users"})).json()["entries"]
    assert (joined["actor"]["id"], joined["details"]) == ("env-1", {"route": "alias"})
    page = (await api.get("/v1/audit", params={"limit": 1, "subject": "nudge"})).json()
    assert page["entries"][0]["action"] == "archive"
    older = (await api.get("/v1/audit", params={"limit": 1, "subject": "nudge", "before": page["next"]})).json()
    assert (older["entries"][0]["outcome"], older["entries"][0]["act_id"]) == (
        "requested",
        page["entries"][0]["act_id"],
    )


def all_commands() -> set[str]:
    """Return every command, those of a group by the names of both."""
    found = set()
    for name in (name for summaries in COMMANDS.values() for name in summaries):
        command = load_command(name)
        is_group = isinstance(command, typer.core.TyperGroup)
        found |= {f"{name} {one}" for one in command.commands} if is_group else {name}
    return found


def test_every_command_is_known_to_leave_an_entry_or_to_need_none() -> None:
    """A new command must be put into one of the two tables."""
    assert all_commands() == COMMANDS_WITH_ENTRIES.keys() | COMMANDS_WITHOUT
    assert not COMMANDS_WITH_ENTRIES.keys() & COMMANDS_WITHOUT


@pytest.fixture
def command(workspace: Workspace, sqlite_url: str, tmp_path: Path) -> Command:
    """Run `connector` as a process on the workspace's database and Temporal: (exit code, output, errors)."""
    environment = os.environ | {
        "TEMPORAL_ADDRESS": workspace.client.service_client.config.target_host,
        "CONNECTOR_DATABASE_URL": sqlite_url,
        "CONNECTOR_WORKSPACE": workspace.name,
        "CONNECTOR_DATA": str(tmp_path),
        **dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), "mallory"),
    }

    async def run(*words: str) -> tuple[int, str, str]:
        pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "starter.cli", *words, env=environment, stdin=asyncio.subprocess.DEVNULL, **pipes
        )
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    return run


async def two_waiting(workspace: Workspace) -> list[str]:
    """Return the ids of the follow-ups of two users, whose workflows have started."""
    for user in ("u", "v"):
        item = {"id": f"push-{user}", "user": user, "type": "receive_push", "campaign": "o"}
        [result] = await workspace.intake.ingest([{**item, "occurred_at": now().isoformat()}])
        assert result.status == "accepted"

    async def find() -> list[str] | None:
        started = select(follow_ups.c.id).where(follow_ups.c.started_at.is_not(None)).order_by(follow_ups.c.user_key)
        async with workspace.database.read(workspace.name) as tx:
            ids = list((await tx.execute(started)).scalars())
        return ids if len(ids) == 2 else None

    ids: list[str] = await until(find, "two follow-ups that wait")
    return ids


@pytest.mark.timeout(300)
async def test_every_command_that_changes_something_leaves_an_entry(
    workspace: Workspace, command: Command, tmp_path: Path
) -> None:
    """The entry has the user of the operating system, whatever the environment names, the host and the reason."""
    folder = tmp_path / "campaigns"
    folder.mkdir()
    (folder / "nudge.yaml").write_text("campaign: nudge\ndelivery: {type: external}\n")
    await workspace.open(ORIGINAL, LATER)
    one, another = await two_waiting(workspace)
    async with workspace.database.write(workspace.name) as tx:
        await resolve_and_lock(tx, ["visitor"], now(), anonymous=["visitor"])
        await link_ids(tx, [IdPair("visitor", "u")], Joiner(ME, may_join_identified=False, route="batch"), now())
    code, out, _ = await command("keys", "create", "--name", "first", "--scope", "read", "--json")
    known = {"FOLDER": str(folder), "FOLLOW_UP": one, "ANOTHER_ONE": another, "KEY": json.loads(out)["id"]}
    for name, (words, action) in COMMANDS_WITH_ENTRIES.items():
        before = await trail(workspace)
        why = "--note" if action in ("postpone", "send_now", "cancel") else "--reason"
        given = [known.get(word, word.replace("_", " ") if word[0].isdigit() else word) for word in words.split()]
        code, out, err = await command(*name.split(), *given, why, WHY)
        assert code == 0, (name, out, err)
        for words_of_a_person in ("'u'", one, another):  # nothing that an erasure would have to change
            assert words_of_a_person not in str((await trail(workspace))[len(before) :]), name
        new = (await trail(workspace))[len(before) :]
        assert {entry.act.outcome for entry in new} | {"requested"} == {"requested", "done"}, name
        assert {(entry.actor, entry.act.action.value, entry.act.reason) for entry in new} == {(ME, action, WHY)}, name
    code, out, _ = await command("audit", "--actor", ME.id or "", "--action", "stop", "--json")
    assert [entry["outcome"] for entry in json.loads(out)["entries"]] == ["done", "requested"]
    code, out, err = await command("audit", "--limit", "1")
    assert ("erase_user" in out, "--before" in err) == (True, True)


async def test_the_side_door_leaves_entries_too(workspace: Workspace) -> None:
    """What is ordered, updated or closed in Temporal itself has an entry without an actor, whatever id it borrows."""
    await workspace.open(ORIGINAL, LATER)
    one, another = await two_waiting(workspace)
    users = [(await row_of(workspace, id)).user_key for id in (one, another)]
    before = len(await trail(workspace))
    await (await workflow_of(workspace, one)).execute_update(names.CANCEL, OperatorRequest(note="by hand"))
    await (await workflow_of(workspace, another)).terminate()
    await until(lambda: _has_entries(workspace, before + 2), "two entries")
    borrowed = Order(workspace=workspace.name, order_id=uuid4().hex, verb="resume", ids=("later",))
    async with workspace.database.write(workspace.name) as tx:
        await record_audit(tx, ME, Act(AuditAction.RESUME, "later", outcome="requested", act_id=borrowed.act_id))
    order = borrowed.model_copy(update={"verb": "stop"})
    await workspace.client.get_workflow_handle(names.registry_id(workspace.name)).execute_update("stop", order)
    new = [entry for entry in (await trail(workspace))[before:] if entry.act.outcome == "done"]
    assert {entry.actor for entry in new} == {IN_TEMPORAL}
    found = [(entry.act.action.value, entry.act.subject, entry.act.outcome) for entry in new]
    assert found == [("cancel", users[0], "done"), ("cancel", users[1], "done"), ("stop", "later", "done")]


async def _has_entries(workspace: Workspace, count: int) -> bool:
    return len(await trail(workspace)) >= count


async def workflow_of(workspace: Workspace, id: str) -> Any:
    return workspace.workflow_of(await row_of(workspace, id))


async def row_of(workspace: Workspace, id: str) -> Any:
    async with workspace.database.read(workspace.name) as tx:
        return (await tx.execute(select(follow_ups).where(follow_ups.c.id == id))).one()


async def test_a_refused_order_leaves_what_was_refused(workspace: Workspace, api: httpx.AsyncClient) -> None:
    """With the problems; nothing took effect."""
    await workspace.open(ORIGINAL)
    await workspace.order("archive", "o")
    before = await trail(workspace)
    answer = await api.post("/v1/campaigns/o/resume", json={})
    assert answer.status_code == 409
    requested, refused = (await trail(workspace))[len(before) :]
    assert (requested.act.outcome, refused.act.outcome) == ("requested", "refused")
    assert requested.act.act_id == refused.act.act_id
    assert refused.act.details["problems"] == answer.json()["error"]["details"]["problems"]


async def test_what_cannot_be_recorded_does_not_happen(
    workspace: Workspace, api: httpx.AsyncClient, logging_restored: None
) -> None:
    """The entry and the act are one transaction: without the entry no draft, no order, no key and no erasure."""
    configure_logs("json")  # structlog's own default draws every local variable of a traceback, which takes minutes
    await workspace.open(ORIGINAL)
    await api.put("/v1/users/u", json={"first_name": "Ada"})
    refuse = "CREATE TRIGGER no_room BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END"
    async with workspace.database.write(workspace.name) as tx:
        await tx.execute(text(refuse))
    keys = ApiKeyService(workspace.database, workspace.name, ME)
    for call in (
        api.put("/v1/campaigns/nudge", json=EXTERNAL),
        api.post("/v1/campaigns/o/stop", json={}),
        api.delete("/v1/users/u"),
    ):
        assert (await call).status_code == 500
    with pytest.raises(DBAPIError, match="no room"):
        await keys.create("shop", [Scope.INGEST])
    order = Order(workspace=workspace.name, order_id=uuid4().hex, verb="stop", ids=("o",))
    publisher = Publisher(workspace.database, CatalogueCache(workspace.name), workspace.name)
    with pytest.raises(DBAPIError, match="no room"):
        await ActivityEnvironment().run(publisher.carry_out_order, order)
    assert (await api.get("/v1/campaigns/nudge")).status_code == 404
    assert (await api.get("/v1/campaigns/o")).json()["state"] == "active"
    assert (await api.get("/v1/users/u")).json()["first_name"] == "Ada"
    assert (await load_keys(workspace.database, workspace.name))[0] == []
