"""When a follow-up is due: D1 to D5."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from connector.rules.model.schedules import Delay
from connector.rules.timing.delays import compute_due_at, local_instant, resolve_zone, spread_offset

NEW_YORK = "America/New_York"
DELAY: TypeAdapter[Delay | None] = TypeAdapter(Delay | None)
ZONES = (
    NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "America/St_Johns", "Asia/Kolkata", "UTC",
)  # fmt: skip
INSTANTS = st.datetimes(datetime(2024, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC))
CLOCKS = st.times().map(lambda at: at.replace(second=0, microsecond=0))
DELAYS = st.one_of(
    st.none(),
    st.builds(lambda n: {"after": f"{n} minutes"}, st.integers(0, 100_000)),
    st.builds(lambda n, at: {"in_days": n, "at": f"{at:%H:%M}"}, st.integers(0, 400), CLOCKS),
    st.builds(
        lambda day, at: {"next": day, "at": f"{at:%H:%M}"}, st.sampled_from(["monday", "saturday", "sunday"]), CLOCKS
    ),
)


def _due(delay: object, triggered_at: str, user_zone: str | None = NEW_YORK, company_zone: str = NEW_YORK) -> datetime:
    return compute_due_at(
        DELAY.validate_python(delay),
        datetime.fromisoformat(triggered_at),
        user_zone=user_zone,
        company_zone=company_zone,
    )


@pytest.mark.parametrize(
    ("delay", "triggered_at", "due"),
    [
        (None, "2026-03-02T12:00:00Z", "2026-03-02T12:00:00Z"),
        ({"after": "1 day"}, "2026-03-02T12:00:00Z", "2026-03-03T12:00:00Z"),
        ({"after": "1 day"}, "2026-03-08T05:00:00Z", "2026-03-09T05:00:00Z"),  # clocks go forward on the way
        ({"after": "1 week"}, "2026-03-02T12:00:00Z", "2026-03-09T12:00:00Z"),  # case 8
        ({"after": "0 seconds"}, "2026-03-02T12:00:00.25Z", "2026-03-02T12:00:00.25Z"),
    ],
)
def test_after_is_exact(delay: object, triggered_at: str, due: str) -> None:
    """D1: `after` counts seconds from the trigger, even if clocks change; without a delay it is due at once."""
    assert _due(delay, triggered_at) == datetime.fromisoformat(due)


@pytest.mark.parametrize(
    ("triggered_at", "due"),
    [
        ("2026-03-07T10:00:00-05:00", "2026-03-14T19:15:00Z"),  # case 6: on a Saturday it is a week on, in EDT
        ("2026-03-06T23:59:00-05:00", "2026-03-07T20:15:00Z"),  # case 6: Friday night, in EST
        ("2026-03-07T04:59:00Z", "2026-03-07T20:15:00Z"),  # the same instant, reported in UTC
        ("2026-03-08T00:00:00-05:00", "2026-03-14T19:15:00Z"),
    ],
)
def test_next_weekday_is_strictly_later(triggered_at: str, due: str) -> None:
    """D2: the next such weekday after the trigger's local date (case 6)."""
    due_at = _due({"next": "saturday", "at": "15:15", "zone": "user"}, triggered_at)
    assert (due_at, due_at.tzinfo) == (datetime.fromisoformat(due), UTC)


@pytest.mark.parametrize("weekday", range(7))
def test_next_is_one_to_seven_days_on(weekday: int) -> None:
    """D2: the next weekday is within a week, and never on the trigger's date."""
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    due_at = _due({"next": names[weekday], "at": "12:00"}, "2026-06-03T12:00:00-04:00")  # a Wednesday
    local = due_at.astimezone(ZoneInfo(NEW_YORK))
    assert (local.weekday(), 1 <= local.day - 3 <= 7) == (weekday, True)


@pytest.mark.parametrize(
    ("delay", "triggered_at", "due"),
    [
        ({"in_days": 1, "at": "09:00", "zone": "company"}, "2026-03-02T21:00:00-05:00", "2026-03-03T14:00:00Z"),
        ({"in_days": 1, "at": "09:00"}, "2026-03-07T21:00:00-05:00", "2026-03-08T13:00:00Z"),
        ({"in_days": 0, "at": "09:00"}, "2026-03-02T08:00:00-05:00", "2026-03-02T14:00:00Z"),
        ({"in_days": 0, "at": "09:00"}, "2026-03-02T21:00:00-05:00", "2026-03-03T02:00:00Z"),  # has passed: at once
    ],
)
def test_in_days_counts_local_dates(delay: object, triggered_at: str, due: str) -> None:
    """D2: a number of days after the trigger's local date, at the wall-clock time (case 7)."""
    assert _due(delay, triggered_at) == datetime.fromisoformat(due)


@pytest.mark.parametrize(
    ("choice", "user_zone", "expected"),
    [
        ("user", "Asia/Tokyo", "Asia/Tokyo"),
        ("user", None, NEW_YORK),
        ("user", "Mars/Olympus", NEW_YORK),
        ("user", "", NEW_YORK),
        ("user", "../localtime", NEW_YORK),
        ("user", "America", NEW_YORK),
        ("company", "Asia/Tokyo", NEW_YORK),
    ],
)
def test_zone_falls_back_to_the_company(choice: str, user_zone: str | None, expected: str) -> None:
    """D3: the user's zone, else the company's; an invalid zone counts as none."""
    assert resolve_zone(choice, user_zone=user_zone, company_zone=NEW_YORK) == ZoneInfo(expected)  # type: ignore[arg-type]


def test_the_trigger_date_is_local() -> None:
    """D3: days count from the trigger's date in the zone of the delay."""
    delay = {"in_days": 1, "at": "09:00"}
    assert _due(delay, "2026-03-02T20:00:00Z", "Asia/Tokyo") == datetime(2026, 3, 4, 0, 0, tzinfo=UTC)
    assert _due(delay, "2026-03-02T20:00:00Z", None) == datetime(2026, 3, 3, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "at", "zone", "expected"),
    [
        ("2026-03-08", "01:59", NEW_YORK, "2026-03-08T06:59:00Z"),
        ("2026-03-08", "02:00", NEW_YORK, "2026-03-08T07:00:00Z"),  # the gap's first minute
        ("2026-03-08", "02:30", NEW_YORK, "2026-03-08T07:00:00Z"),  # does not exist
        ("2026-03-08", "03:00", NEW_YORK, "2026-03-08T07:00:00Z"),
        ("2026-11-01", "01:30", NEW_YORK, "2026-11-01T05:30:00Z"),  # exists twice
        ("2026-11-01", "02:00", NEW_YORK, "2026-11-01T07:00:00Z"),
        ("2026-10-04", "02:15", "Australia/Lord_Howe", "2026-10-03T15:30:00Z"),  # half an hour of daylight saving
        ("2026-04-24", "00:30", "Africa/Cairo", "2026-04-23T22:00:00Z"),  # the gap is at midnight
        ("2011-12-30", "12:00", "Pacific/Apia", "2011-12-30T10:00:00Z"),  # the whole day does not exist
    ],
)
def test_wall_clock_in_gaps_and_overlaps(day: str, at: str, zone: str, expected: str) -> None:
    """D3: the first instant after a gap, and the first of two if the time exists twice."""
    instant = local_instant(date.fromisoformat(day), time.fromisoformat(at), ZoneInfo(zone))
    assert instant == datetime.fromisoformat(expected)


@given(st.dates(date(2024, 1, 1), date(2029, 1, 1)), CLOCKS, st.sampled_from(ZONES).map(ZoneInfo))
@example(date(2026, 3, 8), time(2, 30), ZoneInfo(NEW_YORK))
@example(date(2026, 11, 1), time(1, 30), ZoneInfo(NEW_YORK))
def test_local_instant_is_when_the_clock_first_shows_it(day: date, at: time, zone: ZoneInfo) -> None:
    """D3: just before it the wall clock shows an earlier time; at it that time or, after a gap, a later one."""
    wall, instant = datetime.combine(day, at), local_instant(day, at, zone)
    before = instant - timedelta(microseconds=1)
    assert before.astimezone(zone).replace(tzinfo=None) < wall <= instant.astimezone(zone).replace(tzinfo=None)


@given(DELAYS, INSTANTS, st.sampled_from(ZONES))
def test_never_due_before_the_trigger(delay: object, triggered_at: datetime, zone: str) -> None:
    """D1, D2: no delay ends before the trigger."""
    assert _due(delay, triggered_at.isoformat(), zone) >= triggered_at


@pytest.mark.parametrize(
    ("campaign", "user", "microseconds"),
    [("cart", "u1", 409_925_375), ("cart", "u2", 118_903_216), ("other", "u1", 448_893_566)],
)
def test_spread_offsets_never_change(campaign: str, user: str, microseconds: int) -> None:
    """D5: golden values of SHA-256 over ["spread",1,campaign,user]; a release that changes them changes due times."""
    offset = spread_offset(timedelta(minutes=15), campaign=campaign, user=user)
    assert offset == timedelta(microseconds=microseconds)


def test_no_spread_adds_nothing() -> None:
    """D5: without a spread the due time does not change."""
    assert {spread_offset(spread, campaign="c", user="u") for spread in (None, timedelta(0))} == {timedelta(0)}


def test_spread_is_even() -> None:
    """D5: users are spread evenly over [0, spread)."""
    spread = timedelta(minutes=10)
    minutes = [spread_offset(spread, campaign="c", user=f"u{n}") // timedelta(minutes=1) for n in range(2000)]
    assert set(minutes) == set(range(10))
    assert all(150 < minutes.count(minute) < 250 for minute in range(10))
