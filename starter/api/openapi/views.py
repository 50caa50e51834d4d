"""What routes answer, as models for the description of the API; a test holds real answers against them.

The routes write plain JSON values themselves, for the command line shows the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User


class View(BaseModel):
    """An answer. Times are UTC with `Z`."""

    model_config = ConfigDict(extra="forbid")


class ErrorBody(View):
    """`code` is for programs, `message` for people; `details` lists faults or problems one by one."""

    code: str
    message: str
    details: dict[str, Any] = {}


class ErrorView(View):
    """Every error has this shape."""

    error: ErrorBody


class ItemView(View):
    """What became of one item: `accepted` is stored for good; `fault` says what is wrong with an `invalid` one."""

    id: str | None
    status: Literal["accepted", "duplicate", "invalid"]
    fault: str | None = None


class IngestView(View):
    """One result an item, in their order; `users` where users were described."""

    results: list[ItemView]
    users: list[ItemView] = []


class UserView(User):
    """A user; `unreachable` has, by channel, an address to which nothing goes any more, where there is one."""

    unreachable: dict[str, str] = Field(default_factory=dict)


class SavedView(View):
    """A draft that was saved. `warnings` tell what publishing would be refused for."""

    id: str
    revision: int
    change: Literal["new", "edited", "unchanged"]
    warnings: list[str]


class WindowView(View):
    """A window in which it was live, up to `closed_at` and without it; null: it still is."""

    opened_at: datetime
    closed_at: datetime | None


class EntryView(View):
    """A campaign or card: its newest saved definition, and what is live of it since when."""

    id: str
    kind: Literal["campaign", "card"]
    state: Literal["draft", "active", "stopped", "archived"]
    live_revision: int | None
    newest_revision: int
    effective_at: datetime | None
    windows: list[WindowView]
    definition: dict[str, Any]


class ReceiptView(View):
    """What an order changed, in the order in which it took effect; `effective_at` is null where it changed nothing."""

    order_id: str
    verb: Literal["publish", "stop", "resume", "archive"]
    changed: list[str]
    unchanged: list[str]
    effective_at: datetime | None
    version: int
    warnings: list[str]


class FollowUpView(View):
    """One follow-up or refusal. `reason` is null where it was sent or waits; a refusal has neither id nor due time."""

    id: str | None
    workflow_id: str | None
    campaign: str
    user: str | None
    trigger: str
    key: Any
    triggered_at: datetime
    due_at: datetime | None
    next_at: datetime | None
    state: State | Literal["noted"]
    reason: Reason | None
    decided_at: datetime | None
    channels: list[str]
    exception: str | None = None


class FollowUpsView(View):
    """Newest trigger first."""

    follow_ups: list[FollowUpView]


class CountsView(View):
    """Numbers of users, each counted once a step; `converted` by conversion, A to D."""

    enrolled: int
    sent: int
    opened: int
    opened_by_people: int
    clicked: int
    converted: dict[str, int]


class ComparedView(CountsView):
    """The same, compared with the control group; `uplift` is null where either of them is empty."""

    uplift: dict[str, dict[str, Any] | None]


class VariantView(ComparedView):
    """One variant's receivers."""

    variant: str | None


class ResultsView(View):
    """What came of a campaign or card."""

    id: str
    confidence: float
    control: CountsView
    receivers: ComparedView
    variants: list[VariantView]


class ReadinessView(View):
    """`degraded`: interactions are accepted, and their follow-ups begin when the rest is back."""

    status: Literal["ready", "degraded", "not_ready"]
    database: Literal["ok", "unreachable"]
    temporal: Literal["ok", "unreachable"]
    worker: Literal["polling", "none"]
    note: str | None = None


class AliveView(View):
    """This process answers."""

    status: Literal["alive"]
