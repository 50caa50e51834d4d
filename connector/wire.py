"""What crosses Temporal's wire. Frozen, tolerant of unknown fields, and without personal data (guarantee 8)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Wire(BaseModel):
    """The base of everything that stands in a history."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FollowUpStart(Wire):
    """The input of a follow-up. `due_at` is UTC; `channels` are those of the revision it began with."""

    workspace: str
    follow_up_id: str
    campaign: str
    user_key: str
    due_at: datetime
    channels: tuple[str, ...]


class SendRequest(Wire):
    """One channel of one follow-up is to be judged and sent now."""

    workspace: str
    follow_up_id: str
    campaign: str
    channel: str


class SendOutcome(Wire):
    """What came of it. `held`: try again at `until` (UTC). `ended`: the row had already ended, in `state`.

    `moved`: the newest live content no longer has this channel; `channels` are those that it has instead. `paused`: its
    campaign is stopped, and the launch that it belongs to goes on with resume; follow-ups never are.
    """

    outcome: Literal["sent", "held", "dropped", "control", "failed", "ended", "moved", "paused"]
    state: str | None = None
    reason: str | None = None
    until: datetime | None = None
    channels: tuple[str, ...] = ()


class Ended(Wire):
    """The store ended the follow-up from outside: an exception, a stop, a new trigger, an operator."""

    state: str
    reason: str | None = None


class FollowUpStatus(Wire):
    """What a follow-up does now: why it waits until when (UTC), what it sends on, and what ended it."""

    waits: dict[str, datetime]
    sending: tuple[str, ...] = ()
    ended: Ended | None = None


Verb = Literal["send_now", "postpone", "cancel"]
"""What an operator can do to one follow-up; the names of its updates."""

LONGEST_NOTE = 200
"""In characters."""


class Asked(Wire):
    """What an operator says with `send_now` and `cancel`: nothing, or a note that the UI shows while it runs."""

    note: str | None = Field(default=None, max_length=LONGEST_NOTE)


class Postponement(Asked):
    """What an operator says with `postpone`: until when, RFC 3339 with its zone."""

    until: str = ""


class Operation(Wire):
    """An operator's hand on one follow-up. `until` (UTC) is for `postpone` only."""

    workspace: str
    follow_up_id: str
    verb: Verb
    until: datetime | None = None


class Operated(Wire):
    """What came of an operator's hand, and how the row stands now: `next_at` (UTC) is what it waits for.

    Where it is not `done`, nothing was changed, and `says` tells why.
    """

    done: bool
    says: str
    state: str | None = None
    reason: str | None = None
    next_at: datetime | None = None


class ReportedException(Wire):
    """An interaction that somebody signalled to a waiting follow-up, in the wire form of design 8, without user."""

    workspace: str
    user_key: str
    item: dict[str, Any]


class Order(Wire):
    """A lifecycle order: ids only, and an id of its own that makes repeating it harmless."""

    workspace: str
    order_id: str
    verb: Literal["publish", "stop", "resume", "archive"]
    ids: tuple[str, ...]
    with_follow_ons: bool = False
    allow_missed: bool = False


class OrderReceipt(Wire):
    """What an order changed. `effective_at` is UTC; `changed` is in the order in which it took effect."""

    order_id: str
    verb: str
    changed: tuple[str, ...]
    unchanged: tuple[str, ...] = ()
    effective_at: datetime | None = None
    version: int
    warnings: tuple[str, ...] = ()


class StoppedWindow(Wire):
    """The campaigns whose waits are to be ended, because their windows were closed (P9). Empty: the whole workspace."""

    workspace: str
    campaigns: tuple[str, ...]


class RegistryState(Wire):
    """What a registry takes from run to run: a short log, and the campaigns whose waits are still to be ended.

    `continued` is false where nothing is known of what an earlier registry left undone.
    """

    workspace: str
    log: tuple[str, ...] = ()
    to_end: tuple[str, ...] = ()
    continued: bool = False


class LaunchPage(Wire):
    """The next stretch of a launch is to be done.

    `after` is the last user of the pass over those who still wait; '' begins a new pass. `later` says that a provider
    asked in this pass to be tried again, `tries` in how many passes in a row one did.
    """

    workspace: str
    launch_id: str
    campaign: str
    after: str = ""
    later: bool = False
    tries: int = 0


class LaunchStart(Wire):
    """The input of a launch. What `at` is about stands in the store; `page` is where an earlier run of it stood."""

    workspace: str
    launch_id: str
    campaign: str
    page: LaunchPage | None = None


class LaunchProgress(Wire):
    """How far a launch has come: users by the state in which they are, and whether the whole audience is among them."""

    users: dict[str, int] = Field(default_factory=dict)
    whole_audience: bool = False


class LaunchStep(Wire):
    """How a launch stands after a stretch. `until` (UTC) is what it waits for; None: for nothing, or to be told.

    `waits`: its time has not come, or all who are left wait for another instant. `enrolling`: its audience is being
    gathered. `sending`: there is more to do. `paused`: its campaign is stopped. `ended`: nothing is left.
    """

    phase: Literal["waits", "enrolling", "sending", "paused", "ended"]
    next_page: LaunchPage
    until: datetime | None = None
    progress: LaunchProgress = LaunchProgress()
