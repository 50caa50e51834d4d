"""Inputs and results of workflows and activities.

Frozen, tolerant of unknown fields, and free of personal data (guarantee 8).
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from connector.rules.model.values import canonical_json


class Wire(BaseModel):
    """The base of everything that is stored in a history."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FollowUpStart(Wire):
    """The input of a follow-up. `due_at` is UTC; `channels` are those of the revision at its trigger."""

    workspace: str
    follow_up_id: str
    campaign: str
    user_key: str
    due_at: datetime
    channels: tuple[str, ...]


class SendRequest(Wire):
    """A request to evaluate and send one channel of one follow-up now."""

    workspace: str
    follow_up_id: str
    campaign: str
    channel: str


class SendOutcome(Wire):
    """The result of a `SendRequest`.

    `held`: try again at `until` (UTC). `ended`: the row had already ended, in `state`. `moved`: the newest live content
    has `channels` instead of this channel. `paused`: the campaign of a launch is stopped; the launch continues
    after the resume; follow-ups of triggers are never paused.
    """

    outcome: Literal["sent", "held", "dropped", "control", "failed", "ended", "moved", "paused"]
    state: str | None = None
    reason: str | None = None
    until: datetime | None = None
    channels: tuple[str, ...] = ()


class FollowUpEnd(Wire):
    """The end of a follow-up that its workflow did not decide: an exception, a stop, a new trigger or an operator."""

    state: str
    reason: str | None = None


class FollowUpMove(Wire):
    """The time that a follow-up waits for now, UTC: an operator moved it in the store."""

    next_at: datetime


class FollowUpResult(Wire):
    """The result of a follow-up's workflow: its final state, why it did not send, and the channels that it sent on.

    Workflows that an earlier version ended have the state alone, as text.
    """

    state: str
    reason: str | None = None
    channels: tuple[str, ...] = ()


class FollowUpStatus(Wire):
    """The present state of a follow-up: what it waits for until when (UTC), the channels it sends on, and its end."""

    waits: dict[str, datetime]
    sending: tuple[str, ...] = ()
    ended: FollowUpEnd | None = None


OperatorVerb = Literal["send_now", "postpone", "cancel"]
"""The operator actions on a follow-up, which are the names of its updates."""

MAX_NOTE_CHARACTERS = 200


class OperatorRequest(Wire):
    """The input of `send_now` and `cancel`: nothing, or a note that the UI shows while the update runs."""

    note: str | None = Field(default=None, max_length=MAX_NOTE_CHARACTERS)


class Postponement(OperatorRequest):
    """The input of `postpone`. `until` is RFC 3339 with a zone."""

    until: str = ""


class Operation(Wire):
    """An operator action on one follow-up. `until` (UTC) is for `postpone` only.

    `update_id` is None if an earlier version started the update, or if there is none.
    """

    workspace: str
    follow_up_id: str
    verb: OperatorVerb
    until: datetime | None = None
    update_id: str | None = None

    @property
    def act_id(self) -> str | None:
        """The id of the action in the audit trail; None: it has none.

        No caller can reuse it for another follow-up, and it does not contain the follow-up's id, which an erasure
        replaces.
        """
        if self.update_id is None:
            return None
        return hashlib.sha256(f"{self.follow_up_id}-{self.update_id}".encode()).hexdigest()[:32]


class OperationResult(Wire):
    """The result of an operator action, and the row's present state; `next_at` (UTC) is the end of its wait.

    If it is not `done`, nothing was changed, and `says` gives the reason.
    """

    done: bool
    says: str
    state: str | None = None
    reason: str | None = None
    next_at: datetime | None = None


class ReportedException(Wire):
    """An interaction that was signalled to a waiting follow-up, in the wire form of design 8, without its user."""

    workspace: str
    user_key: str
    item: dict[str, Any]


class Order(Wire):
    """A lifecycle order: ids only, and an id of its own by which a repetition changes nothing."""

    workspace: str
    order_id: str
    verb: Literal["publish", "stop", "resume", "archive"]
    ids: tuple[str, ...]
    with_follow_ons: bool = False
    allow_missed: bool = False

    @property
    def digest(self) -> str:
        """A digest of the order's content: a different order with the same id has a different digest."""
        ordered = self.model_dump(exclude={"workspace", "order_id"}) | {"ids": sorted(set(self.ids))}
        return hashlib.sha256(canonical_json(ordered).encode()).hexdigest()[:16]

    @property
    def act_id(self) -> str:
        """The id of the order with its content: of the update, and of its entries in the audit trail.

        By this id Temporal joins a repeated order to one in progress, but not a different order with the same id. No
        caller can give another order in the name of the actor who requested this one.
        """
        return f"{self.order_id}-{self.digest}"


class OrderReceipt(Wire):
    """The result of an order. `effective_at` is UTC; `changed` is in the order in which the changes took effect."""

    order_id: str
    verb: str
    changed: tuple[str, ...]
    unchanged: tuple[str, ...] = ()
    effective_at: datetime | None = None
    version: int
    warnings: tuple[str, ...] = ()


class StoppedWindow(Wire):
    """The campaigns whose windows were closed, so that their waits must end (P9). Empty: the whole workspace."""

    workspace: str
    campaigns: tuple[str, ...]


class RegistryState(Wire):
    """The state that a registry passes from run to run: a short log, and the campaigns whose waits must still end.

    `continued` is false if nothing is known of an earlier registry's unfinished work.
    """

    workspace: str
    log: tuple[str, ...] = ()
    to_end: tuple[str, ...] = ()
    continued: bool = False


class LaunchPage(Wire):
    """A request to process the next page of a launch.

    Args:
        after: the last processed user of the pass over those who still wait; '' begins a new pass.
        later: a provider asked for a retry in this pass.
        tries: the number of consecutive passes in which a provider did.
    """

    workspace: str
    launch_id: str
    campaign: str
    after: str = ""
    later: bool = False
    tries: int = 0


class LaunchStart(Wire):
    """The input of a launch. Its time and content are in the store; `page` is where an earlier run of it stopped."""

    workspace: str
    launch_id: str
    campaign: str
    page: LaunchPage | None = None


class LaunchProgress(Wire):
    """The progress of a launch: users by state, and whether they are the whole audience."""

    users: dict[str, int] = Field(default_factory=dict)
    whole_audience: bool = False


class LaunchStep(Wire):
    """The state of a launch after a page. `until` (UTC) is when to continue; None: now, or on a signal.

    `waits`: its time has not come, or all who are left wait for another instant. `enrolling`: its audience is being
    collected. `sending`: there is more to send. `paused`: its campaign is stopped. `ended`: nothing is left.
    """

    phase: Literal["waits", "enrolling", "sending", "paused", "ended"]
    next_page: LaunchPage
    until: datetime | None = None
    progress: LaunchProgress = LaunchProgress()
