"""A user's consent history as JSON values, with each change in words."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from connector.rules.model.consent import Consent, ConsentSource
from connector.rules.model.values import format_instant
from connector.rules.provider_events.events import ANSWER
from connector.store.users.consent_history import JOIN, RecordedChange

_SOURCES = {
    ConsentSource.PROFILE.value: "by a profile",
    ConsentSource.USER.value: "by the user, with a link to unsubscribe",
    ConsentSource.PROVIDER.value: "by a provider",
    ConsentSource.SERVICE.value: "by a service",
    ConsentSource.OPERATOR.value: "by an operator",
    JOIN: "from a user who was joined to this one",
}


class ConsentChangeView(BaseModel):
    """A change of a user's consent to a channel; times are UTC with `Z`.

    Args:
        old: the state before; null: nothing was stated.
        changed_at: when it changed here. stated_at: when the statement was made, as far as it says so.
        source: who stated it; `join`: it came from a user who was joined to this one.
        changed_by: the id of the key, or the user name of the operating system, of the operator who changed it.
        provider: the provider that reported it, by which `event`; `answer`: a provider answered so to a message.
    """

    channel: str
    old: Consent | None
    new: Consent
    changed_at: str
    stated_at: str | None
    source: ConsentSource | Literal["join"]
    changed_by: str | None
    provider: str | None
    event: str | None
    words: str


def view_change(change: RecordedChange) -> dict[str, str | None]:
    """Return a change as JSON values."""
    return {
        "channel": change.channel,
        "old": change.old_state,
        "new": change.state,
        "changed_at": format_instant(change.changed_at),
        "stated_at": format_instant(change.stated_at),
        "source": change.source,
        "changed_by": change.changed_by,
        "provider": change.provider,
        "event": change.event,
        "words": _describe(change),
    }


def _describe(change: RecordedChange) -> str:
    before = change.old_state or "nothing stated"
    return f"{change.channel}: {before} → {change.state}, {_describe_source(change)}"


def _describe_source(change: RecordedChange) -> str:
    if change.provider == ANSWER:
        return "by a provider's answer to a message"
    if change.provider is not None:
        return f"reported by {change.provider} ({change.event})"
    by = f" ({change.changed_by})" if change.changed_by else ""
    return _SOURCES[change.source] + by
