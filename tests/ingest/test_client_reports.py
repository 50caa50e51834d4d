"""What a client may report, for any JSON that it may send."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connector.ingest.parsing import UnreadableItem, read_client_item
from connector.rules.model.errors import InvalidItem
from connector.rules.model.interactions import Interaction, InteractionType
from connector.rules.targeting.client_reports import (
    CLIENT_INTERACTIONS,
    SERVER_EVENTS,
    SERVER_PROPERTIES,
    ClientReports,
)

LIMITS = ClientReports("me", ["theme"])
values: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
names = st.sampled_from(["me", "other", "make_purchase", ""]) | values
items = st.fixed_dictionaries(
    {
        "type": st.sampled_from([*map(str, InteractionType), "event", "make_purchase", "start_session"]) | values,
        "occurred_at": st.just("2026-03-02T12:00:00Z"),
    },
    optional={
        "user": names,
        "name": names,
        "campaign": st.just("o"),
        "card": st.just("c"),
        "properties": st.dictionaries(st.sampled_from(sorted(SERVER_PROPERTIES)) | st.text(max_size=3), values),
    },
)
changes = st.dictionaries(
    st.sampled_from(["id", "email", "phone", "push_tokens", "consent", "time_zone", "first_name"])
    | st.text(max_size=3),
    values | st.dictionaries(st.text(max_size=3), values),
)


@given(items | values)
def test_no_item_about_another_user_or_of_a_server(data: Any) -> None:
    """Whatever is accepted is about the token's user, and of a kind that an app can know."""
    item = read_client_item(data, LIMITS)
    if isinstance(item, UnreadableItem):
        return
    assert item.user == "me"
    if isinstance(item, Interaction):
        assert item.type in CLIENT_INTERACTIONS
        assert SERVER_PROPERTIES.isdisjoint(item.properties)
    else:
        assert SERVER_EVENTS.isdisjoint((item.type, item.name))


@given(changes, st.dictionaries(st.sampled_from(["theme", "tier"]), values))
def test_no_change_but_of_listed_attributes(sent: dict[str, Any], attributes: dict[str, Any]) -> None:
    """Whatever is accepted has the token's id and listed attributes only."""
    changed = {**sent, "attributes": attributes}
    try:
        LIMITS.check_changes(changed)
    except InvalidItem:
        return
    assert changed.keys() == {"id", "attributes"}
    assert (changed["id"], attributes.keys() <= {"theme"}) == ("me", True)
