"""Control group and variants, by a hash of user and campaign (T4)."""

from __future__ import annotations

from typing import Any

import pytest

from connector.rules.model.campaigns import Campaign
from connector.rules.targeting.assignment import Assignment, assign, content_for

USERS = [f"user-{number}" for number in range(4000)]


def _campaign(variants: dict[str, int] | None = None, *, control: int = 0, name: str = "cart") -> Campaign:
    contents: dict[str, Any] = {"messages": _push("the one")}
    if variants:
        contents = {"variants": [{"name": n, "weight": w, "messages": _push(n)} for n, w in variants.items()]}
    delivery = {"type": "action_based", "trigger": [{"event": "e"}]}
    return Campaign.model_validate({"campaign": name, "delivery": delivery, "control_group": control, **contents})


def _push(title: str) -> dict[str, Any]:
    return {"push": {"title": title, "body": "b"}}


def _title(campaign: Campaign, assignment: Assignment, user: str = "") -> str:
    content = content_for(campaign, assignment, user)
    assert content is not None
    assert content.push is not None
    return content.push.title


@pytest.mark.parametrize(
    ("campaign", "user", "expected"),
    [
        ("cart", "u1", Assignment(control=True)),
        ("cart", "u2", Assignment(control=False, variant="c")),
        ("cart", "u3", Assignment(control=False, variant="b")),
        ("cart", "u4", Assignment(control=False, variant="c")),
        ("other", "u1", Assignment(control=True)),
        ("other", "u2", Assignment(control=False, variant="a")),
        ("cart", "Ünïcode", Assignment(control=False, variant="b")),
    ],
)
def test_assignments_never_change(campaign: str, user: str, expected: Assignment) -> None:
    """T4: golden values of SHA-256 over [purpose,1,campaign,user]; a release that changes them reassigns users."""
    assert assign(_campaign({"a": 1, "b": 1, "c": 2}, control=30, name=campaign), user) == expected


@pytest.mark.parametrize("per_cent", [0, 1, 20, 50, 100])
def test_control_group_has_its_share(per_cent: int) -> None:
    """T4: the group has its percentage of the users; none at 0 and all at 100."""
    share = sum(assign(_campaign(control=per_cent), user).control for user in USERS) / len(USERS) * 100
    assert share == pytest.approx(per_cent, abs=2 if 0 < per_cent < 100 else 0)


def test_a_larger_control_group_only_gains() -> None:
    """T4: the hash decides, so the users of a small control group are in every larger one."""
    groups = [{u for u in USERS if assign(_campaign(control=share), u).control} for share in (5, 20, 60)]
    assert groups[0] < groups[1] < groups[2]


def test_variants_have_their_weights() -> None:
    """T4: a variant with three times the weight gets three in four users."""
    variants = [assign(_campaign({"a": 1, "b": 3}), user).variant for user in USERS]
    assert variants.count("b") / len(USERS) == pytest.approx(0.75, abs=0.03)
    assert set(variants) == {"a", "b"}


def test_order_of_variants_does_not_matter() -> None:
    """T4: variants in another order give every user the same one."""
    one, other = _campaign({"a": 1, "b": 2, "c": 3}), _campaign({"c": 3, "a": 1, "b": 2})
    assert [assign(one, user) for user in USERS] == [assign(other, user) for user in USERS]


def test_control_and_variant_are_independent() -> None:
    """T4: a control group has equal parts of the users of all variants."""
    variants = [assign(_campaign({"a": 1, "b": 1}, control=50), user).variant for user in USERS]
    assert variants.count("a") == pytest.approx(variants.count("b"), rel=0.15)


def test_campaigns_are_independent() -> None:
    """T4: the control groups of two campaigns are independent."""
    groups = [{u for u in USERS if assign(_campaign(control=50, name=name), u).control} for name in ("c1", "c2")]
    assert len(groups[0] & groups[1]) / len(USERS) == pytest.approx(0.25, abs=0.03)


def test_content_of_the_assignment() -> None:
    """T4: the content is the user's variant, or the campaign's messages without variants."""
    assert _title(_campaign({"a": 1, "b": 1}), Assignment(control=False, variant="b")) == "b"
    assert _title(_campaign(), Assignment(control=False)) == "the one"
    assert _title(_campaign(), Assignment(control=False, variant="gone")) == "the one"


@pytest.mark.parametrize("kept", [None, "gone"])
def test_a_removed_variant_is_replaced(kept: str | None) -> None:
    """T4: its users, and users without a variant, are spread over the present ones like new users."""
    campaign = _campaign({"a": 1, "b": 3})
    titles = [_title(campaign, Assignment(control=False, variant=kept), user) for user in USERS]
    assert titles == [assign(campaign, user).variant for user in USERS]


def test_without_a_user_the_replacement_is_stable() -> None:
    """T4: all users of a former variant get the same present one."""
    campaign = _campaign({"a": 1, "b": 1})
    titles = {_title(campaign, Assignment(control=False, variant="gone")) for _ in range(3)}
    assert len(titles & {"a", "b"}) == len(titles) == 1
