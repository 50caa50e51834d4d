"""The clicks of one delivery, each classified with the others."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connector.rules.provider_events.classification import DeliveryClicks, EngagementKind, Visit, classify

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
clicked = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 80)), min_size=1, max_size=40)


@given(clicked)
def test_near_clicks_classify_like_all_clicks(told: list[tuple[int, int]]) -> None:
    """M2: a click is classified as if all others were passed, whatever their order and number."""
    visits = [
        Visit(EngagementKind.CLICK, AT + timedelta(milliseconds=100 * tenth), "x", link=link) for link, tenth in told
    ]
    clicks = DeliveryClicks()
    for visit in visits:
        clicks.add(visit.link, visit.at)
    for visit in visits:
        others = [other for other in visits if other is not visit]
        assert classify(visit, None, clicks.near(visit.at), bool) == classify(visit, None, others, bool)


def test_a_link_that_is_clicked_without_end_counts_once() -> None:
    """Flooding one link with requests makes nothing else slow."""
    clicks = DeliveryClicks()
    for number in range(10_000):
        clicks.add(number % 2, AT + timedelta(microseconds=number))
    assert sorted(visit.link for visit in clicks.near(AT)) == [0, 1]
    assert clicks.near(AT + timedelta(minutes=1)) == []
