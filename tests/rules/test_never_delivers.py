"""P7: a schedule that publishing refuses delivers nothing in `simulate`, whenever and wherever it is triggered."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.model.campaigns import Campaign, parse_definition
from connector.rules.model.interactions import Event
from connector.rules.publishing.lints import refusals
from connector.simulation import Simulation, SpillStore
from tests.support.builders import follow_on

NOW = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)
ZONES = (
    "America/New_York",
    "Europe/London",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
    "Antarctica/Troll",
)
COMPANY = "America/New_York"
CHANGES = (  # of the clocks of New York, London, Lord Howe and Troll
    datetime(2026, 3, 8, tzinfo=UTC), datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 4, 4, tzinfo=UTC),
    datetime(2026, 10, 3, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC),
)  # fmt: skip
CHANNELS = {"push": {"push": {"title": "t", "body": "b"}}, "app": {"in_app_message": {"title": "t", "body": "b"}}}

zones = st.sampled_from(["user", "company"])
clocks = st.sampled_from(["00:00", "01:30", "02:30", "03:00", "06:00", "08:59", "09:00", "17:00", "22:00", "23:30"])
ends = st.sampled_from([None, None, NOW + timedelta(hours=9), NOW + timedelta(days=2), NOW + timedelta(days=9)])


def hours(**more: Any) -> st.SearchStrategy[dict[str, Any]]:
    drawn = st.fixed_dictionaries({"from": clocks, "to": clocks, "zone": zones, **more})
    return drawn.filter(lambda one: one["from"] != one["to"])


delays = st.one_of(
    st.none(),
    st.fixed_dictionaries({"after": st.sampled_from(["1 hour", "1 day", "3 days"])}),
    st.fixed_dictionaries({"in_days": st.integers(0, 3), "at": clocks, "zone": zones}),
    st.fixed_dictionaries({"next": st.sampled_from(["monday", "saturday", "sunday"]), "at": clocks, "zone": zones}),
)
deliveries = st.fixed_dictionaries(
    {
        "delay": delays,
        "end": ends,
        "time_of_day": st.none() | hours(outside=st.sampled_from(["drop", "drop", "next"])),
        "quiet_hours": st.none() | hours(then=st.sampled_from(["drop", "drop", "hold"])),
        "spread": st.sampled_from([None, None, "30 minutes", "5 hours"]),
    }
)


def define(delivery: dict[str, Any], channel: str) -> Campaign:
    """A follow-on of the event `e` with this schedule, which users may receive again and again."""
    end = delivery["end"]
    words = {name: value for name, value in delivery.items() if value is not None}
    words |= {"eligible_again": "always"} | ({"end": end.isoformat()} if end else {})
    parsed = parse_definition(follow_on("f", {"event": "e"}, messages=CHANNELS[channel], **words))
    assert isinstance(parsed, Campaign)
    return parsed


def count_sent(campaign: Campaign, catalogue: Catalogue) -> int:
    """Play triggers on ten days of a year and around the changes of clocks, at several hours, in each zone."""
    days = [NOW + timedelta(days=37 * n) for n in range(10)]
    days += [change + timedelta(days=n) for change in CHANGES for n in (-2, -1, 0)]
    times = sorted({NOW} | {day.replace(hour=hour) + timedelta(minutes=hour) for day in days for hour in (0, 16)})
    with SpillStore() as store:
        simulation = Simulation(catalogue, store, lambda _: None)
        for at in times:
            if at >= NOW:
                simulation.run_to(at)
                for number, zone in enumerate(ZONES):
                    user = f"{zone}-{at:%j%H}-{number}"
                    simulation.change_user(user, {"id": user, "time_zone": zone, "push_tokens": ["t"]})
                    simulation.ingest(Event(id=None, user=user, occurred_at=at, type="event", name="e"))
        simulation.run_to(None)
        return sum(json.loads(line)["state"] == "sent" for line in simulation.lines())


@settings(
    max_examples=10, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)  # fmt: skip
@given(deliveries, st.sampled_from(["push", "push", "app"]))
def test_refused_schedules_deliver_nothing(delivery: dict[str, Any], channel: str) -> None:
    """P7: for any trigger of a year, in zones with early, late, half-hour and two-hour changes of their clocks."""
    campaign = define(delivery, channel)
    settings = parse_definition({"workspace": "default", "zone": COMPANY})
    live = Entry("f", "active", (Revision(1, campaign, NOW),), (Window(1, NOW),))
    catalogue = Catalogue().with_entries([live], version=1, workspace=settings)  # type: ignore[arg-type]
    found = refusals(campaign, catalogue, NOW)
    assume(found)
    assert count_sent(campaign, catalogue) == 0, [str(fault) for fault in found]
