"""Search attributes that a namespace lacks or has with another type: each is named, with the command that corrects it.

Sources: docs.temporal.io, "Search Attribute" (the types), "Manage custom Search Attributes" (self-hosted: create and
remove with `temporal operator search-attribute`; Temporal Cloud: create and rename with `tcld` or the UI), "tcld
namespace" (`search-attributes add`, whose option `--search-attribute NAME=TYPE` has the alias `--sa`).
"""

from __future__ import annotations

import pytest
from temporalio.api.enums.v1 import IndexedValueType

from connector.temporal.client import EXPECTED_ATTRIBUTES
from connector.temporal.search_attributes import describe_missing, describe_wrong_types, type_name

TYPES = ["Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList"]


def test_types_are_those_of_temporals_programs() -> None:
    """Every type of the server has the name that `temporal` and `tcld` accept."""
    kinds = [kind for kind in IndexedValueType.values() if kind]
    assert sorted(type_name(kind) for kind in kinds) == sorted(TYPES)


@pytest.mark.parametrize("name", EXPECTED_ATTRIBUTES)
def test_each_attribute_can_be_missing(name: str) -> None:
    """One missing attribute is named with its type, and with the commands for both kinds of servers."""
    kind = EXPECTED_ATTRIBUTES[name]
    said = describe_missing({name: kind}, "shop.a1b2c")
    assert f"{name} ({kind}): run `connector setup`" in said
    assert f"`tcld namespace search-attributes add -n shop.a1b2c --sa {name}={kind}`" in said


@pytest.mark.parametrize("name", EXPECTED_ATTRIBUTES)
@pytest.mark.parametrize("kind", TYPES)
def test_each_attribute_can_have_another_type(name: str, kind: str) -> None:
    """A type cannot be changed, so the way out is to remove or to rename; the right type is no fault."""
    said = describe_wrong_types({**EXPECTED_ATTRIBUTES, name: kind}, EXPECTED_ATTRIBUTES)
    if kind == EXPECTED_ATTRIBUTES[name]:
        assert said is None
        return
    assert said is not None
    assert f"{name} is {kind} and must be {EXPECTED_ATTRIBUTES[name]}" in said
    assert "remove --name NAME" in said
    assert "rename" in said


def test_several_are_one_sentence() -> None:
    """All missing attributes are in one command; a namespace of its own has them all."""
    said = describe_missing(EXPECTED_ATTRIBUTES, "shop")
    assert "\n" not in said
    assert said.count("--sa ") == len(EXPECTED_ATTRIBUTES)
    assert describe_wrong_types({}, EXPECTED_ATTRIBUTES) is None
