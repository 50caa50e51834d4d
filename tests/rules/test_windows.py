"""Hours of the day and quiet hours (W1), over midnight and changes of clocks (D3)."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from connector.rules.model.schedules import QuietHours, TimeOfDay
from connector.rules.timing.windows import MAX_LOOK_AHEAD, is_within, next_opening, next_undisturbed, quiet_until

NEW_YORK = "America/New_York"
ZONES = (NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata")
CLOCKS = st.times().map(lambda at: at.replace(second=0, microsecond=0))
ANY_TIME = st.datetimes(datetime(2024, 1, 1), datetime(2029, 1, 1), timezones=st.just(UTC))
CHANGES = (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC))
NEAR_A_CHANGE = st.builds(
    lambda change, minutes: change + timedelta(minutes=minutes), st.sampled_from(CHANGES), st.integers(-3000, 300)
)
NOWS = ANY_TIME | NEAR_A_CHANGE


def _open(opens: str, closes: str, zone: str = "user") -> TimeOfDay:
    return TimeOfDay.model_validate({"from": opens, "to": closes, "zone": zone})


@pytest.mark.parametrize(
    ("opens", "closes", "now", "opening"),
    [
        ("09:00", "17:00", "2026-03-04T01:00:00Z", "2026-03-04T14:00:00Z"),  # case 16: Tuesday 20:00 local
        ("09:00", "17:00", "2026-03-04T13:59:59Z", "2026-03-04T14:00:00Z"),
        ("09:00", "17:00", "2026-03-04T14:00:00Z", "2026-03-04T14:00:00Z"),
        ("09:00", "17:00", "2026-03-04T21:59:59Z", "2026-03-04T21:59:59Z"),
        ("09:00", "17:00", "2026-03-04T22:00:00Z", "2026-03-05T14:00:00Z"),
        ("09:00", "17:00", "2026-03-07T23:00:00Z", "2026-03-08T13:00:00Z"),  # clocks go forward in the night
        ("22:00", "06:00", "2026-03-04T10:59:00Z", "2026-03-04T10:59:00Z"),  # over midnight
        ("22:00", "06:00", "2026-03-04T11:00:00Z", "2026-03-05T03:00:00Z"),
        ("02:30", "04:00", "2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z"),  # 02:30 does not exist: after the gap
        ("02:15", "02:45", "2026-03-08T06:00:00Z", "2026-03-09T06:15:00Z"),  # wholly in the gap: not that day
        ("02:15", "02:45", "2026-03-07T12:00:00Z", "2026-03-09T06:15:00Z"),
        ("01:30", "02:00", "2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z"),  # 01:30 exists twice: the first
        ("01:30", "02:00", "2026-11-01T06:10:00Z", "2026-11-01T06:30:00Z"),  # and the second, after that
        ("00:30", "01:15", "2026-11-01T05:20:00Z", "2026-11-01T06:00:00Z"),  # the clock goes back into the hours
    ],
)
def test_next_opening(opens: str, closes: str, now: str, opening: str) -> None:
    """W1, D3: now if it is inside [from, to), else the first instant that is."""
    hours, at = _open(opens, closes), datetime.fromisoformat(now)
    opens_at = next_opening(hours, at, user_zone=NEW_YORK, company_zone="UTC")
    assert opens_at == datetime.fromisoformat(opening)


@pytest.mark.parametrize(
    ("opens", "closes", "now", "until"),
    [
        ("22:00", "06:00", "2026-03-04T10:30:00Z", "2026-03-04T11:00:00Z"),  # case 17: 05:30 local
        ("22:00", "06:00", "2026-03-05T03:00:00Z", "2026-03-05T11:00:00Z"),  # 22:00 is quiet
        ("22:00", "06:00", "2026-03-04T11:00:00Z", None),  # 06:00 is not
        ("22:00", "06:00", "2026-03-05T02:59:59Z", None),
        ("12:00", "14:00", "2026-03-04T17:30:00Z", "2026-03-04T19:00:00Z"),
        ("22:00", "06:00", "2026-03-08T03:00:00Z", "2026-03-08T10:00:00Z"),  # the night is an hour shorter
        ("22:00", "02:30", "2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z"),  # 02:30 does not exist
        ("22:00", "06:00", "2026-11-01T02:00:00Z", "2026-11-01T11:00:00Z"),  # the night is an hour longer
        ("22:00", "01:30", "2026-11-01T05:10:00Z", "2026-11-01T05:30:00Z"),
        ("22:00", "01:30", "2026-11-01T06:10:00Z", "2026-11-01T06:30:00Z"),  # the clock shows 01:10 again
        ("10:00", "10:00", "2026-03-04T15:00:00Z", None),  # equal ends are empty
    ],
)
def test_quiet_until(opens: str, closes: str, now: str, until: str | None) -> None:
    """W1, D3: the end of the quiet hours that now is in; None if it is in none."""
    hours, at = QuietHours.model_validate({"from": opens, "to": closes}), datetime.fromisoformat(now)
    ends_at = quiet_until(hours, at, user_zone=NEW_YORK, company_zone="UTC")
    assert ends_at == (until and datetime.fromisoformat(until))


@pytest.mark.parametrize(
    ("zone", "user_zone", "opening"),
    [
        ("user", "Asia/Tokyo", "2026-03-04T00:00:00Z"),
        ("user", None, "2026-03-03T14:00:00Z"),
        ("user", "Nowhere/Else", "2026-03-03T14:00:00Z"),
        ("company", "Asia/Tokyo", "2026-03-03T14:00:00Z"),
    ],
)
def test_hours_are_in_their_zone(zone: str, user_zone: str | None, opening: str) -> None:
    """D3: hours are in the user's zone, else in the company's."""
    hours, now = _open("09:00", "10:00", zone), datetime(2026, 3, 3, 12, tzinfo=UTC)
    opens_at = next_opening(hours, now, user_zone=user_zone, company_zone=NEW_YORK)
    assert opens_at == datetime.fromisoformat(opening)


def test_a_skipped_date_does_not_open() -> None:
    """D3: if a zone skips a date, the hours open on the next date."""
    hours, now = _open("09:00", "10:00"), datetime(2011, 12, 29, 21, tzinfo=UTC)  # the 29th, 11:00
    opens_at = next_opening(hours, now, user_zone="Pacific/Apia", company_zone="UTC")
    assert opens_at == datetime(2011, 12, 31, 9, tzinfo=ZoneInfo("Pacific/Apia"))


def test_empty_hours_raise() -> None:
    """P7 refuses empty hours at publish; if they are used anyway, the error names them."""
    hours = _open("09:00", "09:00")
    with pytest.raises(ValueError, match="from 09:00 to 09:00 never open"):
        next_opening(hours, CHANGES[0], user_zone=None, company_zone="UTC")


@given(CLOCKS, CLOCKS, NOWS, st.sampled_from(ZONES), st.floats(0, 1, exclude_max=True))
@example(time(2, 15), time(2, 45), CHANGES[0] - timedelta(hours=1), NEW_YORK, 0.9)
@example(time(0, 30), time(1, 15), CHANGES[1] - timedelta(minutes=30), NEW_YORK, 0.5)
def test_opening_is_the_first_instant_inside(opens: time, closes: time, now: datetime, zone: str, share: float) -> None:
    """W1: its wall-clock time is inside, it is not before now, and no instant between is inside."""
    assume(opens != closes)
    hours = TimeOfDay.model_validate({"from": opens, "to": closes})
    opens_at = next_opening(hours, now, user_zone=zone, company_zone="UTC")
    assert opens_at >= now
    assert is_within(_wall(opens_at, zone), opens, closes)
    assert opens_at == now or not is_within(_wall(_between(now, opens_at, share), zone), opens, closes)


@given(CLOCKS, CLOCKS, NOWS, st.sampled_from(ZONES), st.floats(0, 1, exclude_max=True))
@example(time(22), time(1, 30), CHANGES[1] + timedelta(minutes=10), NEW_YORK, 0.9)
@example(time(3), time(2, 30), CHANGES[0] - timedelta(hours=1), NEW_YORK, 0.9)
def test_quiet_hours_last_to_their_end(opens: time, closes: time, now: datetime, zone: str, share: float) -> None:
    """W1: the end of quiet hours is not quiet, and every instant before it is."""
    hours = QuietHours.model_validate({"from": opens, "to": closes})
    until = quiet_until(hours, now, user_zone=zone, company_zone="UTC")
    assert (until is not None) == is_within(_wall(now, zone), opens, closes)
    if until is not None:
        assert until > now
        assert quiet_until(hours, until, user_zone=zone, company_zone="UTC") is None
        assert is_within(_wall(_between(now, until, share), zone), opens, closes)


@given(CLOCKS, CLOCKS, CLOCKS, CLOCKS, NOWS, st.sampled_from(ZONES), st.sampled_from(ZONES), st.floats(0, 1))
@example(
    time(0), time(4, 30), time(6), time(12), CHANGES[0] - timedelta(days=7), NEW_YORK, "Europe/Berlin", 0.5
)  # open except for a change of clocks
def test_undisturbed_is_the_first_instant_inside_and_not_quiet(
    opens: time, closes: time, quiet_from: time, quiet_to: time, now: datetime, user: str, company: str, share: float
) -> None:
    """W1, P7: in two zones, no earlier instant, or none in eight days, is inside the hours and not quiet."""
    assume(opens != closes)
    hours = TimeOfDay.model_validate({"from": opens, "to": closes, "zone": "user"})
    quiet_hours = QuietHours.model_validate({"from": quiet_from, "to": quiet_to, "zone": "company"})
    undisturbed_at = next_undisturbed(hours, quiet_hours, now, user_zone=user, company_zone=company)

    def is_undisturbed(instant: datetime) -> bool:
        return is_within(_wall(instant, user), opens, closes) and not is_within(
            _wall(instant, company), quiet_from, quiet_to
        )

    assert undisturbed_at is None or (now <= undisturbed_at < now + MAX_LOOK_AHEAD and is_undisturbed(undisturbed_at))
    assert undisturbed_at == now or not is_undisturbed(_between(now, undisturbed_at or now + MAX_LOOK_AHEAD, share))


def _wall(instant: datetime, zone: str) -> time:
    return instant.astimezone(ZoneInfo(zone)).time()


def _between(now: datetime, end: datetime, share: float) -> datetime:
    return min(now + (end - now) * share, end - timedelta(microseconds=1))
