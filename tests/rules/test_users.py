"""Merging changes into a user: the limit of attributes, and the cost."""

from __future__ import annotations

from typing import Any

import pytest

from connector.rules.model import users
from connector.rules.model.errors import DefinitionError
from connector.rules.model.users import (
    MAX_ATTRIBUTES_BYTES,
    REMOVED,
    User,
    UserMerge,
    check_attributes_size,
)
from connector.rules.model.values import canonical_json


def of_size(size: int, **more: Any) -> dict[str, Any]:
    """Return attributes of exactly this many bytes of JSON."""
    empty = len(canonical_json({**more, "a": ""}))
    return {**more, "a": "x" * (size - empty)}


@pytest.mark.parametrize("more", [{}, {"ü": "é\n", "n": None, "deep": {"er": [1, 2.5]}}])
def test_the_limit_is_exact(more: dict[str, Any]) -> None:
    """One byte more is refused, in a description and in a merge."""
    room = MAX_ATTRIBUTES_BYTES - len(canonical_json(more).encode()) + len(canonical_json(more))
    fits, over = of_size(room, **more), of_size(room + 1, **more)
    check_attributes_size(User(id="u", attributes=fits))
    with pytest.raises(DefinitionError, match="attributes: would be 26214"):
        check_attributes_size(User(id="u", attributes=over))
    user = User(id="u", attributes=more)
    merge = UserMerge(user, {})
    merge.apply({"attributes": {"a": fits["a"]}})
    assert merge.result().attributes == fits
    with pytest.raises(DefinitionError, match="at most 262144"):
        UserMerge(user, {}).apply({"attributes": {"a": over["a"]}})


def test_refused_changes_leave_the_others() -> None:
    """No part of the refused changes is merged; everything before and after is."""
    merge = UserMerge(User(id="u", email="a@b.test", attributes={"old": 1}), {})
    merge.apply({"attributes": {"a": 1, "old": REMOVED}})
    with pytest.raises(DefinitionError):
        merge.apply({"email": None, "attributes": of_size(MAX_ATTRIBUTES_BYTES + 9)})
    merge.apply({"attributes": {"b": 2}})
    user = merge.result()
    assert (user.email, user.attributes) == ("a@b.test", {"a": 1, "b": 2})


def test_the_cost_depends_on_the_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand small changes measure the user's attributes once."""
    measured: list[int] = []

    def measure(value: Any) -> str:
        text = canonical_json(value)
        measured.append(len(text))
        return text

    monkeypatch.setattr(users, "canonical_json", measure)
    merge = UserMerge(User(id="u", attributes=of_size(200_000)), {})
    for n in range(1000):
        merge.apply({"attributes": {"n": n}})
    assert sum(measured) < 250_000
    assert merge.result().attributes["n"] == 999
