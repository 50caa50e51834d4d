"""A1 and A2: the profile's fields in predicates, and attributes, which have no history.

Sources: behaviour.md, A1, A2 and worked case 30; Segment's documentation, "Identify", whose reserved traits (`id`,
`email`, `phone`, `firstName`) are the user's fields and not attributes of their own.
"""

from __future__ import annotations

from typing import Any

import pytest

from connector.ingest.parsing import find_user_fault
from connector.rules.model.addresses import stored_address
from connector.rules.model.predicates import AttributePredicate
from connector.rules.model.users import PROFILE_FIELDS, User, attributes_with, without_profile_fields
from connector.rules.targeting.audience import matches_attribute
from tests.support.builders import ORIGINAL, PUSHED, follow_on
from tests.support.playing import play_short
from tests.support.stories import begin, order, person, push

ADA: dict[str, Any] = {
    "email": "ada@shop.example",
    "phone": "+4930123456",
    "time_zone": "Europe/Berlin",
    "first_name": "Ada",
    "attributes": {"tier": "gold", "Email": "none"},
}

PREDICATES: list[tuple[dict[str, Any], bool, bool]] = [
    ({"attribute": "email", "exists": True}, True, False),
    ({"attribute": "email", "exists": False}, False, True),
    ({"attribute": "email", "is": "ada@shop.example"}, True, False),
    ({"attribute": "email", "is_not": "ada@shop.example"}, False, True),
    ({"attribute": "email", "contains": "@shop.example"}, True, False),
    ({"not": {"attribute": "email", "contains": "@shop.example"}}, False, True),
    ({"attribute": "email", "in": ["ada@shop.example"]}, True, False),
    ({"attribute": "email", "not_in": ["ada@shop.example"]}, False, True),
    ({"attribute": "phone", "contains": "+49"}, True, False),
    ({"attribute": "phone", "is": "+49 30 123456"}, True, False),
    ({"attribute": "phone", "exists": True}, True, False),
    ({"attribute": "time_zone", "is": "Europe/Berlin"}, True, False),
    ({"attribute": "time_zone", "exists": False}, False, True),
    ({"attribute": "first_name", "is": "Ada"}, True, False),
    ({"attribute": "first_name", "at_least": "A"}, True, False),
    ({"attribute": "id", "is": "u"}, True, True),
    ({"attribute": "id", "in": ["v", "w"]}, False, False),
    ({"attribute": "id", "exists": True}, True, True),
    ({"attribute": "tier", "is": "gold"}, True, False),
    ({"attribute": "Email", "is": "none"}, True, False),
    ({"attribute": "push_tokens", "exists": True}, False, False),
    ({"attribute": "consent", "exists": True}, False, False),
    ({"attribute": "email.domain", "exists": True}, False, False),
]
"""(audience, whether it has Ada, whether it has a user of whom only push tokens are known)."""


ADDRESS_PREDICATES: list[tuple[str, dict[str, Any], bool]] = [
    ("ann@b\u00fccher.example", {"is": "ann@b\u00fccher.example"}, True),
    ("ann@b\u00fccher.example", {"is": "ann@xn--bcher-kva.example"}, True),
    ("ann@xn--bcher-kva.example", {"contains": "@b\u00fccher.example"}, True),
    ("ann@xn--bcher-kva.example", {"contains": "b\u00fccher.example"}, True),
    ("ann@sub.b\u00fccher.example", {"contains": ".b\u00fccher.example"}, True),
    ("Ann@Shop.example", {"is": "ann@shop.example"}, True),
    ("ann@shop.example", {"contains": "@Shop.example"}, True),
    ("ann@shop.example", {"contains": "@shop."}, True),
    ("ann@shop.example", {"contains": "@shop.exam"}, True),
    ("m\u00fcller@shop.example", {"contains": "m\u00fcller"}, True),
    ("ann@shop.example", {"in": ["bob@shop.example", "ANN@SHOP.EXAMPLE"]}, True),
    ("ann@shop.example", {"not_in": ["ANN@SHOP.EXAMPLE"]}, False),
    ("ann@shop.example", {"is_not": "Ann@shop.example"}, False),
    ("ann@stra\u00dfe.example", {"is": "ann@strasse.example"}, False),
    ("nonsense", {"is": "nonsense"}, True),
    ("ann@shop.example", {"contains": 7}, False),
]
"""(the profile's email, the comparison, whether it holds): addresses are compared in one form (RFC 5890, UTS 46)."""


@pytest.mark.parametrize(("email", "comparison", "holds"), ADDRESS_PREDICATES)
def test_an_address_is_compared_in_one_form(email: str, comparison: dict[str, Any], holds: bool) -> None:
    """A1: a predicate on `email` names the same address, however the definition and the profile write it."""
    predicate = AttributePredicate.model_validate({"attribute": "email", **comparison})
    user = User(id="u", email=stored_address("email", email))
    assert matches_attribute(predicate, attributes_with(user, "email")) is holds


@pytest.mark.parametrize(("audience", "has_ada", "has_unknown"), PREDICATES)
def test_predicates(audience: dict[str, Any], has_ada: bool, has_unknown: bool) -> None:
    """A1: a field that is set is compared like an attribute, one that is not is missing."""
    f = follow_on("f", PUSHED, audience=audience)
    for described, inside in ((ADA, has_ada), ({}, has_unknown)):
        outcomes = play_short(ORIGINAL, f, begin("o", "f", **described), push("10:00", "p"))
        assert outcomes == ["10:00 f u p sent push" if inside else "10:00 f u p refused not_in_audience"]


@pytest.mark.parametrize("value", ["x", None, 1, ["x"]])
@pytest.mark.parametrize("name", PROFILE_FIELDS)
def test_no_attribute_has_the_name_of_a_field(name: str, value: Any) -> None:
    """A1: refused by PUT, PATCH, `users` and a timeline, with any value; the fault names the right place."""
    fault = find_user_fault({"id": "u", "attributes": {name: value}})
    assert fault is not None
    assert fault.startswith(f"attributes: {name} is a field of the profile")
    with pytest.raises(ValueError, match=f"{name} is a field of the profile"):
        play_short(ORIGINAL, person("08:00", attributes={name: value}))


@pytest.mark.parametrize(
    "name", ["Email", "e-mail", "user_id", "zone", "firstName", "email ", "push_tokens", "consent"]
)
def test_other_names_are_free(name: str) -> None:
    """A1: only the five names are the profile's."""
    assert find_user_fault({"id": "u", "attributes": {name: "x"}}) is None


def test_an_attribute_from_before_is_ignored() -> None:
    """A1: reading it breaks nothing, and predicates see the field."""
    stored = {"tier": "gold", "email": "old", "id": 7}
    assert without_profile_fields(stored) == {"tier": "gold"}
    assert without_profile_fields({"tier": "gold"}) == {"tier": "gold"}


def test_a_late_trigger_is_judged_by_the_attributes_at_its_arrival() -> None:
    """A2: attributes have no history."""
    gold = follow_on("f", PUSHED, audience={"attribute": "tier", "is": "gold"}, eligible_again="always")
    story = [
        push("10:00", "before"),
        person("11:00", attributes={"tier": "gold"}),
        push("11:05", "late", "10:30"),
        person("12:00", attributes={"tier": "silver"}),
        push("12:05", "too-late", "11:30"),
    ]
    assert play_short(ORIGINAL, gold, begin("o", "f"), story) == [
        "10:00 f u before refused not_in_audience",
        "11:05 f u late sent push",
        "12:05 f u too-late refused not_in_audience",
    ]


def test_stopping_decides_on_arrival() -> None:
    """P2: an item of an earlier window that arrives after it was closed is stopped, also when the follow-on is live."""
    f = follow_on("f", PUSHED, delay={"after": "1 day"}, eligible_again="always")
    story = [
        order("10:00", "stop", "f"),
        push("10:10", "while-stopped", "09:30"),
        order("11:00", "resume", "f"),
        push("11:10", "earlier-window", "09:30"),
        push("11:20", "gap", "10:30"),
        push("11:30", "now"),
    ]
    assert play_short(ORIGINAL, f, begin("o", "f"), story) == [
        "10:10 f u while-stopped refused not_live",
        "11:10 f u earlier-window dropped stopped",
        "11:20 f u gap refused not_live",
        "03 11:30 f u now sent push",
    ]
