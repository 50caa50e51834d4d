"""Conversions: which events count as a campaign's success, for which receipt, and how often (C1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connector.ingest.parsing import ensure_id, parse_item
from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.model.campaigns import Campaign, parse_definition
from connector.rules.model.follow_up import FollowUp, follow_up_id_of
from connector.rules.model.interactions import Interaction, InteractionType, LogEntry
from connector.rules.results.conversions import count_conversions, log_needed_since, log_topics_needed
from connector.rules.sending.deliveries import build_receive_interaction, delivery_id, enrolment

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
PURCHASE = {"event": "make_purchase"}
INTERACTIONS = frozenset(kind.value for kind in InteractionType)
Report = tuple[str, float] | tuple[str, float, dict[str, Any]]
"""A type of interaction with `o`, or an event's name; the hour; and its properties."""


def hour(number: float) -> datetime:
    return MONDAY + timedelta(hours=number)


def campaign(name: str, *conversions: dict[str, Any]) -> Campaign:
    definition = {"campaign": name, "delivery": {"type": "external"}, "conversions": list(conversions)}
    parsed = parse_definition(definition)
    assert isinstance(parsed, Campaign)
    return parsed


def published(*revisions: Campaign, since: Sequence[float] = (-1000,)) -> Entry:
    numbered = tuple(Revision(n, c, hour(at)) for n, (c, at) in enumerate(zip(revisions, since, strict=True)))
    return Entry(revisions[0].id, "active", numbered, (Window(1, hour(since[0])),))


def catalogue(*conversions: dict[str, Any]) -> Catalogue:
    return Catalogue().with_entries([published(campaign("o", *conversions))], version=1)


def item(report: Report, number: int, campaign: str = "o") -> dict[str, Any]:
    type, at, properties = (*report, {})[:3]
    common = {"id": f"{type}-{number}", "user": "u", "occurred_at": hour(at).isoformat(), "properties": properties}
    if type in INTERACTIONS:
        return {**common, "type": type, "campaign": campaign}
    return {**common, "type": "make_purchase"} if type == "make_purchase" else {**common, "type": "event", "name": type}


class Log:
    """One user's log. The rules see only the part that they require."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue, self.items, self.ids = catalogue, list[LogEntry](), set[str]()

    def add(self, batch: Iterable[Any]) -> list[Interaction]:
        """Log the new items, and return the conversions that they make."""
        new = [self._logged(one) for one in map(ensure_id, map(parse_item, batch)) if one.id not in self.ids]
        since = log_needed_since(new, self.catalogue)
        if since is None:
            return []
        topics = log_topics_needed(new, self.catalogue)
        past = [logged for logged in self.items if logged.t >= since and logged.item.name_or_type in topics]
        conversions = count_conversions(new, past, self.catalogue, "u")
        for interaction in conversions:
            self._logged(interaction)
        return conversions

    def _logged(self, one: Any) -> LogEntry:
        t = one.occurred_at.astimezone(UTC)
        logged = LogEntry(id=one.id, seq=len(self.items), t=t, received_at=hour(5000), item=one)
        self.items.append(logged)
        self.ids.add(one.id)
        return logged


def counted(catalogue: Catalogue, *reports: Report) -> list[tuple[str, float]]:
    """Return the letters and hours of the conversions if these arrive one after the other."""
    log = Log(catalogue)
    conversions = [one for number, report in enumerate(reports) for one in log.add([item(report, number)])]
    return [(one.properties["conversion"], (one.occurred_at - MONDAY) / timedelta(hours=1)) for one in conversions]


RECEIVED, VIEWED, BOUGHT = "receive_email", "view_content_card", "make_purchase"


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([(RECEIVED, 0), (BOUGHT, 1)], [("A", 1)]),
        ([(RECEIVED, 0), (BOUGHT, 0)], [("A", 0)]),  # from the send on
        ([(RECEIVED, 0), (BOUGHT, 71.9)], [("A", 71.9)]),
        ([(RECEIVED, 0), (BOUGHT, 72)], []),  # three days by default
        ([(RECEIVED, 1), (BOUGHT, 0)], []),
        ([(BOUGHT, 1)], []),
        ([(RECEIVED, 0), ("cart_updated", 1)], []),
        ([(RECEIVED, 0), (BOUGHT, 1), (BOUGHT, 2)], [("A", 1)]),  # once per receipt
        ([(RECEIVED, 0), (BOUGHT, 1), (RECEIVED, 2), (BOUGHT, 3)], [("A", 1), ("A", 3)]),
        ([(RECEIVED, 0), (RECEIVED, 2), (BOUGHT, 3), (BOUGHT, 4)], [("A", 3)]),  # the newest receipt's only
        ([("enroll_in_control_group", 0), (BOUGHT, 1)], [("A", 1)]),  # control users too
        ([("receive_sms", 0), (BOUGHT, 1)], [("A", 1)]),
        ([("receive_push", 0), (BOUGHT, 1)], [("A", 1)]),
        ([("receive_webhook", 0), (BOUGHT, 1)], [("A", 1)]),
        ([("open_email", 0), (BOUGHT, 1)], []),  # opened or not
        ([(RECEIVED, 0), ("open_email", 70), (BOUGHT, 73)], []),
    ],
)
def test_event_counts_in_the_window_after_a_receipt(reports: list[Report], expected: list[tuple[str, float]]) -> None:
    """C1: from the send, opened or not, including control users, once per receipt, in [receipt, receipt + 3 days)."""
    assert counted(catalogue(PURCHASE), *reports) == expected


@pytest.mark.parametrize("viewed", ["view_in_app_message", "view_content_card", "view_news_feed_card"])
@pytest.mark.parametrize(
    ("views", "bought", "expected"),
    [
        ([0, 1, 50], [71], [71]),
        ([0, 1, 50], [72], []),  # a later view moves nothing
        ([0, 2, 3], [1, 4], [1]),
        ([0, 50, 100], [101], []),  # repeated views are one receipt
        ([0, 72], [73], [73]),
    ],
)
def test_views_count_from_the_first(viewed: str, views: list[float], bought: list[float], expected: list[Any]) -> None:
    """C1: cards and in-app messages count from the first view; a view outside all windows is a first view again."""
    reports = sorted([(viewed, at) for at in views] + [(BOUGHT, at) for at in bought], key=lambda report: report[1])
    assert counted(catalogue(PURCHASE), *reports) == [("A", at) for at in expected]


def test_a_view_after_a_receipt_begins_none() -> None:
    """C1: the window of an email contains the view of a card of the same campaign: they are one receipt."""
    reports: list[Report] = [(RECEIVED, 0), (VIEWED, 1), (BOUGHT, 2), (BOUGHT, 3)]
    assert counted(catalogue(PURCHASE), *reports) == [("A", 2)]


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([("signed_up", 1)], [("B", 1)]),
        ([(BOUGHT, 1)], [("C", 1)]),
        ([(BOUGHT, 1, {"product": "shoe-1"})], [("A", 1), ("C", 1)]),
        ([(BOUGHT, 2, {"product": "shoe-1"})], [("C", 2)]),
        ([("signed_up", 1), (BOUGHT, 1), ("signed_up", 2)], [("B", 1), ("C", 1)]),
    ],
)
def test_each_conversion_has_its_letter_and_window(reports: list[Report], expected: list[tuple[str, float]]) -> None:
    """C1: A to D in the order of the list, the first is primary; each has its own filter and window."""
    shoe = {**PURCHASE, "where": {"product": "shoe-1"}, "within": "2 hours"}
    campaigns = catalogue(shoe, {"event": "signed_up"}, {**PURCHASE, "within": "30 days"})
    assert counted(campaigns, (RECEIVED, 0), *reports) == expected


def test_an_event_counts_for_the_newest_receipt() -> None:
    """C1: an event outside the newer receipt's windows counts for the older receipt."""
    entry = published(
        campaign("o", {**PURCHASE, "within": "30 days"}),
        campaign("o", {**PURCHASE, "within": "1 hour"}),
        since=(-1000, 5),
    )
    campaigns = Catalogue().with_entries([entry], version=1)
    assert counted(campaigns, (RECEIVED, 0), (RECEIVED, 10), (BOUGHT, 12), (BOUGHT, 10.5)) == [("A", 12), ("A", 10.5)]


@pytest.mark.parametrize(("since", "expected"), [((-1000, 2), []), ((-1000, 0), [("A", 1)]), ((10, 20), [("A", 1)])])
def test_conversions_of_the_revision_at_the_receipt(since: tuple[float, float], expected: list[Any]) -> None:
    """C1, P10: the revision in effect at the receipt; before the first publication, the newest published one."""
    entry = published(campaign("o", {"event": "signed_up"}), campaign("o", PURCHASE), since=since)
    assert counted(Catalogue().with_entries([entry], version=1), (RECEIVED, 0), (BOUGHT, 1)) == expected


def test_drafts_count_nothing() -> None:
    """C1: campaigns that were never published count nothing and need no log."""
    draft = Entry("o", "draft", (Revision(1, campaign("o", PURCHASE)),))
    log = Log(Catalogue().with_entries([draft], version=1))
    assert log.add([item((RECEIVED, 0), 0), item((BOUGHT, 1), 1)]) == []
    assert log_needed_since(log.items, log.catalogue) is None


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([(BOUGHT, 1), (RECEIVED, 0)], [("A", 1)]),
        ([(BOUGHT, 2), (BOUGHT, 1), (RECEIVED, 0)], [("A", 1)]),
        ([(BOUGHT, 80), (BOUGHT, -1), (RECEIVED, 0)], []),
        ([(RECEIVED, 0), (BOUGHT, 2), (BOUGHT, 1)], [("A", 2)]),  # counted conversions stay
        ([(RECEIVED, 0), (RECEIVED, 5), (BOUGHT, 6), (BOUGHT, 1)], [("A", 6), ("A", 1)]),
        ([(RECEIVED, 0), (BOUGHT, 1), (BOUGHT, 6), (RECEIVED, 5)], [("A", 1), ("A", 6)]),
        ([(RECEIVED, 0), (BOUGHT, 6), (RECEIVED, 5)], [("A", 6)]),  # no event counts for two receipts
        ([(VIEWED, 1), (BOUGHT, 2), (VIEWED, 0), (BOUGHT, 0.5)], [("A", 2)]),  # it is still one receipt
        (
            [(RECEIVED, 3, {"dispatch": "d"}), (BOUGHT, 4), ("receive_sms", 0, {"dispatch": "d"}), (BOUGHT, 1)],
            [("A", 4)],
        ),
    ],
)
def test_late_arrivals(reports: list[Report], expected: list[tuple[str, float]]) -> None:
    """C1, T5: late receipts count logged events, late events count if none did; counted conversions stay."""
    assert counted(catalogue(PURCHASE), *reports) == expected


def test_dispatch_is_one_receipt() -> None:
    """C1, M3: one dispatch on several channels is one receipt, at the first of their times."""
    both: list[Report] = [("receive_push", 1, {"dispatch": "d"}), (RECEIVED, 0, {"dispatch": "d"})]
    campaigns = catalogue(PURCHASE)
    assert counted(campaigns, *both, (BOUGHT, 2), (BOUGHT, 3)) == [("A", 2)]
    assert counted(campaigns, *both, (BOUGHT, 72.5)) == []
    assert counted(campaigns, *both, ("receive_push", 4, {"dispatch": "e"}), (BOUGHT, 2), (BOUGHT, 5)) == [
        ("A", 2),
        ("A", 5),
    ]


def test_a_follow_up_is_one_receipt() -> None:
    """C1, M4: the `receive_*` interactions of one follow-up's channels are one receipt, recognised by their ids."""
    triggered = LogEntry(id="e", seq=1, t=MONDAY, received_at=MONDAY, item=parse_item(item((BOUGHT, 0), 0)))
    first, second = (
        FollowUp(follow_up_id_of("o", "k", "", "e", n), "o", 1, 1, "k", "", triggered, MONDAY, MONDAY) for n in (0, 1)
    )

    def receive(follow_up: FollowUp, channel: str, at: datetime, resends: int = 0) -> Any:
        return build_receive_interaction(delivery_id(follow_up.id, channel, resends), channel, "o", "u", at)

    log = Log(catalogue(PURCHASE))
    for received in (
        receive(first, "push", hour(1)),
        receive(first, "email", hour(2)),
    ):
        log.add([received])
    assert [len(log.add([item((BOUGHT, at), int(at))])) for at in (3, 4)] == [1, 0]
    log.add([receive(second, "email", hour(5), 1)])
    assert [len(log.add([item((BOUGHT, at), int(at))])) for at in (6, 7)] == [1, 0]
    log.add([enrolment(second, "u", hour(100))])
    assert len(log.add([item((BOUGHT, 101), 101)])) == 1


def test_the_interaction_of_a_conversion() -> None:
    """C1: an interaction with the campaign at the event's time, with the letter and a stable id."""
    batch = [item((RECEIVED, 0), 0), item((BOUGHT, 1), 1)]
    (conversions,), (again,) = Log(catalogue(PURCHASE)).add(batch), Log(catalogue(PURCHASE)).add(batch)
    assert (conversions.type, conversions.campaign, conversions.user) == ("perform_conversion_event", "o", "u")
    assert (conversions.occurred_at, conversions.properties) == (hour(1), {"conversion": "A"})
    assert conversions == again
    assert conversions.id is not None
    assert conversions.id.startswith("conversion-")
    assert conversions.id.endswith("-a")


def test_event_counts_for_each_campaign() -> None:
    """C1: an event counts for every campaign that the user received and that counts it."""
    entries = [published(campaign(name, PURCHASE)) for name in ("o", "p", "q")]
    log = Log(Catalogue().with_entries(entries, version=1))
    log.add([item((RECEIVED, 0), 0, "o"), item((RECEIVED, 1), 1, "p")])
    conversions = log.add([item((BOUGHT, 2), 2)])
    assert [one.campaign for one in conversions] == ["o", "p"]


@pytest.mark.parametrize(
    ("report", "needed"),
    [
        ((BOUGHT, 0), -96),  # its receipt is up to one window back, and the items before that up to one more
        ((RECEIVED, 0), -48),
        (("view_in_app_message", 0), -48),
        (("open_email", 0), None),
        (("perform_conversion_event", 0), None),
        (("signed_up", 0), None),
    ],
)
def test_how_much_of_the_log_is_needed(report: Report, needed: float | None) -> None:
    """C1: none if an item concerns no conversion, else as far back as the windows reach."""
    campaigns = catalogue({**PURCHASE, "within": "2 days"}, {**PURCHASE, "within": "1 day"})
    new = [LogEntry(id="e", seq=1, t=hour(report[1]), received_at=hour(9), item=parse_item(item(report, 0)))]
    assert log_needed_since(new, campaigns) == (None if needed is None else hour(needed))


def test_index_follows_the_catalogue() -> None:
    """C1: a topic's longest window follows the campaigns as they are added and edited."""
    before = catalogue({**PURCHASE, "within": "2 days"})
    bought = parse_item(item((BOUGHT, 0), 0))
    longer = before.with_entries([published(campaign("p", {**PURCHASE, "within": "5 days"}))], version=2)
    without = longer.with_entries([published(campaign("p"))], version=3)
    empty = without.with_entries([published(campaign("o"))], version=4)
    days = [before.conversion_window(bought), longer.conversion_window(bought), without.conversion_window(bought)]
    assert days == [timedelta(days=2), timedelta(days=5), timedelta(days=2)]
    assert empty.conversion_window(bought) is None


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"within": "31 days"}, "must be more than zero and at most 30 days"),
        ({"within": "0 days"}, "must be more than zero and at most 30 days"),
        ({"same": ["sku"]}, "a conversion does not have"),
    ],
)
def test_definitions_that_are_refused(fault: dict[str, Any], message: str) -> None:
    """C1: a window is at most 30 days; `same` has no trigger to compare with."""
    with pytest.raises(ValidationError, match=message):
        campaign("o", {**PURCHASE, **fault})
    assert campaign("o", {**PURCHASE, "within": "30 days"}).conversions[0].within == timedelta(days=30)
    assert campaign("o", PURCHASE).conversions[0].within == timedelta(days=3)
    with pytest.raises(ValidationError, match="at most 4"):
        campaign("o", *[PURCHASE] * 5)


REPORT = st.tuples(
    st.sampled_from([RECEIVED, "receive_push", VIEWED, BOUGHT, BOUGHT, "signed_up"]),
    st.integers(0, 200),
    st.sampled_from([{}, {}, {"dispatch": "d"}]),
)
ANY_ORDER = st.lists(REPORT, max_size=12, unique_by=lambda report: (report[0], report[1])).flatmap(
    lambda reports: st.lists(st.sampled_from(list(enumerate(reports))), max_size=30) if reports else st.just([])
)


@settings(max_examples=400, deadline=None, database=None, derandomize=True)
@given(order=ANY_ORDER, sizes=st.lists(st.integers(1, 4), min_size=30, max_size=30))
def test_no_order_of_arrival_counts_twice(order: list[tuple[int, Any]], sizes: list[int]) -> None:
    """C1: with repeats, lateness and batches, each receipt and letter counts once, and no event counts for two."""
    log = Log(catalogue(PURCHASE, {"event": "signed_up", "within": "6 hours"}))
    conversions: list[Interaction] = []
    while order:
        size = sizes.pop()
        conversions += log.add([item(report, number) for number, report in order[:size]])
        order = order[size:]
    assert max(Counter(one.id for one in conversions).values(), default=1) == 1
    events = Counter((logged.item.name_or_type, logged.t) for logged in log.items)
    for (letter, t), times in Counter((one.properties["conversion"], one.occurred_at) for one in conversions).items():
        assert times == events[(BOUGHT if letter == "A" else "signed_up", t)] == 1


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(reports=st.lists(REPORT, max_size=12, unique_by=lambda report: report[1]))
def test_batches_count_like_single_items(reports: list[Any]) -> None:
    """C1: in event order it does not matter which items arrive together.

    The reports of one dispatch are within one window, because no more of the log is evaluated.
    """
    hours = [at for _, at, properties in reports if properties]
    assume(max(hours, default=0) - min(hours, default=0) < 72)
    campaigns = catalogue(PURCHASE, {"event": "signed_up", "within": "6 hours"})
    items = [item(report, number) for number, report in enumerate(sorted(reports, key=lambda report: report[1]))]
    one_by_one = Log(campaigns)
    single = [conversions for one in items for conversions in one_by_one.add([one])]
    assert Log(campaigns).add(items) == single
