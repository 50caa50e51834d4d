"""Control group and variants, by a hash of user and campaign (T4)."""

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
    """Whether a user is in the control group, and the name of the variant otherwise, where there are variants."""

    control: bool
    variant: str | None = None


def assign(campaign: Campaign, user: str) -> Assignment:
    """What the hash gives a user, named by the user's id, so that it is the same on every machine and in `simulate`.

    The store keeps the first assignment that it gave, also where the user gets another id.
    """
    if _bucket("control", campaign.id, user) < campaign.control_group * (_BUCKETS // 100):
        return Assignment(control=True)
    variant = _draw(campaign.variants, campaign.id, user) if campaign.variants else None
    return Assignment(control=False, variant=variant)


def content_for(campaign: Campaign, assignment: Assignment, user: str = "") -> Messages | None:
    """The messages that an assignment gives.

    A variant that no longer exists, or that was none when the assignment was kept, is drawn anew for the user, named
    by the user's id, among those there are; without a user, all of one former variant get the same.
    """
    if not campaign.variants:
        return campaign.messages
    contents = {variant.name: variant.messages for variant in campaign.variants}
    if assignment.variant is not None and assignment.variant in contents:
        return contents[assignment.variant]
    return contents[_draw(campaign.variants, campaign.id, user or assignment.variant or "")]


def _draw(variants: Sequence[Variant], campaign: str, user: str) -> str:
    """A variant by weight, over the variants in the order of their names, so that reordering them moves nobody."""
    ordered = sorted(variants, key=lambda variant: variant.name)
    point = _bucket("variant", campaign, user) * sum(variant.weight for variant in ordered)
    reached = accumulate(variant.weight * _BUCKETS for variant in ordered)
    return next(variant.name for variant, end in zip(ordered, reached, strict=True) if point < end)


def _bucket(purpose: str, campaign: str, user: str) -> int:
    """A stable number in [0, 10,000): the first 8 bytes of SHA-256 over a canonical text with its version."""
    digest = hashlib.sha256(canonical_json([purpose, 1, campaign, user]).encode()).digest()
    return int.from_bytes(digest[:8], "big") % _BUCKETS
