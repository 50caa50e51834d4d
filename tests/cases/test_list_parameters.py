"""Lists over HTTP: cursors that cannot be changed, and parameters that must be known, over all routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from connector.app.context import AppContext, build_context
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from starter.api.requests.query import known_parameters
from tests.support.api import KEY, configured, open_client
from tests.support.builders import ABANDONED, ORIGINAL, push
from tests.support.installation import Installation

URL = "/v1/follow-ups"
STRIPE = "Stripe, API reference, error codes: parameter_unknown"
SLIPS = [
    # route, slip, the name that was meant, source
    ("/v1/follow-ups", "stat", "state", STRIPE),
    ("/v1/follow-ups", "States", "state", STRIPE),
    ("/v1/follow-ups", "STATE", "state", "RFC 3986, section 6.2.2.1: only scheme and host ignore case"),
    ("/v1/follow-ups", "campaing", "campaign", STRIPE),
    ("/v1/follow-ups", "campaign_id", "campaign", STRIPE),
    ("/v1/follow-ups", "campaigns", "campaign", STRIPE),
    ("/v1/follow-ups", "reson", "reason", STRIPE),
    ("/v1/follow-ups", "limits", "limit", STRIPE),
    ("/v1/follow-ups", "sinse", "since", STRIPE),
    ("/v1/follow-ups", "chanel", "channel", STRIPE),
    ("/v1/follow-ups", "unti", "until", STRIPE),
    ("/v1/follow-ups", "users", "user", STRIPE),
    ("/v1/follow-ups", "afer", "after", STRIPE),
    ("/v1/audit", "actoin", "action", STRIPE),
    ("/v1/audit", "befor", "before", STRIPE),
    ("/v1/audit", "actors", "actor", STRIPE),
    ("/v1/audit", "subjct", "subject", STRIPE),
    ("/v1/users/u/explain", "campain", "campaign", STRIPE),
    ("/v1/users/u/inbox", "kinds", "kind", STRIPE),
    ("/v1/users/u/inbox", "limt", "limit", STRIPE),
]
FOREIGN = [
    "page",
    "page_size",
    "offset",
    "cursor",
    "starting_after",
    "per_page",
    "sort",
    "order",
    "q",
    "state[]",
    "_",
    "ü",
]
"""Parameters of other APIs' lists that this one does not have (Stripe, GitHub, PostgREST, Temporal's HTTP API)."""
WRONG_CURSORS = ["", "x", "AAAA", "%%%", "é", "e30", "W10", "bnVsbA", "..", "x" * 500]
"""Texts that are no cursor: empty, too short, not base64url, JSON of another shape (AIP-158: INVALID_ARGUMENT)."""


@pytest.fixture
def context(sqlite_database: Database) -> AppContext:
    """The context of the API, without Temporal."""
    return build_context(Settings(), sqlite_database)


@pytest.fixture
async def api(context: AppContext) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a valid key."""
    async with open_client(context) as client:
        yield client


@pytest.fixture
async def three(context: AppContext) -> None:
    """Three users wait."""
    installation = Installation(context.database)
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(*(push(f"p-{user}", n, user) for n, user in enumerate(("ann", "ben", "cid"))))


async def test_pages_by_cursor(three: None, api: httpx.AsyncClient) -> None:
    """`next` leads through the list; the last page has none."""
    seen, params, answers = [], {"state": "waiting", "limit": 1}, []
    while len(answers) < 4:
        answers.append((await api.get(URL, params=params)).json())
        seen += [shown["user"] for shown in answers[-1]["follow_ups"]]
        if answers[-1]["next"] is None:
            break
        params["after"] = answers[-1]["next"]
    assert seen == ["cid", "ben", "ann"]
    assert [answer["has_more"] for answer in answers] == [True, True, False]


async def test_a_text_that_is_no_cursor(api: httpx.AsyncClient) -> None:
    """422 names the parameter and the way out."""
    for cursor in WRONG_CURSORS:
        answer = await api.get(URL, params={"after": cursor})
        await _assert_refused(answer, "after", "give `next` of the previous page")


async def test_a_cursor_that_was_changed(three: None, api: httpx.AsyncClient) -> None:
    """Another character anywhere, a part of it, another filter: all are refused (AIP-158); another limit is not."""
    cursor = (await api.get(URL, params={"limit": 1})).json()["next"]
    changed = [
        cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :] for place in range(len(cursor))
    ]
    for one in [*changed, cursor[:-1], cursor + "A", cursor + "="]:
        await _assert_refused(await api.get(URL, params={"limit": 1, "after": one}), "after", "the cursor was changed")
    for other in ({"state": "waiting"}, {"campaign": ABANDONED["campaign"]}, {"user": "ann"}, {"reason": "stale"}):
        answer = await api.get(URL, params={**other, "after": cursor})
        await _assert_refused(answer, "after", "the same filters")
    assert (await api.get(URL, params={"limit": 2, "after": cursor})).status_code == 200


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({"state": "refused", "channel": "push"}, "channel"),
        ({"since": "2026-03-02T09:00:00Z", "until": "2026-03-02T09:00:00Z"}, "until"),
        ({"since": "2026-03-02T09:00:00"}, "since"),
        ({"reason": "no_reason"}, "reason"),
        ({"channel": "fax"}, "channel"),
        ({"state": "late"}, "state"),
        ({"limit": "1001"}, "limit"),
    ],
)
async def test_filters_that_match_nothing_by_mistake(api: httpx.AsyncClient, params: dict[str, Any], key: str) -> None:
    """422 names the parameter, instead of an empty list."""
    await _assert_refused(await api.get(URL, params=params), key, "")


async def test_a_slip_in_the_name_of_a_parameter(api: httpx.AsyncClient) -> None:
    """422 names the nearest one."""
    for path, slip, meant, _source in SLIPS:
        await _assert_refused(await api.get(path, params={slip: "1"}), slip, f"did you mean {meant}?")


async def test_a_parameter_of_another_api(api: httpx.AsyncClient) -> None:
    """422, instead of the first page again and again."""
    for name in FOREIGN:
        await _assert_refused(await api.get(URL, params={name: "2"}), name, "is not a parameter")


async def test_a_parameter_given_twice(api: httpx.AsyncClient) -> None:
    """A parameter that is given twice is refused, because one of the values would be ignored."""
    answer = await api.get(f"{URL}?state=failed&state=waiting")
    await _assert_refused(answer, "state", "is given twice")


async def test_no_route_ignores_a_parameter(context: AppContext, api: httpx.AsyncClient) -> None:
    """Every route with a key that reads, or that has parameters, refuses one that it does not know.

    Links of messages and webhooks take any: mail programs, networks and providers add their own.
    """
    app = create_app(context, Keys(configured(KEY)))
    routes = [
        (method, route.path)
        for route in iter_route_contexts(app.routes)
        if route.path.startswith("/v1/")
        for method in route.methods
        if method in ("GET", "DELETE") or known_parameters(route)
    ]
    assert len(routes) >= 11
    for method, path in routes:
        answer = await api.request(method, path.replace("{id}", "u"), params={"zzz": "1"})
        await _assert_refused(answer, "zzz", "is not a parameter")


async def _assert_refused(answer: httpx.Response, key: str, problem: str) -> None:
    assert answer.status_code == 422, answer.text
    [fault] = answer.json()["error"]["details"]["faults"]
    assert fault["key"] == key
    assert problem in fault["problem"]
