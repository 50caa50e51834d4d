"""Schemas of the responses about several campaigns: lists, counts, plans, simulations."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from starter.api.openapi.views import (
    ComparedView,
    CountsView,
    FollowUpCountView,
    ResponseModel,
    RetriedView,
    TemplateFaultView,
    VariantView,
    WindowView,
)


class CampaignStateView(ResponseModel):
    """A campaign or card: which revision is live since when, and its follow-ups by state and reason."""

    id: str
    kind: Literal["campaign", "card"]
    state: Literal["draft", "active", "stopped", "archived"]
    live_revision: int | None
    newest_revision: int
    effective_at: datetime | None
    windows: list[WindowView]
    follow_ups: list[FollowUpCountView]


class StatusView(ResponseModel):
    """Every campaign and card, by id; `version` is that of the catalogue."""

    version: int
    campaigns: list[CampaignStateView]
    retried: list[RetriedView]


class NumbersView(ResponseModel):
    """Numbers of users: the control group, all receivers, and each variant."""

    confidence: float
    control: CountsView
    receivers: ComparedView
    variants: list[VariantView]


class CampaignStatusView(CampaignStateView):
    """One campaign or card with its results."""

    template_faults: list[TemplateFaultView]
    retried: list[RetriedView]
    results: NumbersView
