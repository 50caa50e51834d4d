"""What the audit trail records: who did what, from where, why, and with which outcome (guarantee 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

MAX_REASON_CHARACTERS = 200

Outcome = Literal["done", "requested", "refused"]
"""`requested`: recorded before Temporal was asked to do it; `done` or `refused` follows under the same act id."""


class ActorKind(StrEnum):
    """How an actor is known.

    `key`: by an API key. `console`: by the API key of a sign-in there. `command_line`: by the operating system.
    `anonymous`: not at all, on the loopback address of `connector dev`. `temporal`: not at all, through Temporal's own
    UI or command line, past the starters.
    """

    KEY = "key"
    CONSOLE = "console"
    COMMAND_LINE = "command_line"
    ANONYMOUS = "anonymous"
    TEMPORAL = "temporal"


class AuditAction(StrEnum):
    """Everything that leaves an entry. Orders and operator actions have the names of their updates."""

    APPLY = "apply"
    PUBLISH = "publish"
    STOP = "stop"
    RESUME = "resume"
    ARCHIVE = "archive"
    SEND_NOW = "send_now"
    POSTPONE = "postpone"
    CANCEL = "cancel"
    RESOLVE = "resolve"
    RESEND = "resend"
    SEND_TEST = "send_test"
    CREATE_KEY = "create_key"
    ROTATE_KEY = "rotate_key"
    REVOKE_KEY = "revoke_key"
    JOIN_USERS = "join_users"
    UNDO_JOIN = "undo_join"
    CHANGE_CONSENT = "change_consent"
    ERASE_USER = "erase_user"
    RETRY_REPORTS = "retry_reports"
    CLEAN_UP = "clean_up"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and from where. It is made by a starter and never crosses Temporal (guarantee 8).

    Args:
        id: the key's id, or the user name of the operating system; None if the actor is not known.
        origin: the client's address, or the host of the command line.
        request_id: of the HTTP request, as in the log and in the answer's `X-Request-Id`.
    """

    kind: ActorKind
    id: str | None = None
    origin: str | None = None
    request_id: str | None = None


IN_TEMPORAL = Actor(ActorKind.TEMPORAL)
"""The actor of an order or operator action that no starter has requested."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that an actor does to one subject.

    Args:
        subject: the id of a campaign, card or key; a user, and whose follow-up it is, by `user_key`: never by an
            external id or the follow-up's, which an erasure could not delete here. None: no single thing.
        details: JSON values that name no user and are made of nothing about one, such as a due time (`spread`).
        reason: why, as the actor wrote it.
        act_id: the id of the order or update, which the entries of one act share; None: the act has one entry.
    """

    action: AuditAction
    subject: str | None
    details: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    outcome: Outcome = "done"
    act_id: str | None = None
