"""Users are found by whatever an operator has at hand: an id, a joined id, the user key, an email or a number."""

from typing import Any

import httpx
import pytest

from connector.app.context import AppContext
from connector.rules.model.errors import DefinitionError
from starter.operations.users import MAX_FOUND, UserUnknown, find_users, read_user

ADA = {"email": "Ada@Shop.test", "phone": "+49 170 123", "first_name": "Ada"}


async def _describe(api: httpx.AsyncClient, id: str, profile: dict[str, Any]) -> None:
    response = await api.put(f"/v1/users/{id}", json=profile)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("ada", "id"),
        ("  ada\n", "id"),
        ("visitor-5", "id"),
        ("ada@shop.test", "email"),
        ("ADA@SHOP.TEST", "email"),
        ("+49170123", "phone"),
        ("+49 (170) 1-23", "phone"),
    ],
)
async def test_a_user_is_found_by_any_name(
    api: httpx.AsyncClient, context: AppContext, text: str, matched: str
) -> None:
    """Ids are compared exactly, addresses in the form in which providers' events are matched."""
    await _describe(api, "ada", ADA)
    await api.post("/v1/alias", json={"userId": "ada", "previousId": "visitor-5", "messageId": "m"})
    found = await find_users(context, text=text)
    assert [(one["id"], one["ids"], one["matched"]) for one in found["users"]] == [
        ("ada", ["ada", "visitor-5"], matched)
    ]
    by_key = await find_users(context, text=found["users"][0]["user_key"])
    assert [(one["id"], one["matched"]) for one in by_key["users"]] == [("ada", "user_key")]


@pytest.mark.parametrize("text", ["Ada", "ad", "shop.test", "170123", "%", "visitor"])
async def test_parts_and_other_spellings_of_ids_find_no_one(
    api: httpx.AsyncClient, context: AppContext, text: str
) -> None:
    """A search never guesses: two users may differ by the case of one letter."""
    await _describe(api, "ada", ADA)
    assert await find_users(context, text=text) == {"users": [], "is_cut": False, "erased": False}


@pytest.mark.parametrize("text", ["", "   ", "x" * 256, "a\0b", "\ud800"])
async def test_a_text_that_nothing_can_be_named_by_is_refused(context: AppContext, text: str) -> None:
    """The fault names the parameter."""
    with pytest.raises(DefinitionError) as refused:
        await find_users(context, text=text)
    assert [fault.key for fault in refused.value.faults] == ["text"]


async def test_everyone_who_shares_an_address_is_found(api: httpx.AsyncClient, context: AppContext) -> None:
    """A search shows at most `MAX_FOUND`, and says that there are more."""
    items = [{"id": f"u-{n:02}", "email": "desk@shop.test"} for n in range(MAX_FOUND + 1)]
    for item in items:
        await _describe(api, item["id"], {"email": item["email"]})
    found = await find_users(context, text="desk@shop.test")
    assert [one["id"] for one in found["users"]] == [item["id"] for item in items[:MAX_FOUND]]
    assert found["is_cut"]


async def test_an_erased_user_is_named_as_such(api: httpx.AsyncClient, context: AppContext) -> None:
    """Nothing of the person is shown, and the id is not taken for a slip."""
    await _describe(api, "ada", ADA)
    assert (await api.delete("/v1/users/ada")).status_code == 204
    assert await find_users(context, text="ada") == {"users": [], "is_cut": False, "erased": True}
    with pytest.raises(UserUnknown):
        await read_user(context, "ada")
