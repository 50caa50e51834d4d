"""An interaction as `explain` shows it."""

from __future__ import annotations

from datetime import datetime

from connector.rules.model.interactions import Interaction, LogEntry
from connector.rules.model.values import format_instant
from starter.explain.explanation import InteractionView


def interaction_view(logged: LogEntry, *, arrived_at: datetime | None = None) -> InteractionView:
    """A logged item.

    Args:
        arrived_at: where the log knows it better than the item does.
    """
    item = logged.item
    interaction = item if isinstance(item, Interaction) else None
    return InteractionView(
        id=logged.id,
        type=item.name_or_type,
        campaign=interaction.campaign if interaction else None,
        card=interaction.card if interaction else None,
        properties=item.properties,
        happened_at=format_instant(logged.t),
        arrived_at=format_instant(arrived_at or logged.received_at),
    )


def logged_interaction_view(id: str, happened_at: datetime) -> InteractionView:
    """An item that is not logged any more: all that is left is its id and its time."""
    return InteractionView(
        id=id,
        type=None,
        campaign=None,
        card=None,
        properties=None,
        happened_at=format_instant(happened_at),
        arrived_at=None,
    )
