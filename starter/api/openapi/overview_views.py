"""Models of the responses about what goes on, how campaigns are connected, and results over time."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from connector.rules.catalogue.catalogue import Lifecycle
from connector.rules.model.interactions import InteractionType
from connector.rules.model.reasons import Reason, State
from starter.api.openapi.views import (
    ComparedView,
    CountsView,
    FollowUpCountView,
    LiveView,
    NumbersView,
    ResponseModel,
    RetriedView,
    TemplateFaultView,
    VariantView,
)


class OverviewCampaignView(LiveView):
    """A campaign or card with its live counts; `waiting` has those that are held and being sent, too."""

    name: str | None
    waiting: int
    sent_today: int


class AttentionView(ResponseModel):
    """One thing that needs a hand; `order` has the ids to publish together, in their order."""

    kind: Literal["overdue", "unknown", "failed", "never_triggers", "would_miss_launch"]
    campaign: str
    count: int | None
    since: datetime | None
    text: str
    order: list[str] | None


class OverviewView(ResponseModel):
    """What goes on and what needs a hand; `more_attention` is how many more things do."""

    today: date
    zone: str
    since: datetime
    states: dict[Lifecycle, int]
    campaigns: list[OverviewCampaignView]
    has_more: bool
    next: str | None
    attention: list[AttentionView]
    more_attention: int


class NodeView(ResponseModel):
    """A campaign or card; `state` and `kind` are null if a follow-on names it and it does not exist."""

    id: str
    name: str | None
    state: Lifecycle | None
    kind: Literal["action_based", "scheduled", "external", "card"] | None
    has_draft: bool
    live_since: datetime | None
    starts_on: list[str]
    cancelled_by: list[str]
    delay: str | None
    waiting: int
    sent_today: int


class EdgeView(ResponseModel):
    """What a follow-on listens to; `delay` is null of exceptions."""

    from_: str = Field(alias="from")
    to: str
    role: Literal["trigger", "exception"]
    interaction: InteractionType
    text: str
    refinement: str | None
    delay: str | None


class GraphView(ResponseModel):
    """Campaigns and cards, and how they are connected."""

    nodes: list[NodeView]
    edges: list[EdgeView]
    total: int
    has_more: bool


class FunnelView(ResponseModel):
    """`triggered`, `waiting` and `sent` count follow-ups, the others users."""

    triggered: int
    waiting: int
    sent: int
    opened: int
    opened_by_people: int
    clicked: int
    converted: dict[str, int]


class ReasonView(ResponseModel):
    """Why follow-ups sent nothing, or triggers were refused, and how many."""

    state: State
    reason: Reason
    text: str
    count: int


class DayView(ResponseModel):
    """The results of the users who were first reached on one day."""

    day: date
    control: CountsView
    receivers: ComparedView
    variants: list[VariantView]


class ExceptionsAfterView(ResponseModel):
    """How long after the trigger exceptions came, in seconds: the time within which so many per cent of them had."""

    count: int
    p10: float | None = None
    p25: float | None = None
    p50: float | None = None
    p75: float | None = None
    p90: float | None = None
    p99: float | None = None


class ResultsOverTimeView(NumbersView):
    """The results of a campaign or card, of all times or within a range, and by day."""

    id: str
    follow_ups: list[FollowUpCountView]
    template_faults: list[TemplateFaultView]
    retried: list[RetriedView]
    since: datetime | None
    until: datetime | None
    zone: str
    as_of: datetime
    funnel: FunnelView
    reasons: list[ReasonView]
    exceptions_after: ExceptionsAfterView
    days: list[DayView] | None
