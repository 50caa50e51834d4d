"""Erasing a person: nothing that names or re-identifies them is left in the database, its files or Temporal."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from temporalio.testing import WorkflowEnvironment

from connector.settings.webhooks import PostmarkWebhook
from connector.store.engine.database import Database
from tests.support.builders import follow_on
from tests.support.polling import until
from tests.support.system import SCHEDULED, System, running_system
from tests.support.traces import Traces

MARKER = "zq9marker"
"""What every text of the person contains."""
PHONE = "+4915199887766"
ID, ANONYMOUS, EMAIL = f"{MARKER} / user", f"{MARKER}-anonymous", f"{MARKER.title()}@example.com"
ADA = {
    "email": EMAIL,
    "phone": PHONE,
    "push_tokens": [f"{MARKER}-token"],
    "first_name": MARKER.title(),
    "time_zone": "Europe/Berlin",
    "attributes": {f"{MARKER}-name": {"deep": [MARKER]}},
}
TRACES = Traces([MARKER, MARKER.title(), PHONE, PHONE[1:]])
POSTMARK = ("postmark", "a password of the tests")
LINK = "https://shop.test/sale"
ORDERED, PAID = {"event": "ordered"}, {"event": "paid", "same": ["order"]}
MESSAGES = {
    "email": {
        "subject": "Welcome",
        "html": f'<a href="{LINK}?u={{{{ user.id }}}}">Sale for {{{{ user.first_name }}}}</a>',
    },
    "sms": {"body": "Hello {{ user.first_name }}"},
    "push": {"title": "Hi", "body": "{{ user.first_name }}"},
    "in_app_message": {"title": "Hi", "body": "{{ user.first_name }}"},
    "content_card": {"title": "Hi", "body": "{{ user.email }}"},
}
WAITING = follow_on("waiting", ORDERED, delay={"after": "1 day"}, exceptions=[PAID], key="properties.order")
SENT = follow_on("sent", ORDERED, key="properties.order", eligible_again="always", messages={"sms": {"body": "Hi"}})
REFUSED = follow_on("refused", ORDERED, audience={"attribute": "tier", "is": "gold"}, key="properties.order")


@pytest.fixture
async def system(
    environment: WorkflowEnvironment, database: Database, database_url: str, tmp_path: Path, httpserver: HTTPServer
) -> AsyncIterator[System]:
    """The whole system on each kind of database in turn, with Postmark's webhook."""
    user, password = POSTMARK
    postmark = PostmarkWebhook(user=user, password=SecretStr(password))
    async with running_system(
        environment, database, database_url, tmp_path, httpserver, postmark_webhook=postmark
    ) as opened:
        yield opened


@pytest.mark.timeout(180)
async def test_nothing_of_a_person_is_left(
    system: System, environment: WorkflowEnvironment, database: Database, tmp_path: Path
) -> None:
    """Every entry point records a person; after `DELETE`, and after late reports of all kinds, no trace is found."""
    hook = {"webhook": {"url": system.providers.hook_url, "body": '{"user": "{{ user.id }}"}'}}
    await _open(system, {"campaign": "original", **SCHEDULED, "messages": MESSAGES | hook}, WAITING, SENT, REFUSED)
    await _report_everywhere(system)
    written = await TRACES.in_tables(database)
    assert {name.split(".")[0] for name in written} >= {
        "users", "user_aliases", "interactions", "follow_ups", "decisions", "receipts", "inbox", "unmatched_reports",
        "dead_addresses",
    }  # fmt: skip
    [waiting] = [row for row in await system.follow_ups(ID, "waiting") if row["state"] == "waiting"]
    assert (await system.api.delete(_path("users", ID))).status_code == 204
    assert await TRACES.in_tables(database) == {}
    assert await _report_late(system) == {"invalid": 2}
    assert await TRACES.in_tables(database) == {}
    if database.dialect == "sqlite":
        assert TRACES.in_files(tmp_path) == {}
    handle = environment.client.get_workflow_handle(waiting["workflow_id"])
    assert (await handle.result())["state"] == "dropped"

    async def is_renamed() -> bool:
        return waiting["id"] not in {row["id"] for row in await _all_follow_ups(system)}

    await until(is_renamed, "the id of which the workflow knows the end, replaced")
    assert await TRACES.in_temporal(environment.client) == {}
    states = {(row["campaign"], row["state"]) for row in await _all_follow_ups(system)}
    assert states == {("original", "sent"), ("sent", "sent"), ("waiting", "dropped"), ("waiting", "excepted")}


def _path(kind: str, id: str, *rest: str) -> str:
    return "/".join(["/v1", kind, quote(id, safe=""), *rest])


async def _open(system: System, *definitions: dict[str, Any]) -> None:
    """Let the person visit, describe them, and publish the campaigns; the first is a launch, which writes to them."""
    await system.do("POST", "/v1/track", {"anonymousId": ANONYMOUS, "event": MARKER, "messageId": f"{MARKER}-track"})
    await system.do("PUT", _path("users", ID), ADA)
    await system.do("POST", "/v1/alias", {"previousId": ANONYMOUS, "userId": ID})
    for definition in definitions:
        await system.do("PUT", f"/v1/campaigns/{definition['campaign']}", definition)
        await system.do("POST", f"/v1/campaigns/{definition['campaign']}/publish", {})


async def _report_everywhere(system: System) -> None:
    await system.do("POST", "/v1/identify", {"anonymousId": ANONYMOUS, "userId": ID, "traits": {"note": MARKER}})
    for number in (1, 2):
        await _ordered(system, f"{MARKER}-order-{number}")
    await system.report("event", ID, id=f"{MARKER}-paid", name="paid", properties={"order": f"{MARKER}-order-2"})
    await system.received("original", ID)
    await system.received("sent", ID)
    mail = await system.letter("Welcome")
    part = mail.get_body(("html",))
    assert part is not None
    urls = re.findall(r'https://links\.test/[^"\s>]+', part.get_content())
    assert urls
    async with system.client(**{"User-Agent": f"Mozilla/5.0 Firefox/140.0 {MARKER}"}) as browser:
        for url in urls:
            assert (await browser.get(url)).status_code < 400
    await system.provider_reports("delivered")
    for event in (_bounce("original"), _bounce("unheard-of", address=f"other-{EMAIL}", user=ID), _opened(EMAIL)):
        await _postmark(system, event, 200)
    inbox = await system.do("GET", _path("users", ID, "inbox"))
    for message in inbox["messages"]:
        await system.do("POST", f"/v1/inbox/{message['id']}/view", {})
    await system.do("GET", _path("users", ID, "explain"))


async def _ordered(system: System, order: str) -> None:
    await system.report("event", ID, id=f"{MARKER}-event-{order}", name="ordered", properties={"order": order})


async def _report_late(system: System) -> dict[str, int]:
    """Report about the person after the erasure, by every id and address; return the statuses of interactions."""
    counts: dict[str, int] = {}
    for user in (ID, ANONYMOUS):
        item = {"id": f"{MARKER}-late-{user}", "user": user, "type": "event", "name": "ordered"}
        item |= {"occurred_at": _now(), "properties": {"order": MARKER}}
        [result] = (await system.do("POST", "/v1/interactions", {"interactions": [item]}))["results"]
        counts[result["status"]] = counts.get(result["status"], 0) + 1
        assert (await system.api.put(_path("users", user), json=ADA)).status_code == 410
    for event in (_bounce("original"), _bounce("unheard-of", user=ID), _bounce("unheard-of"), _opened(EMAIL.upper())):
        await _postmark(system, event, 200)
    await system.provider_reports("undelivered")
    return counts


def _now() -> str:
    return datetime.now(UTC).isoformat()  # noqa: TID251 - the time of a report of today


def _bounce(campaign: str, *, address: str = EMAIL, user: str | None = None) -> dict[str, Any]:
    metadata = {"campaign": campaign} | ({} if user is None else {"user": user})
    return {
        "RecordType": "Bounce", "Type": "HardBounce", "ID": 42, "MessageID": f"{MARKER}-message-{campaign}",
        "Email": address, "BouncedAt": _now(), "Metadata": metadata, "Tag": f"{MARKER}-tag",
    }  # fmt: skip


def _opened(address: str) -> dict[str, Any]:
    return {
        "RecordType": "Open", "MessageID": f"{MARKER}-open", "Recipient": address, "ReceivedAt": _now(),
        "UserAgent": f"Mozilla/5.0 {MARKER}",
    }  # fmt: skip


async def _postmark(system: System, event: dict[str, Any], status: int) -> None:
    async with system.client() as postmark:
        answer = await postmark.post("/webhooks/postmark", json=event, auth=POSTMARK)
    assert answer.status_code in (status, 204), answer.text


async def _all_follow_ups(system: System) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await system.do("GET", "/v1/follow-ups"))["follow_ups"]
    assert {row["user"] for row in rows} == {None}
    return rows
