"""For how long the settings keep rows; apart from the daily cleanup, whose logs commands need not import."""

from __future__ import annotations

from datetime import timedelta

from connector.settings.application import Settings
from connector.store.cleanup.horizons import Kept


def kept_by(settings: Settings) -> Kept:
    """Return for how long rows are kept by the settings."""
    return Kept(timedelta(days=settings.retention_days), settings.tracking.lifetime)
