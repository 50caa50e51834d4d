"""Changes merged into a user: what a user may have, and what merging costs."""

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
    merge_changes,
)
from connector.rules.model.values import canonical_json


def of_size(size: int, **more: Any) -> dict[str, Any]:
    """Attributes of exactly so many bytes of JSON."""
    empty = len(canonical_json({**more, "a": ""}))
    return {**more, "a": "x" * (size - empty)}


@pytest.mark.parametrize("more", [{}, {"ü": "é\n", "n": None, "deep": {"er": [1, 2.5]}}])
def test_the_bound_is_exact(more: dict[str, Any]) -> None:
    """One byte more is too much, described at once or one by one."""
    room = MAX_ATTRIBUTES_BYTES - len(canonical_json(more).encode()) + len(canonical_json(more))
    fits, over = of_size(room, **more), of_size(room + 1, **more)
    check_attributes_size(User(id="u", attributes=fits))
    with pytest.raises(DefinitionError, match="attributes: would be 26214"):
        check_attributes_size(User(id="u", attributes=over))
    user = User(id="u", attributes=more)
    assert merge_changes(user, {"attributes": {"a": fits["a"]}}).attributes == fits
    with pytest.raises(DefinitionError, match="at most 262144"):
        merge_changes(user, {"attributes": {"a": over["a"]}})


def test_what_is_refused_leaves_what_was_merged() -> None:
    """Nothing of the refused changes holds, everything before and after does."""
    merging = UserMerge(User(id="u", email="a@b.test", attributes={"old": 1}))
    merging.apply({"attributes": {"a": 1, "old": REMOVED}})
    with pytest.raises(DefinitionError):
        merging.apply({"email": None, "attributes": of_size(MAX_ATTRIBUTES_BYTES + 9)})
    merging.apply({"attributes": {"b": 2}, "consent": {"sms": "unsubscribed"}})
    user = merging.result()
    assert (user.email, user.attributes, user.consent) == ("a@b.test", {"a": 1, "b": 2}, {"sms": "unsubscribed"})


def test_changes_cost_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is known already: a thousand small ones weigh it once."""
    weighed: list[int] = []

    def weigh(value: Any) -> str:
        text = canonical_json(value)
        weighed.append(len(text))
        return text

    monkeypatch.setattr(users, "canonical_json", weigh)
    merging = UserMerge(User(id="u", attributes=of_size(200_000)))
    for n in range(1000):
        merging.apply({"attributes": {"n": n}})
    assert sum(weighed) < 250_000
    assert merging.result().attributes["n"] == 999
