"""The filters of the follow-ups page are in its address: what is shared or gone back to shows the same list."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args
from urllib.parse import parse_qsl, urlsplit

import pytest

from connector.rules.model.errors import DefinitionError
from connector.rules.model.reasons import Reason
from connector.rules.model.values import ChannelName
from starter.console.follow_up_filter import FIELDS, filter_path, read_filter
from starter.operations.follow_ups import Criteria, ListedState

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ALL = Criteria("waiting", "f", "a/b&c=d <x>", Reason.EXCEPTION, "push", AT, AT.replace(hour=10))
CASES = [
    Criteria(),
    ALL,
    *(Criteria(state=state) for state in get_args(ListedState)),
    *(Criteria(reason=reason) for reason in Reason),
    *(Criteria(channel=name) for name in get_args(ChannelName)),
    *(replace(Criteria(), **{name: getattr(ALL, name)}) for name in FIELDS),
]


@pytest.mark.parametrize("criteria", CASES, ids=lambda criteria: criteria.digest)
def test_the_address_has_every_filter(criteria: Criteria) -> None:
    """And the cursor."""
    query = dict(parse_qsl(urlsplit(filter_path(criteria, "cursor")).query, strict_parsing=True))
    assert read_filter(query) == (criteria, "cursor")


def test_an_empty_parameter_is_none() -> None:
    """A form of a browser sends what was left empty."""
    assert read_filter({"campaign": "", "state": None}) == (Criteria(), None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "wating"),
        ("reason", "none"),
        ("channel", "fax"),
        ("since", "yesterday"),
        ("since", "2026-03-02T09:00:00"),
        ("until", "2026-13-01T00:00:00Z"),
        ("user", "x" * 256),
        ("campaign", "a\0b"),
        ("after", "x" * 501),
        ("sort", "due"),
    ],
)
def test_what_the_api_would_refuse_is_refused(name: str, value: str) -> None:
    """With the name of the parameter."""
    with pytest.raises(DefinitionError) as refused:
        read_filter({name: value})
    assert [fault.key for fault in refused.value.faults] == [name]
