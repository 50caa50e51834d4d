"""`/v1/provider-events`: events that match nothing are listed by page without recipients, and matched again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from connector.app.context import AppContext
from connector.rules.model.users import User
from tests.support.builders import ORIGINAL
from tests.support.installation import Installation
from tests.support.provider_event_harness import UNMATCHED_EVENTS, ProviderEventHarness

URL = "/v1/provider-events"


@pytest.fixture
async def harness(context: AppContext) -> ProviderEventHarness:
    """Every kind of event that matches nothing, received at one instant."""
    harness = ProviderEventHarness(Installation(context.database))
    await harness.installation.publish(ORIGINAL)
    await harness.save_users(User(id="u", email="ada@shop.test"))
    await harness.ingest(*(event for event, _ in UNMATCHED_EVENTS))
    return harness


async def pages(api: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """Return all pages of a list."""
    found = [(await api.get(URL, params=query)).raise_for_status().json()]
    while found[-1]["has_more"]:
        answer = await api.get(URL, params={**query, "after": found[-1]["next"]})
        found.append(answer.raise_for_status().json())
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_show_each_event_once(harness: ProviderEventHarness, api: httpx.AsyncClient, limit: int) -> None:
    """However large a page is, also of events received at one instant; recipients are nowhere."""
    found = await pages(api, limit=limit)
    ids = [one["id"] for page in found for one in page["reports"]]
    assert sorted(ids) == sorted(event.id for event, _ in UNMATCHED_EVENTS)
    assert {len(page["reports"]) for page in found[:-1]} <= {limit}
    assert sum(one["count"] for one in found[0]["counts"]) == len(UNMATCHED_EVENTS)
    assert "@" not in str(found)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"reason": "unknown_user"}, ["ambiguous", "bounce", "unknown user"]),
        ({"reason": "no_campaign", "provider": "sendgrid"}, ["no campaign"]),
        ({"provider": "ses"}, []),
    ],
)
async def test_filters_select_events_and_their_counts(
    harness: ProviderEventHarness, api: httpx.AsyncClient, query: dict[str, str], ids: list[str]
) -> None:
    """By provider and by reason."""
    [page] = await pages(api, **query)
    assert sorted(one["id"] for one in page["reports"]) == ids
    assert sum(one["count"] for one in page["counts"]) == len(ids)


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ({"provider": "nobody"}, "provider"),
        ({"reason": "bad_luck"}, "reason"),
        ({"limit": 1001}, "limit"),
        ({"after": "x"}, "after"),
        ({"recipient": "ada@shop.test"}, "recipient"),
    ],
)
async def test_wrong_parameters_are_named(api: httpx.AsyncClient, query: dict[str, Any], key: str) -> None:
    """422 with the parameter."""
    answer = await api.get(URL, params=query)
    assert answer.status_code == 422
    assert [fault["key"] for fault in answer.json()["error"]["details"]["faults"]] == [key]


async def test_a_cursor_belongs_to_its_filters(harness: ProviderEventHarness, api: httpx.AsyncClient) -> None:
    """With others it is refused, also where it is one of matching."""
    following = (await api.get(URL, params={"limit": 1})).json()["next"]
    for call in (
        api.get(URL, params={"limit": 1, "reason": "unknown_user", "after": following}),
        api.post(f"{URL}/match", json={"after": following}),
    ):
        assert (await call).status_code == 422


async def test_what_was_missing_is_matched(harness: ProviderEventHarness, api: httpx.AsyncClient) -> None:
    """After the campaign was applied one matches; the rest stays, with its reasons."""
    await harness.installation.publish({"campaign": "later", "delivery": {"type": "external"}})
    left = len(UNMATCHED_EVENTS) - 1
    answers = [(await api.post(f"{URL}/match", json=body)).json() for body in ({"provider": "ses"}, {}, {})]
    assert [(one["led_back"], one["left"]) for one in answers] == [(0, 0), (1, left), (0, left)]
    assert {one["next"] for one in answers} == {None}
    assert (await api.post(f"{URL}/match", json={"provider": "nobody"})).status_code == 422


async def test_matching_goes_on_where_it_stopped(harness: ProviderEventHarness) -> None:
    """A call handles a bounded number, the oldest first, and names the place of the next one."""
    handled, after = [], None
    while True:
        result = await harness.intake.retry(most=4, **({} if after is None else {"after": after}))
        handled.append(result.left)
        after = result.next
        if after is None:
            break
    assert handled == [4, 2]
