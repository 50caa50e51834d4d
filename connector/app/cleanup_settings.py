"""For how long the settings keep rows; apart from the daily cleanup, whose logs commands need not import."""

from __future__ import annotations

from connector.settings.application import Settings
from connector.store.cleanup.horizons import Kept


def kept_by(settings: Settings) -> Kept:
    """Return for how long rows are kept by the settings."""
    return Kept(settings.retention, settings.tracking.lifetime)
