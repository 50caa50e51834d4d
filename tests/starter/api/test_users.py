"""`/v1/users/{id}`: replaced by PUT, merged by PATCH."""

from typing import Any

import httpx
import pytest
from sqlalchemy import update

from connector.app.context import AppContext
from connector.store.tables import users as users_table
from tests.support.builders import ABANDONED, ORIGINAL, push
from tests.support.installation import Installation

URL = "/v1/users/u-17"
ANNA = {
    "email": "anna@example.com",
    "time_zone": "Asia/Tokyo",
    "attributes": {"tier": "gold", "seen": 3},
    "consent": {"email": "subscribed"},
}


async def test_put_replaces(api: httpx.AsyncClient) -> None:
    """Whatever is not in the new description is gone."""
    assert (await api.put(URL, json=ANNA)).status_code == 200
    answer = await api.put(URL, json={"id": "u-17", "phone": "+15550100"})
    assert answer.status_code == 200
    user = (await api.get(URL)).json()
    history = user.pop("consent_history")
    assert user == answer.json()
    assert [(change["channel"], change["old"], change["new"]) for change in history] == [
        ("email", None, "subscribed")
    ], "a description that does not name a channel leaves its consent"
    assert (user["id"], user["phone"], user["email"], user["attributes"]) == ("u-17", "+15550100", None, {})


async def test_patch_merges(api: httpx.AsyncClient) -> None:
    """Attributes and consent by their keys, everything else as a whole."""
    await api.put(URL, json=ANNA)
    answer = await api.patch(URL, json={"attributes": {"seen": 4}, "consent": {"sms": "unsubscribed"}, "email": None})
    user = answer.json()
    assert user["attributes"] == {"tier": "gold", "seen": 4}
    assert user["consent"] == {"email": "subscribed", "sms": "unsubscribed"}
    assert (user["email"], user["time_zone"]) == (None, "Asia/Tokyo")
    read = (await api.get(URL)).json()
    changes = [(change["channel"], change["new"]) for change in read.pop("consent_history")]
    assert read == user
    assert changes == [("sms", "unsubscribed"), ("email", "subscribed")]


async def test_patch_makes_an_unknown_user(api: httpx.AsyncClient) -> None:
    """A user need not have been described before."""
    assert (await api.get(URL)).status_code == 404
    assert (await api.patch(URL, json={"first_name": "Anna"})).json()["first_name"] == "Anna"
    assert (await api.get(URL)).status_code == 200


@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"emial": "anna@example.com"}, "emial"),
        ({"time_zone": "Tokyo"}, "time_zone"),
        ({"consent": {"email": "perhaps"}}, "consent.email"),
        ({"consent": {"fax": "subscribed"}}, "consent.fax"),
        ({"push_tokens": "token"}, "push_tokens"),
        ({"email": 5}, "email"),
    ],
)
async def test_a_wrong_description_changes_nothing(
    api: httpx.AsyncClient, verb: str, body: dict[str, Any], key: str
) -> None:
    """422 names the key; what was known stays."""
    await api.put(URL, json=ANNA)
    answer = await api.request(verb, URL, json=body)
    assert answer.status_code == 422
    assert [fault["key"] for fault in answer.json()["error"]["details"]["faults"]] == [key]
    assert (await api.get(URL)).json()["email"] == "anna@example.com"


async def test_the_body_may_not_be_about_another_user(api: httpx.AsyncClient) -> None:
    """A wrong path must not describe somebody else."""
    answer = await api.put(URL, json={**ANNA, "id": "u-18"})
    assert answer.status_code == 422
    assert (await api.get(URL)).status_code == 404
    assert (await api.get("/v1/users/u-18")).status_code == 404


@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
async def test_no_null_characters(api: httpx.AsyncClient, verb: str) -> None:
    """What PostgreSQL cannot keep is refused everywhere, and not only there."""
    answer = await api.request(verb, URL, json={"attributes": {"deep": ["a\0"]}})
    assert answer.status_code == 422
    assert (await api.get(URL)).status_code == 404


async def test_delete_erases(api: httpx.AsyncClient, context: AppContext) -> None:
    """Guarantee 8: nothing that describes the user stays, the wait ends, and a late report brings nobody back."""
    installation = Installation(context.database)
    await installation.publish(ORIGINAL, ABANDONED)
    await api.put(URL, json=ANNA)
    await installation.ingest(push("p", 1, "u-17"))
    assert (await api.delete(URL)).status_code == 204
    assert (await api.get(URL)).status_code == 404
    assert (await api.delete(URL)).status_code == 404
    (found,) = (await api.get("/v1/follow-ups")).json()["follow_ups"]
    assert (found["user"], found["key"], found["state"], found["reason"]) == (None, None, "dropped", "erased")
    late = await api.post("/v1/interactions", json={"interactions": [push("late", 2, "u-17")]})
    assert late.json()["results"][0]["status"] == "invalid"
    again = await api.put(URL, json=ANNA)
    assert (again.status_code, again.json()["error"]["code"]) == (410, "erased")


@pytest.mark.parametrize("id", ["%00", "a" * 256])
async def test_an_id_that_cannot_be(api: httpx.AsyncClient, id: str) -> None:
    """Ids have at most 255 characters, none of them null."""
    assert (await api.get(f"/v1/users/{id}")).status_code == 422


LARGE = {"attributes": {"a": "x" * 200_000}}


async def test_attributes_have_a_bound(api: httpx.AsyncClient) -> None:
    """By every way in which a user is described: 422, or a fault of that description alone."""
    assert (await api.put(URL, json={"attributes": {"a": "x" * 262_200}})).status_code == 422
    assert (await api.put(URL, json=LARGE)).status_code == 200
    answer = await api.patch(URL, json={"attributes": {"b": "x" * 70_000}})
    assert (answer.status_code, answer.json()["error"]["details"]["faults"][0]["key"]) == (422, "attributes")
    users = [{"id": "u-17", "attributes": {"b": "x" * 70_000}}, {"id": "u-17", "attributes": {"c": 1}}, {"id": "v"}]
    told = (await api.post("/v1/interactions", json={"interactions": [], "users": users})).json()["users"]
    assert [one["status"] for one in told] == ["invalid", "accepted", "accepted"]
    assert "at most 262144" in told[0]["fault"]
    assert (await api.get(URL)).json()["attributes"].keys() == {"a", "c"}
    assert (await api.patch(URL, json={"attributes": {"a": 1, "b": "x" * 200_000}})).status_code == 200


async def test_what_is_larger_already(api: httpx.AsyncClient, context: AppContext) -> None:
    """It stays readable, and may shrink, but not grow."""
    await api.put(URL, json=LARGE)
    large = {str(n): "x" * 10_000 for n in range(50)}
    async with context.database.write("default") as tx:
        await tx.execute(update(users_table).values(attributes=large))
    assert (await api.get(URL)).json()["attributes"] == large
    for changes, status in (
        ({"email": "a@b.test"}, 200),
        ({"attributes": {"0": "y"}}, 200),
        ({"attributes": {"1": "y" * 10_001}}, 422),
    ):
        assert (await api.patch(URL, json=changes)).status_code == status
    assert (await api.get(URL)).json()["attributes"]["0"] == "y"
