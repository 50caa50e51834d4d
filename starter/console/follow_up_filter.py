"""The filter of the follow-ups page, as its address carries it: the parameters of `GET /v1/follow-ups`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from connector.rules.model.reasons import Reason
from connector.rules.model.values import ChannelName, Text, format_instant
from starter.api.requests.body import validate
from starter.api.requests.options import Moment, NoOptions
from starter.console.paths import at
from starter.operations.cursors import MAX_CHARACTERS
from starter.operations.follow_ups import Criteria, ListedState

PATH = "/follow-ups"
FIELDS = ("state", "campaign", "user", "reason", "channel", "since", "until")


class _Query(NoOptions):
    state: ListedState | None = None
    campaign: Text | None = None
    user: Text | None = None
    reason: Annotated[Reason, Field(strict=False)] | None = None
    channel: ChannelName | None = None
    since: Moment | None = None
    until: Moment | None = None
    after: Annotated[str, Field(max_length=MAX_CHARACTERS)] | None = None


def read_filter(query: Mapping[str, str | None]) -> tuple[Criteria, str | None]:
    """Return the criteria and the cursor of an address; an empty parameter counts as none.

    Raises:
        DefinitionError: a value is not one that the API takes; names each.
    """
    given = validate(_Query, {name: value for name, value in query.items() if value})
    return Criteria(**{name: getattr(given, name) for name in FIELDS}), given.after


def filter_query(criteria: Criteria) -> dict[str, str | None]:
    """Return the parameters of criteria, without those that are not set."""
    given = {name: getattr(criteria, name) for name in FIELDS}
    given |= {name: format_instant(given[name]) for name in ("since", "until")}
    return {name: None if value is None else str(value) for name, value in given.items()}


def filter_path(criteria: Criteria, after: str | None = None) -> str:
    """Return the address of a page of the list."""
    return at("follow-ups", **{**filter_query(criteria), "after": after})
