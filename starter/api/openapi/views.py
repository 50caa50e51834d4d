"""Models of responses for the OpenAPI document; a test validates real responses against them.

The routes write plain JSON values themselves, because the command line prints the same ones.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from connector.health.checks import CheckName, CheckStatus
from connector.rules.catalogue.catalogue import Lifecycle
from connector.rules.model.audit import ActorKind, AuditAction, Outcome
from connector.rules.model.consent import Consent, ConsentSource
from connector.rules.model.inbox import InboxKind
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.store.engine.outages import Outage
from starter.api.openapi.model_names import described_by
from starter.explain.explanation import Decision
from starter.explain.texts import MessageTextView
from starter.operations.consent_history import ConsentChangeView


class ResponseModel(BaseModel):
    """A response. Times are UTC with `Z`."""

    model_config = ConfigDict(extra="forbid")


class FaultView(ResponseModel):
    """One fault of a request, or of a definition in it, with its dotted key; empty: the whole.

    `file` and `line` are the place in a text that was sent, `id` the definition among several.
    """

    key: str
    problem: str
    file: str | None = None
    line: int | None = None
    id: str | None = None


class ErrorDetails(BaseModel):
    """`faults` of an `invalid` request, `problems` of a `refused` order, scopes that are `missing`; or others."""

    model_config = ConfigDict(extra="allow")

    faults: list[FaultView] = []
    problems: list[str] = []
    missing: list[str] = []


class ErrorBody(ResponseModel):
    """`code` is for programs, `message` for people; `details` lists faults or problems one by one."""

    code: str
    message: str
    details: ErrorDetails = ErrorDetails()


class ErrorView(ResponseModel):
    """Every error has this shape."""

    error: ErrorBody


class ItemView(ResponseModel):
    """The result of one item: `accepted` items are stored durably; `fault` explains an `invalid` one.

    `warnings` names the addresses of an accepted user description that are not valid.
    """

    id: str | None
    status: Literal["accepted", "duplicate", "invalid"]
    fault: str | None = None
    warnings: list[str] = []


class IngestView(ResponseModel):
    """One result per item, in their order; `users` has the results of user descriptions."""

    results: list[ItemView]
    users: list[ItemView] = []


class JoinView(ResponseModel):
    """An id that was joined into a user: by whom, and when that was undone, if ever."""

    previous_id: str
    id: str
    joined_at: datetime
    joined_by: str | None
    route: str
    undone_at: datetime | None
    undone_by: str | None


class ConsentStatementView(ResponseModel):
    """Who stated a user's consent to a channel, and when."""

    state: Consent
    source: ConsentSource
    at: datetime


class UserView(User):
    """A user; `unreachable` has, by channel, the address that providers reported as undeliverable."""

    consent_statements: dict[str, ConsentStatementView] = Field(default_factory=dict)
    consent_history: list[ConsentChangeView] = Field(default_factory=list)
    unreachable: dict[str, str] = Field(default_factory=dict)
    joins: list[JoinView] = Field(default_factory=list)


class DescribedUserView(User):
    """A user; `warnings` names the given addresses that are not valid."""

    warnings: list[str] = Field(default_factory=list)


class SplitView(ResponseModel):
    """`id` begins a new user; `split_from` is the id in use of the user whom it was part of."""

    id: str
    split_from: str


class SavedView(ResponseModel):
    """A saved draft. `warnings` are the reasons for which publishing would be refused."""

    id: str
    revision: int
    change: Literal["new", "edited", "unchanged"]
    warnings: list[str]


class WindowView(ResponseModel):
    """A window [opened_at, closed_at) in which it was live; null: it still is."""

    opened_at: datetime
    closed_at: datetime | None


class LiveView(ResponseModel):
    """A campaign or card, and which revision is live since when."""

    id: str
    kind: Literal["campaign", "card"]
    state: Lifecycle
    live_revision: int | None
    newest_revision: int
    effective_at: datetime | None


class EntryView(LiveView):
    """A campaign or card: its newest saved definition, and which revision is live since when."""

    windows: list[WindowView]
    definition: Annotated[dict[str, Any], described_by("Campaign", "Card")]


class ReceiptView(ResponseModel):
    """The campaigns that an order changed, in the order applied; `effective_at` is null if it changed nothing."""

    order_id: str
    verb: Literal["publish", "stop", "resume", "archive"]
    changed: list[str]
    unchanged: list[str]
    effective_at: datetime | None
    version: int
    warnings: list[str]


class InboxButtonView(BaseModel):
    """A button of an in-app message."""

    id: str
    label: str | None = None
    link: str | None = None


class InboxContentView(BaseModel):
    """The rendered content of a message or card."""

    title: str
    body: str
    link: str | None = None
    buttons: list[InboxButtonView] = []


class InboxMessageView(ResponseModel):
    """A message or card in an inbox; `expires_at` is null for a published card."""

    id: str
    kind: InboxKind
    campaign: str | None
    card: str | None
    content: InboxContentView
    priority: int
    created_at: datetime
    expires_at: datetime | None
    viewed: bool


class LaunchForecastView(ResponseModel):
    """Numbers of users; without `is_exact` there are more than were counted."""

    campaign: str
    at_once: int
    stale: int
    later: int
    is_exact: bool


class ResumePreviewView(ResponseModel):
    """The changes of a resume, and the effect of its launches on users who got no message yet."""

    changed: list[str]
    unchanged: list[str]
    warnings: list[str]
    launches: list[LaunchForecastView]


class FollowUpView(ResponseModel):
    """A follow-up or refusal. `reason` is null if it was sent or waits; a refusal has neither id nor due time.

    `user_key` is the user's name in Temporal and in the audit trail; `user` is null if the user was erased.
    `waits`, of an open one: "waits until …", or "due for 9 s; attempt 5 at …; last: http_503".
    """

    id: str | None
    workflow_id: str | None
    campaign: str
    user: str | None
    user_key: str
    trigger: str
    key: Any
    triggered_at: datetime
    due_at: datetime | None
    next_at: datetime | None
    state: State | Literal["noted"]
    reason: Reason | None
    decided_at: datetime | None
    channels: list[str]
    waits: str | None = None
    exception: str | None = None


class ExplainedFollowUpView(FollowUpView):
    """A follow-up with the decision about it; null if its user was erased.

    `texts` are its messages as they were rendered, as far as they are kept.
    """

    decision: Decision | None
    texts: list[MessageTextView]


class FollowUpsView(ResponseModel):
    """Newest trigger first; overdue ones longest overdue first. `next` is the `after` of the next page, or null.

    `hint` is there if nothing matches because no campaign has the id.
    """

    follow_ups: list[FollowUpView]
    has_more: bool
    next: str | None
    hint: str | None = None


class CountsView(ResponseModel):
    """Numbers of users, each counted once per step; `converted` by conversion, A to D."""

    enrolled: int
    sent: int
    opened: int
    opened_by_people: int
    clicked: int
    converted: dict[str, int]


class UpliftView(ResponseModel):
    """Rates of the receivers and of the control group, their difference with its 95% interval, and the relative one."""

    rate: float
    control_rate: float
    difference: float
    low: float
    high: float
    relative: float | None
    verdict: Literal["more", "less", "undecided"]


class ComparedView(CountsView):
    """Counts compared with the control group, by conversion; `uplift` is null if either group is empty."""

    uplift: dict[str, UpliftView | None]


class VariantView(ComparedView):
    """The receivers of one variant."""

    variant: str | None


class FollowUpCountView(ResponseModel):
    """The number of follow-ups, or of refused triggers, in one state for one reason."""

    state: State | Literal["noted"]
    reason: Reason | None
    count: int


class TemplateFaultView(ResponseModel):
    """The number of messages that one error of a template kept from being sent."""

    fault: str
    count: int


class RetriedView(ResponseModel):
    """The messages of one channel that are due and tried again after the same fault of their provider."""

    campaign: str
    channel: str
    fault: str
    count: int
    due_since: datetime
    due_for: str


class NumbersView(ResponseModel):
    """Numbers of users: the control group, all receivers, and each variant."""

    confidence: float
    control: CountsView
    receivers: ComparedView
    variants: list[VariantView]


class ActorView(ResponseModel):
    """`id` is a key's id or a user name of the operating system, `name` that of the key; null: not known."""

    kind: ActorKind
    id: str | None
    name: str | None


class AuditEntryView(ResponseModel):
    """Who did what to whom, from where, when and why. A user is named by `user_key`."""

    seq: int
    at: datetime
    actor: ActorView
    origin: str | None
    action: AuditAction
    subject: str | None
    outcome: Outcome
    reason: str | None
    details: dict[str, Any]
    act_id: str | None
    request_id: str | None


class AuditView(ResponseModel):
    """Newest first; `next` is the `before` of the next page, null if there is none."""

    entries: list[AuditEntryView]
    has_more: bool
    next: int | None


class RetriedChannelView(ResponseModel):
    """A channel whose messages are due and tried again, and the last fault of its provider."""

    channel: str
    fault: str


class CheckView(ResponseModel):
    """One check of the installation; `problem` says what is wrong and the way out, or why it is unknown."""

    name: CheckName
    status: CheckStatus
    problem: str | None = None


class ReadinessView(ResponseModel):
    """`degraded`: interactions are accepted, and their follow-ups start when the rest is back."""

    status: Literal["ready", "degraded", "not_ready"]
    database: Literal["ok"] | Outage
    temporal: Literal["ok", "unreachable"]
    worker: Literal["polling", "none"]
    retried: list[RetriedChannelView] | None = None
    note: str | None = None
    checks: list[CheckView]


class HealthView(ResponseModel):
    """This process is alive."""

    status: Literal["alive"]
