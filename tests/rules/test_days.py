"""Days in a zone: their beginnings, and the offsets by which a database computes them, clock changes included."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from connector.rules.timing.days import day_of, days_between, offsets_of, start_of_day

ZONES = ("UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago")
FIRST, LAST = datetime(2025, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize("zone", ZONES)
def test_offsets_give_the_days_of_the_zone(zone: str) -> None:
    """An instant plus the offset that holds then has the zone's own date, in every half hour of thirteen months."""
    offsets = offsets_of(zone, FIRST, LAST)
    for number in range(0, 395 * 48):
        at = FIRST + timedelta(minutes=30 * number)
        ahead = next(one.ahead for one in reversed(offsets) if at >= one.since)
        assert (at + ahead).date() == day_of(at, zone)


@pytest.mark.parametrize("zone", ZONES)
def test_a_day_begins_with_its_first_instant(zone: str) -> None:
    """Also where midnight is skipped, as in Santiago."""
    for day in days_between(date(2025, 8, 30), date(2025, 9, 10)):
        start = start_of_day(day, zone)
        assert (day_of(start, zone), day_of(start - timedelta(seconds=1), zone)) == (day, day - timedelta(days=1))


def test_a_zone_without_changes_has_one_offset() -> None:
    """Nothing is compared then."""
    assert [one.ahead for one in offsets_of("Asia/Kathmandu", FIRST, LAST)] == [timedelta(hours=5, minutes=45)]
