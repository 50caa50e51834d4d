"""Schemas of the responses about several campaigns: lists, counts, plans, simulations."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from connector.rules.catalogue.catalogue import Lifecycle
from starter.api.openapi.views import (
    EntryView,
    FollowUpCountView,
    LaunchForecastView,
    LiveView,
    NumbersView,
    ResponseModel,
    ResumePreviewView,
    RetriedView,
    TemplateFaultView,
    WindowView,
)


class CampaignStateView(LiveView):
    """A campaign or card: which revision is live since when, and its follow-ups by state and reason."""

    windows: list[WindowView]
    follow_ups: list[FollowUpCountView]


class ListedCampaignView(CampaignStateView):
    """A campaign or card with its name; null: it has none."""

    name: str | None


class CampaignsView(ResponseModel):
    """A page of campaigns and cards by id; `next` is the `after` of the next page, null if there is none."""

    campaigns: list[ListedCampaignView]
    has_more: bool
    next: str | None


class StatusView(ResponseModel):
    """Every campaign and card, by id; `version` is that of the catalogue."""

    version: int
    campaigns: list[CampaignStateView]
    retried: list[RetriedView]


class CampaignStatusView(CampaignStateView):
    """One campaign or card with its results."""

    template_faults: list[TemplateFaultView]
    retried: list[RetriedView]
    results: NumbersView


class SavedDefinitionView(ResponseModel):
    """What saving one definition did; `revision` is its newest one, or of the workspace the catalogue's version."""

    id: str
    revision: int
    change: Literal["new", "edited", "unchanged"]


class AppliedView(ResponseModel):
    """Saved definitions, and what `publish` would refuse."""

    saved: list[SavedDefinitionView]
    warnings: list[str]


class DifferenceView(ResponseModel):
    """One difference of a definition, by the dotted path of its key."""

    change: Literal["added", "removed", "edited"]
    path: str
    before: Any
    after: Any


class ChangedView(SavedDefinitionView):
    """A definition that would change, and which revision is live."""

    kind: Literal["campaign", "card", "workspace"]
    live_revision: int | None
    differences: list[DifferenceView]


class ElsewhereView(ResponseModel):
    """A campaign or card of the store that the definitions do not name."""

    id: str
    state: Lifecycle


class WaitsView(ResponseModel):
    """Who would stay on an earlier revision: users, and their follow-ups that wait or are held."""

    campaign: str
    revision: int
    users: int
    waiting: int
    held: int


class DraftView(ResponseModel):
    """A revision that was never published, and its differences from what is live."""

    revision: int
    differences: list[DifferenceView]


class PublicationView(ResponseModel):
    """What publishing would do; with `refusals` it would not take effect at all."""

    order: list[str]
    refusals: list[str]
    warnings: list[str]
    launches: list[LaunchForecastView]


class PublicationsView(ResponseModel):
    """The publication of one campaign, and that with the draft follow-ons that listen to it; null: there are none."""

    alone: PublicationView
    together: PublicationView | None


class ReviewView(EntryView):
    """A campaign or card with what each order would do; what cannot be done is null. `open`: what a stop would end."""

    name: str | None
    draft: DraftView | None
    publish: PublicationsView | None
    resume: ResumePreviewView | None
    open: list[WaitsView]


class TextView(ResponseModel):
    """The size of a text message with its values left out."""

    campaign: str
    message: str
    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int
    links: int
    depends_on_values: bool


class AudienceView(ResponseModel):
    """How many users are in a campaign's audience now, and how many of them can be reached, by channel.

    `is_sample`: `looked_at` of the `users` were counted, who are at least so many unless `is_exact`.
    """

    campaign: str
    in_audience: int
    reachable: int
    by_channel: dict[str, int]
    looked_at: int
    users: int
    is_exact: bool
    is_sample: bool


class PlanView(ResponseModel):
    """What applying and publishing definitions would do."""

    changes: list[ChangedView]
    unchanged: list[str]
    elsewhere: list[ElsewhereView]
    order: list[str]
    refusals: list[str]
    warnings: list[str]
    waits: list[WaitsView]
    audiences: list[AudienceView]
    texts: list[TextView]


class FoundFaultView(ResponseModel):
    """A fault or warning; `text` is the line that people read."""

    file: str | None
    line: int | None
    id: str | None
    key: str | None
    problem: str
    text: str


class FoundDefinitionView(ResponseModel):
    """A definition and where it stands."""

    id: str
    kind: Literal["campaign", "card", "workspace"]
    file: str
    line: int


class ValidationView(ResponseModel):
    """The faults and warnings of definitions by themselves; without faults they are valid."""

    valid: bool
    definitions: list[FoundDefinitionView]
    faults: list[FoundFaultView]
    warnings: list[FoundFaultView]


class OutcomeView(ResponseModel):
    """A follow-up or refusal of a simulation, as `connector simulate --json` prints it."""

    campaign: str
    user: str
    trigger: str
    key: Any
    triggered_at: datetime
    due_at: datetime | None
    state: str
    reason: str | None
    decided_at: datetime | None
    channels: list[str]
    exception: str | None = None
    messages: list[dict[str, Any]] | None = None


class SimulationView(ResponseModel):
    """The outcomes in the order decided; `failure` is what ended the run before its time, null if nothing did."""

    outcomes: list[OutcomeView]
    warnings: list[str]
    failure: str | None


class WorkspaceView(ResponseModel):
    """The settings of the workspace: `definition` as they were written, `settings` with every default."""

    workspace: str
    version: int
    definition: dict[str, Any]
    settings: dict[str, Any]


class BacktestView(ResponseModel):
    """What a campaign would have done; counts by exception and by reason."""

    campaign: str
    revision: int
    since: datetime
    until: datetime
    users: int
    triggered: int
    sent: int
    excepted: dict[str, int]
    dropped: dict[str, int]
    control: int
    waiting: int
    refused: dict[str, int]
    seconds_until_exception: dict[str, float]
