"""The index of the follow-ups that were sent or enrolled in the control group."""

from __future__ import annotations

from sqlalchemy import ColumnElement, literal

from connector.rules.model.reasons import State
from connector.store.tables import follow_ups


def has_reached() -> ColumnElement[bool]:
    """Return the condition that a follow-up was sent or enrolled, in constants, so that its partial index is used."""
    return follow_ups.c.state.in_([literal(state.value, literal_execute=True) for state in (State.SENT, State.CONTROL)])
