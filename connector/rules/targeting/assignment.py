"""Assignment of users to the control group and to variants, by a hash of user and campaign (T4)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from connector.rules.model.campaigns import Campaign, Variant
from connector.rules.model.messages import Messages
from connector.rules.model.values import canonical_json

_BUCKETS = 10_000


@dataclass(frozen=True)
class Assignment:
    """Whether a user is in the control group; if not, the name of the user's variant, None without variants."""

    control: bool
    variant: str | None = None


def assign(campaign: Campaign, user: str) -> Assignment:
    """Assign a user by the user's id: the same on every machine, in every release and in `simulate`.

    The store keeps a user's first assignment, also if the user gets another id.
    """
    share = campaign.control_group * (_BUCKETS // 100)
    if share and _bucket("control", campaign.id, user) < share:
        return Assignment(control=True)
    variant = _draw(campaign.variants, campaign.id, user) if campaign.variants else None
    return Assignment(control=False, variant=variant)


def content_for(campaign: Campaign, assignment: Assignment, user: str = "") -> Messages | None:
    """Return the messages of an assignment; None if the campaign has none.

    If the assignment's variant does not exist, or the assignment was made without variants, a present variant is
    drawn by the user's id; without a user, all users of a former variant get the same present variant.
    """
    if not campaign.variants:
        return campaign.messages
    contents = {variant.name: variant.messages for variant in campaign.variants}
    if assignment.variant is not None and assignment.variant in contents:
        return contents[assignment.variant]
    return contents[_draw(campaign.variants, campaign.id, user or assignment.variant or "")]


def _draw(variants: Sequence[Variant], campaign: str, user: str) -> str:
    """Draw a variant by weight. The variants are sorted by name first, so that reordering them moves no user."""
    ordered = sorted(variants, key=lambda variant: variant.name)
    point = _bucket("variant", campaign, user) * sum(variant.weight for variant in ordered)
    ends = accumulate(variant.weight * _BUCKETS for variant in ordered)
    return next(variant.name for variant, end in zip(ordered, ends, strict=True) if point < end)


def _bucket(purpose: str, campaign: str, user: str) -> int:
    """Return a stable number in [0, 10,000): the first 8 bytes of SHA-256 over canonical JSON that has a version."""
    digest = hashlib.sha256(canonical_json([purpose, 1, campaign, user]).encode()).digest()
    return int.from_bytes(digest[:8], "big") % _BUCKETS
