"""Attacks on the marks of erased users, which once were ids of the form `erased:` and a hash."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from connector.app.store_context import StoreContext
from connector.rules.model.audit import Actor, ActorKind, AuditAction
from connector.rules.model.users import User
from connector.rules.provider_events.events import EventKind, ProviderEvent
from connector.settings.application import Settings
from connector.store.audit import AuditFilter, list_audit
from connector.store.engine.database import Database
from connector.store.tables import erased_users, users
from connector.store.users.descriptions import save_user
from connector.store.users.users import UserErased
from starter.operations.erasure import erase as erase_user
from tests.support.api_process import ApiProcess, api_process
from tests.support.builders import ABANDONED, BASE, ORIGINAL, push
from tests.support.databases import forget_users, open_database
from tests.support.installation import Installation
from tests.support.provider_event_harness import ProviderEventHarness
from tests.support.traces import Traces


def old_mark(id: str) -> str:
    """Return the id by which earlier versions knew the erased user."""
    return f"erased:{hashlib.sha256(id.encode()).hexdigest()}"


@pytest.fixture(scope="module")
async def _api(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiProcess]:
    async with open_database(module_database_url) as database:
        await Installation(database).publish(ORIGINAL, ABANDONED)
    async with api_process(module_database_url, tmp_path_factory.mktemp("marks") / "api.log") as served:
        yield served


@pytest.fixture
async def api(_api: ApiProcess, module_database_url: str) -> ApiProcess:
    """The API as a process of its own, with a follow-on of a push; it knows no users yet."""
    await forget_users(module_database_url)
    return _api


@pytest.fixture
async def its_database(module_database_url: str) -> AsyncIterator[Database]:
    """The database of the API."""
    async with open_database(module_database_url) as database:
        yield database


async def report(api: ApiProcess, id: str, user: str) -> str:
    """Report a push to a user, and return the item's status."""
    answer = await api.client.post("/v1/interactions", json={"interactions": [push(id, 1, user)]})
    assert answer.status_code == 200, answer.text
    status: str = answer.json()["results"][0]["status"]
    return status


async def erase(api: ApiProcess, user: str) -> int:
    return (await api.client.delete(f"/v1/users/{user}")).status_code


async def follow_ups(api: ApiProcess) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await api.client.get("/v1/follow-ups")).json()["follow_ups"]
    return rows


async def test_a_forged_mark_refuses_no_user(api: ApiProcess) -> None:
    """Whoever can report writes the mark of a user who is new, or known: both go on as if nothing had happened."""
    await report(api, "known", "victim")
    for n, victim in enumerate(["victim", "newcomer"]):
        assert await report(api, f"forged-{n}", old_mark(victim)) == "accepted"
        assert await report(api, f"honest-{n}", victim) == "accepted"
        assert (await api.client.put(f"/v1/users/{victim}", json={"first_name": "V"})).status_code == 200


async def test_a_forged_mark_does_not_prevent_an_erasure(api: ApiProcess) -> None:
    """Neither by being there before the user is erased, nor by an alias: no 500, and nothing of the user stays."""
    await report(api, "known", "victim")
    await report(api, "forged", old_mark("victim"))
    assert await erase(api, "victim") == 204
    assert await report(api, "late", "victim") == "invalid"
    assert (await api.client.get("/v1/users/victim")).status_code == 404
    assert await erase(api, old_mark("victim")) == 204


async def test_nothing_is_written_back_through_a_mark(api: ApiProcess) -> None:
    """The old mark of an erased user is an id of somebody else, and leads nowhere near the erased one's rows."""
    await report(api, "known", "victim")
    assert await erase(api, "victim") == 204
    mark = old_mark("victim")
    assert (await api.client.get(f"/v1/users/{mark}")).status_code == 404
    assert (await api.client.put(f"/v1/users/{mark}", json={"email": "v@example.com"})).status_code == 200
    assert await report(api, "back", mark) == "accepted"
    assert sorted((row["user"] or "", row["state"]) for row in await follow_ups(api)) == [
        ("", "dropped"),
        (mark, "waiting"),
    ]
    assert (await api.client.put("/v1/users/victim", json={})).status_code == 410


async def test_an_alias_revives_no_erased_user(api: ApiProcess) -> None:
    """Joined with the old mark, or with the erased id, a user gets nothing of the erased one."""
    await report(api, "known", "victim")
    assert await erase(api, "victim") == 204
    for previous in (old_mark("victim"), "victim"):
        await api.client.post("/v1/alias", json={"previousId": previous, "userId": "mallory"})
    assert await report(api, "late", "victim") == "invalid"
    assert {row["user"] for row in await follow_ups(api)} == {None}


async def test_an_id_that_looks_erased_is_ordinary(api: ApiProcess) -> None:
    """It is described, shown and erased as every other."""
    for n, id in enumerate(["erased:", "erased:x", old_mark("x"), "erased:erased:x"]):
        assert await report(api, f"e{n}", id) == "accepted"
        assert (await api.client.get(f"/v1/users/{id}")).json()["id"] == id
        [waiting] = [row for row in await follow_ups(api) if row["user"] == id]
        assert waiting["state"] == "waiting"
        assert await erase(api, id) == 204
        assert await report(api, f"late-{n}", id) == "invalid"


async def test_a_mark_of_today_is_no_id(api: ApiProcess, its_database: Database) -> None:
    """Whoever reads the database, and reports with what it has, reports about somebody else."""
    await report(api, "known", "victim")
    assert await erase(api, "victim") == 204
    async with its_database.read("default") as tx:
        marks = (await tx.execute(select(erased_users.c.mark))).scalars().all()
    assert marks
    assert not {hashlib.sha256(b"victim").hexdigest(), old_mark("victim")} & set(marks)
    for n, mark in enumerate(marks):
        assert await report(api, f"mark-{n}", mark) == "accepted"
    assert await report(api, "late", "victim") == "invalid"


async def test_erasing_again_changes_nothing(api: ApiProcess, its_database: Database) -> None:
    """An id that was erased before, and one that was never seen, are not found; neither leaves a mark."""
    await report(api, "known", "victim")
    assert [await erase(api, id) for id in ("victim", "victim", "unknown")] == [204, 404, 404]
    async with its_database.read("default") as tx:
        assert len((await tx.execute(select(erased_users))).all()) == 1
    assert await report(api, "first", "unknown") == "accepted"


async def test_the_erasure_is_audited_without_the_id(api: ApiProcess, its_database: Database) -> None:
    """Who did it and from where, about a surrogate key."""
    await report(api, "known", "victim")
    async with its_database.read("default") as tx:
        earlier = await list_audit(tx, AuditFilter(), 100)
    assert await erase(api, "victim") == 204
    async with its_database.read("default") as tx:
        entry, *others = await list_audit(tx, AuditFilter(), 100)
        [user_key] = (await tx.execute(select(users.c.user_key))).scalars()
    assert others == earlier
    assert (entry.act.action, entry.act.subject) == (AuditAction.ERASE_USER, user_key)
    assert (entry.actor.kind, entry.actor.origin) == (ActorKind.KEY, "127.0.0.1")


async def test_nothing_in_flight_writes_back(database: Database) -> None:
    """Reports, descriptions and events of providers that arrive during an erasure come before it, or are refused."""
    installation = Installation(database)
    await installation.publish(ORIGINAL, ABANDONED)
    context = StoreContext(Settings(), database, installation.cache)
    providers = ProviderEventHarness(installation)
    for n in range(8):
        id = f"zq9marker-{n}"
        seen = ProviderEvent(
            "ses", id, EventKind.OPENED, BASE, recipient=f"{id}@shop.test", arguments={"campaign": "?"}
        )

        async def describe(id: str = id) -> None:
            async with database.write("default") as tx:
                with suppress(UserErased):
                    await save_user(tx, User(id=id, email=f"{id}@shop.test"), BASE)

        await describe()
        await asyncio.gather(
            installation.ingest(push(f"{id}-1", 1, id, note=id)),
            describe(),
            providers.intake.ingest([seen]),
            erase_user(context, id, Actor(ActorKind.COMMAND_LINE)),
            installation.ingest(push(f"{id}-2", 2, id, note=id)),
            describe(),
            providers.intake.ingest([replace(seen, id=f"{id}-late")]),
        )
    assert await Traces(["zq9marker"]).in_tables(database) == {}
