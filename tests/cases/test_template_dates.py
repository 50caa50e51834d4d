"""Dates in templates: one text on every machine, in the company's zone unless the template names another.

Sources: SHOPIFY is shopify.dev/docs/api/liquid/filters/date, LIQUID is lib/liquid/utils.rb and standardfilters.rb of
Shopify/liquid, RUBY is the documentation of Time#strftime; issues are given by repository and number. The company's
zone is New York, and the message is rendered on Monday 2026-03-02 at 10:04:05 there.
"""

from __future__ import annotations

import locale
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.templating.strftime import format_time
from connector.templating.templates import RenderingFailed, RenderMoment
from tests.support.templates import MOMENT, render_text

VARIABLES: dict[str, Any] = {
    "user": {
        "time_zone": "Asia/Tokyo",
        "nothing": None,
        "flag": True,
        "list": ["2026-03-02"],
        "float": 1772463845.5,
        "name": "Ann",
        "zone": "Mars/Phobos",
    },
    "campaign": {"id": "c"},
    "trigger": {"occurred_at": "2026-03-02T12:00:00+00:00"},
    "event": {},
}
FULL = "%Y-%m-%d %H:%M:%S %z"


def written(value: str, pattern: str = FULL) -> str:
    return render_text("{{ " + value + " | date: '" + pattern + "' }}", VARIABLES)


@pytest.fixture(params=["UTC", "Asia/Kolkata", "EST5EDT"])
def zone_of_the_machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another zone of the process, and another locale if the machine has one."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", request.param)
        time.tzset()
        before = locale.setlocale(locale.LC_TIME)
        for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"):
            try:
                locale.setlocale(locale.LC_TIME, name)
                break
            except locale.Error:
                continue
        yield
        locale.setlocale(locale.LC_TIME, before)
    time.tzset()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # now and today: SHOPIFY "The current date"; what they mean is cobalt-org/liquid-rust#332
        ("'now'", "2026-03-02 10:04:05 -0500"),
        ("'today'", "2026-03-02 10:04:05 -0500"),
        ("'NOW'", "2026-03-02 10:04:05 -0500"),
        ("'Today'", "2026-03-02 10:04:05 -0500"),
        # seconds since 1970, LIQUID to_date: Integer and texts of digits; JSON does not tell 1 from 1.0 (M9)
        ("1772463845", "2026-03-02 10:04:05 -0500"),
        ("'1772463845'", "2026-03-02 10:04:05 -0500"),
        ("user.float", "2026-03-02 10:04:05 -0500"),
        ("0", "1969-12-31 19:00:00 -0500"),
        ("-1", "1969-12-31 18:59:59 -0500"),
        ("1152098955", "2006-07-05 07:29:15 -0400"),
        # with a zone: ISO 8601 and RFC 3339 section 5.6; the result is in the company's zone
        ("trigger.occurred_at", "2026-03-02 07:00:00 -0500"),
        ("'2026-03-02T12:00:00Z'", "2026-03-02 07:00:00 -0500"),
        ("'2026-03-02t12:00:00z'", "2026-03-02 07:00:00 -0500"),
        ("'2026-03-02T12:00:00.123456Z'", "2026-03-02 07:00:00 -0500"),
        ("'2026-03-02 12:00:00 +0900'", "2026-03-01 22:00:00 -0500"),
        ("'2026-03-02T12:00:00+05:30'", "2026-03-02 01:30:00 -0500"),
        ("'2022-04-14 16:56:02 -0400'", "2022-04-14 16:56:02 -0400"),
        ("'Mon, 02 Mar 2026 12:00:00 GMT'", "2026-03-02 07:00:00 -0500"),
        ("'2026-03-02 12:00 UTC'", "2026-03-02 07:00:00 -0500"),
        ("'2026-03-02 12:00 PST'", "2026-03-02 15:00:00 -0500"),
        ("'2026-03-02 12:00 IST'", "2026-03-02 12:00:00 -0500"),
        # without a zone: the company's, LIQUID Time.parse reads the local zone
        ("'2026-03-02T12:00:00'", "2026-03-02 12:00:00 -0500"),
        ("'2026-07-02 12:00'", "2026-07-02 12:00:00 -0400"),
        ("'2026-03-02'", "2026-03-02 00:00:00 -0500"),
        ("' 2026-03-02 '", "2026-03-02 00:00:00 -0500"),
        ("'March 14, 2016'", "2016-03-14 00:00:00 -0400"),
        ("'14 Mar 2016'", "2016-03-14 00:00:00 -0400"),
        ("'March 2016'", "2016-03-01 00:00:00 -0500"),
        ("'Fri Jul 16 01:00:00 2004'", "2004-07-16 01:00:00 -0400"),
        ("'03/02/26'", "2026-03-02 00:00:00 -0500"),
        ("'03/02/69'", "1969-03-02 00:00:00 -0500"),
        ("'10:15'", "2026-03-02 10:15:00 -0500"),
        ("'March 14'", "2026-03-14 00:00:00 -0400"),
        # a wall-clock time that does not exist, or exists twice: D3
        ("'2026-03-08 02:30'", "2026-03-08 03:00:00 -0400"),
        ("'2026-11-01 01:30'", "2026-11-01 01:30:00 -0400"),
    ],
)
def test_values_that_are_times(value: str, expected: str, zone_of_the_machine: None) -> None:
    """The company's zone is used, not the machine's."""
    assert written(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("'noon'", "noon"),
        ("'soon'", "soon"),
        ("''", ""),
        ("' '", " "),
        ("user.name", "Ann"),
        ("'Saturday'", "Saturday"),
        ("'2026-13-45'", "2026-13-45"),
        ("'2026-02-30'", "2026-02-30"),
        ("'99999999999999999'", "99999999999999999"),
        ("'0000-00-00'", "0000-00-00"),
        ("'14th'", "14th"),
        ("99999999999999999", "99999999999999999"),
        ("user.nothing", ""),
        ("user.missing", ""),
        ("user.missing.at", ""),
        ("nil", ""),
        ("user.flag", "true"),
        ("user.list", "2026-03-02"),
        ("'2026-03-02T25:00:00Z'", "2026-03-02T25:00:00Z"),
    ],
)
def test_other_values_than_times_are_unchanged(value: str, expected: str, zone_of_the_machine: None) -> None:
    """LIQUID `date`: "return input unless (date = Utils.to_date(input))"; a missing value stays missing."""
    assert written(value) == expected


def test_missing_date_takes_a_default() -> None:
    """LIQUID: nil stays nil, so that `default` after `date` works."""
    assert render_text("{{ user.nothing | date: '%Y' | default: 'soon' }}", VARIABLES) == "soon"


@pytest.mark.parametrize("pattern", ["''", "nil", "user.nothing", "user.missing"])
def test_without_a_pattern_the_value_stays(pattern: str) -> None:
    """LIQUID `date`: "return input if str_format.empty?"."""
    assert render_text("{{ '2026-03-02' | date: " + pattern + " }}", VARIABLES) == "2026-03-02"


@pytest.mark.parametrize(
    ("directives", "expected"),
    [
        ("%Y %C %y %G %g", "2026 20 26 2026 26"),
        ("%m %-m %_m", "03 3  3"),
        ("%B %^B %b %^b %h", "March MARCH Mar MAR Mar"),
        ("%d %-d %e %-e", "02 2  2 2"),
        ("%j %-j", "061 61"),
        ("%H %k %-k", "10 10 10"),
        ("%I %l %-I %-l", "10 10 10 10"),
        ("%M %-M", "04 4"),
        ("%S %-S %_S", "05 5  5"),
        ("%p %P %#p", "AM am am"),
        ("%L %3N %6N %N", "123 123 123456 123456000"),
        ("%z %:z %::z", "-0500 -05:00 -05:00:00"),
        ("%Z", "EST"),
        ("%A %^A %a %^a %#a", "Monday MONDAY Mon MON MON"),
        ("%u %w", "1 1"),
        ("%V %U %W", "10 09 09"),
        ("%s", "1772463845"),
        ("%%", "%"),
        ("a%nb%tc", "a\nb\tc"),
        ("%c", "Mon Mar  2 10:04:05 2026"),
        ("%D %x", "03/02/26 03/02/26"),
        ("%F", "2026-03-02"),
        ("%v", " 2-MAR-2026"),
        ("%X %T %R", "10:04:05 10:04:05 10:04"),
        ("%r", "10:04:05 AM"),
        ("%+", "Mon Mar  2 10:04:05 EST 2026"),
        ("%10d %-10d %010Y", "0000000002 2 0000002026"),
        ("%10A %010A", "    Monday 0000Monday"),
        ("%Ey %Od", "26 02"),
        ("%i %q %!", "%i %q %!"),
        ("100%", "100%"),
        ("%-d. %B %Y um %H Uhr", "2. March 2026 um 10 Uhr"),
        ("Größe %d", "Größe 02"),
    ],
)
def test_directives(directives: str, expected: str, zone_of_the_machine: None) -> None:
    """RUBY: flags, widths, names in English, and what is no directive; C libraries differ in %-d, %P, %s, %c, %x."""
    moment = RenderMoment(MOMENT.now + timedelta(microseconds=123456), MOMENT.zone)
    assert render_text("{{ 'now' | date: '" + directives + "' }}", VARIABLES, moment) == expected


def test_all_days_of_eight_years() -> None:
    """The numbers of days and weeks are those of the C locale, where that defines them (POSIX strftime)."""
    for day in range(3000):
        at = datetime(2019, 12, 20, day % 24, tzinfo=UTC) + timedelta(days=day)
        for directive in "jUVWuwGpIyY":
            assert format_time(at, f"%{directive}") == at.strftime(f"%{directive}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ trigger.occurred_at | time_zone: 'Asia/Tokyo' | date: '%H:%M %Z' }}", "21:00 JST"),
        ("{{ trigger.occurred_at | time_zone: user.time_zone | date: '%H:%M' }}", "21:00"),
        ("{{ trigger.occurred_at | date: '%H:%M', 'Asia/Tokyo' }}", "21:00"),
        ("{{ trigger.occurred_at | date: '%H:%M', user.time_zone }}", "21:00"),
        ("{{ trigger.occurred_at | date: '%H:%M', time_zone: user.time_zone }}", "21:00"),
        ("{{ 'now' | time_zone: user.time_zone | date: '%F %R' }}", "2026-03-03 00:04"),
        ("{{ trigger.occurred_at | time_zone: 'UTC' }}", "2026-03-02T12:00:00+00:00"),
        ("{{ trigger.occurred_at | time_zone: user.time_zone }}", "2026-03-02T21:00:00+09:00"),
        ("{{ 'now' | time_zone: 'Asia/Tokyo' | time_zone: 'UTC' | date: '%R' }}", "15:04"),
        ("{{ 'now' | time_zone: 'Asia/Tokyo' | date: '%R', 'UTC' }}", "15:04"),
        ("{% assign at = 'now' | time_zone: 'Asia/Tokyo' %}{{ at | date: '%R' }}", "00:04"),
        # no zone is known: the company's, as for `zone: user` in a definition (D3)
        ("{{ 'now' | time_zone: user.missing | date: '%R' }}", "10:04"),
        ("{{ 'now' | time_zone: user.nothing | date: '%R' }}", "10:04"),
        ("{{ 'now' | date: '%R', user.nothing }}", "10:04"),
        ("{{ 'now' | time_zone: '' | date: '%R' }}", "10:04"),
        # the epoch is the same in every zone: harttle/liquidjs#931
        ("{{ '2026-06-30T21:00:00Z' | date: '%s' }}", "1782853200"),
        ("{{ '2026-06-30T21:00:00Z' | date: '%s', 'America/Toronto' }}", "1782853200"),
        # a date without a time is that date everywhere, so that a birthday does not move
        ("{{ '2026-03-02' | time_zone: 'America/Los_Angeles' | date: '%F %R' }}", "2026-03-02 00:00"),
        ("{{ '2026-03-02' | date: '%F', 'Pacific/Auckland' }}", "2026-03-02"),
        # a time without a zone is the company's, and is converted
        ("{{ '2026-03-02 12:00' | time_zone: 'UTC' | date: '%R' }}", "17:00"),
        ("{{ user.name | time_zone: 'UTC' }}", "Ann"),
        ("{{ user.missing | time_zone: 'UTC' | date: '%F' }}", ""),
    ],
)
def test_time_zone(text: str, expected: str, zone_of_the_machine: None) -> None:
    """A named zone replaces the company's, and `user.time_zone` can be the name."""
    assert render_text(text, VARIABLES) == expected


@pytest.mark.parametrize(
    "text",
    ["{{ 'now' | time_zone: 'Mars/Phobos' }}", "{{ 'now' | date: '%F', user.zone }}", "{{ 'now' | date: '%F', 360 }}"],
)
def test_unknown_zone_fails_the_message(text: str) -> None:
    """A wrong time would be worse than none (W7); the error does not quote the user's value."""
    with pytest.raises(RenderingFailed, match="the time zone is not an IANA name like Europe/Berlin") as failed:
        render_text(text, VARIABLES)
    assert "Mars" not in str(failed.value)


def test_now_is_when_the_message_is_sent() -> None:
    """Another moment gives another text, though the template was parsed before."""
    later = RenderMoment(datetime(2027, 12, 31, 23, 30, tzinfo=UTC), "Europe/Berlin")
    assert [written("'now'"), render_text("{{ 'now' | date: '" + FULL + "' }}", VARIABLES, later)] == [
        "2026-03-02 10:04:05 -0500",
        "2028-01-01 00:30:00 +0100",
    ]
    assert render_text("{{ '10:15' | date: '%F %R' }}", VARIABLES, later) == "2028-01-01 10:15"
