"""Rules at the trigger and of exceptions, in `connector simulate`."""

import pytest

from tests.support.builders import BOUGHT, ORIGINAL, PUSHED, follow_on
from tests.support.simulation import Connector, Play
from tests.support.stories import LOOKED, NUDGE, apply, at, begin, buy, did, look, order, person, push

HOUSE = [ORIGINAL, NUDGE, *begin("f", "o")]
EMAILED = {"interaction": "receive_email", "campaign": "o"}


def test_repetition_is_told_for_each_live_follow_on(play: Play) -> None:
    """M6, M3: by id and by dispatch; not for a follow-on that was stopped or never published, nor for exceptions."""
    others = [follow_on(name, PUSHED, delay={"after": "2 hours"}) for name in ("g", "stopped", "draft")]
    story = [ORIGINAL, NUDGE, *others, *begin("f", "g", "stopped"), order("09:00", "publish", "o", allow_missed=True)]
    lines = [
        order("09:30", "stop", "stopped"),
        push("10:00", "a", dispatch="d"),
        push("10:00:01", "a", "10:00", dispatch="d"),
        push("10:00:02", "b", dispatch="d"),
        push("10:00:03", "c", user="v", dispatch="d"),
        buy("10:10", "bought"),
        buy("10:11", "bought", "10:10"),
    ]
    assert play(*story, *lines, until=at("10:30")) == [
        "10:00 stopped u a refused not_live",
        "10:00:01 f u a refused duplicate",
        "10:00:01 g u a refused duplicate",
        "10:00:02 f u b refused duplicate",
        "10:00:02 g u b refused duplicate",
        "10:00:03 stopped v c refused not_live",
        "10:10 f u a excepted bought",
        "end f v c waiting",
        "end g u a waiting",
        "end g v c waiting",
    ]


def test_without_an_id_the_second_makes_it(play: Play) -> None:
    """M6: the same user, type, target, properties and second are one interaction."""
    bare = [{"at": at(clock), "interaction": {"user": "u", "type": "receive_push", "campaign": "o"}} for clock in
            ("10:00:00.1", "10:00:00.9", "10:00:01.1")]  # fmt: skip
    outcomes = [words.split(" ", 4)[-1] for words in play(*HOUSE, bare)]
    assert outcomes == ["refused duplicate", "refused already_waiting", "sent push"]


def test_an_id_is_one_users(play: Play) -> None:
    """M6, case 32: another user's interaction may carry the same id; the same user's may not, on whatever day."""
    lines = [push("10:00", "a"), push("10:00:01", "a", user="v"), push("10:00:02", "a", "09:59:00", user="v")]
    assert play(*HOUSE, lines, until=at("10:30")) == [
        "10:00:02 f v a refused duplicate",
        "end f u a waiting",
        "end f v a waiting",
    ]


def test_unknown_interactions_leave_their_id_free(play: Play) -> None:
    """M5, M6: what production answers `invalid` is not logged, so the same id counts once its campaign is known."""
    early = did("09:10", "a", "receive_push", campaign="p")
    known = [apply("09:20", {"campaign": "p", "delivery": {"type": "external"}})]
    listening = follow_on("g", {"interaction": "receive_push", "campaign": "p"})
    story = [*HOUSE, early, *known, apply("09:20", listening), order("09:30", "publish", "g", "p")]
    assert play(*story, did("10:00", "a", "receive_push", campaign="p")) == ["10:00 g u a sent push"]


def test_times_from_the_future_are_the_arrival(play: Play) -> None:
    """M7: t = min(occurred_at, received_at)."""
    assert play(*HOUSE, push("10:00", "a", "15:00")) == ["11:00 f u a sent push"]


def test_older_than_the_log_is_kept(simulate: Connector) -> None:
    """M6: what is older than the retention cannot be distinguished from a repetition, and is refused as stale."""
    story = [*HOUSE[:2], person("08:00"), order("09:00", "publish", "f", "o")]
    old = push("10:00", "a")
    old["interaction"]["occurred_at"] = "2025-12-02T09:59:59Z"
    (outcome,) = simulate(*story, old).outcomes
    assert (outcome["state"], outcome["reason"]) == ("refused", "stale")


def test_targets(play: Play) -> None:
    """P1, M5: a draft target's interactions are refused, and a stopped one's; `ever_published` accepts the latter."""
    listening = follow_on("f", {"interaction": "open_push", "campaign": "o"}, eligible_again="always")
    opens = [did(f"{hour}:00", f"at-{hour}", "open_push", campaign="o") for hour in (10, 12, 14)]
    orders = [order("11:00", "publish", "o"), order("13:00", "stop", "o")]
    assert play(ORIGINAL, listening, *begin("f"), *opens, *orders) == [
        "10:00 f u at-10 refused target_inactive",
        "12:00 f u at-12 sent push",
        "14:00 f u at-14 refused target_inactive",
    ]
    ever = {"workspace": "default", "target": "ever_published"}
    assert play(ever, ORIGINAL, listening, *begin("f"), *opens, *orders) == [
        "10:00 f u at-10 refused target_inactive",
        "12:00 f u at-12 sent push",
        "14:00 f u at-14 sent push",
    ]


def test_card_and_campaign_do_not_cross(play: Play) -> None:
    """M5: a card's follow-on hears of the card."""
    card = {"card": "banner", "title": "t", "body": "b"}
    listening = follow_on("f", {"interaction": "click_news_feed_card", "card": "banner"})
    story = [card, listening, *begin("f", "banner")]
    assert play(*story, did("10:00", "a", "click_news_feed_card", card="banner")) == ["10:00 f u a sent push"]
    assert play(*story, did("10:00", "a", "click_news_feed_card", campaign="banner")) == []


def test_never_published_tells_nothing(play: Play) -> None:
    """Not even a refusal, and its drafts change nothing (P10)."""
    assert (
        play(ORIGINAL, NUDGE, person("08:00"), order("09:00", "publish", "o", allow_missed=True), push("10:00", "a"))
        == []
    )


def test_robots(play: Play) -> None:
    """M2: a click flagged as a robot's neither triggers nor excepts, unless the workspace counts them."""
    clicks = {"interaction": "click_email", "campaign": "o"}
    story = [ORIGINAL, follow_on("f", clicks, delay={"after": "1 hour"}), *begin("f", "o")]
    robot = did("10:00", "a", "click_email", campaign="o", properties={"robot": True})
    assert play(*story, robot) == []
    assert play({"workspace": "default", "robots": "count"}, *story, robot) == ["11:00 f u a sent push"]


@pytest.mark.parametrize(("opens", "reported", "ends"), [
    ("any", "human", True), ("any", "machine", True), ("any", None, True),
    ("human", "human", True), ("human", "machine", False), ("human", None, False),
    ("machine", "machine", True), ("machine", None, False),
])  # fmt: skip
def test_opens(play: Play, opens: str, reported: str | None, ends: bool) -> None:
    """M2: an unclassified open is only `any`."""
    exception = {"interaction": "open_email", "campaign": "o", "opens": opens}
    story = [ORIGINAL, follow_on("f", EMAILED, delay={"after": "1 hour"}, exceptions=[exception]), *begin("f", "o")]
    properties = {"opens": reported} if reported else {}
    lines = [
        did("10:00", "a", "receive_email", campaign="o"),
        did("10:10", "b", "open_email", campaign="o", properties=properties),
    ]
    assert play(*story, lines) == (["10:10 f u a excepted b"] if ends else ["11:00 f u a sent push"])


def test_before_start_nothing_counts(play: Play) -> None:
    """The campaign's `start`, by event time."""
    later = follow_on("f", LOOKED, start=at("12:00"), eligible_again="always")
    assert play(later, *begin("f"), look("11:59:59", "a"), look("12:00", "b"), look("12:05", "c", "11:00")) == [
        "11:59:59 f u a refused outside_campaign_duration",
        "12:00 f u b sent push",
        "12:05 f u c refused outside_campaign_duration",
    ]


def test_audience_sees_what_was_before(play: Play) -> None:
    """P8: a past that requires the trigger itself misses the first one; attributes of an earlier line count."""
    buyers = follow_on("f", BOUGHT, audience={"did": {"event": "make_purchase"}}, eligible_again="always")
    assert play(buyers, *begin("f"), buy("10:00", "a"), buy("11:00", "b")) == [
        "10:00 f u a refused not_in_audience",
        "11:00 f u b sent push",
    ]


def test_undescribed_user_has_nothing(play: Play) -> None:
    """No attributes and no address before the first line; a second line merges, as PATCH does."""
    gold = follow_on("f", LOOKED, audience={"attribute": "tier", "is": "gold"}, eligible_again="always")
    lines = [
        look("10:00", "a"),
        {"at": at("10:30"), "user": {"id": "u", "attributes": {"tier": "gold"}}},
        look("11:00", "b"),
        {"at": at("11:30"), "user": {"id": "u", "push_tokens": ["t"], "attributes": {"age": 40}}},
        look("12:00", "c"),
    ]
    assert play(gold, order("09:00", "publish", "f"), lines) == [
        "10:00 f u a refused not_in_audience",
        "11:00 f u b dropped unreachable",
        "12:00 f u c sent push",
    ]


def test_restart_and_debounce(play: Play) -> None:
    """T2, T3: `restart` counts from the latest; a trigger that is also an exception restarts, whatever it says."""
    restart = follow_on("f", LOOKED, delay={"after": "1 hour"}, retrigger="restart")
    debounce = follow_on("f", LOOKED, delay={"after": "1 hour"}, exceptions=[LOOKED], retrigger="ignore")
    for definition in (restart, debounce):
        assert play(definition, *begin("f"), look("10:00", "a"), look("10:20", "b")) == [
            "10:20 f u a dropped superseded",
            "11:20 f u b sent push",
        ]


def test_exceptions_only_from_the_trigger_on(play: Play) -> None:
    """X1, X2: before the trigger nothing; at its instant only what is of its own target, in either order."""
    both = follow_on(
        "f", PUSHED, delay={"after": "1 hour"}, exceptions=[BOUGHT, {"interaction": "open_push", "campaign": "o"}]
    )
    story = [ORIGINAL, both, *begin("f", "o")]
    opened = did("10:00", "opened", "open_push", campaign="o")
    assert play(*story, buy("09:59:59", "b"), push("10:00", "a")) == ["11:00 f u a sent push"]
    assert play(*story, push("10:00", "a"), buy("10:00", "b")) == ["11:00 f u a sent push"]
    assert play(*story, push("10:00", "a"), opened) == ["10:00 f u a excepted opened"]
    assert play(*story, opened, push("10:00", "a")) == ["10:00 f u a excepted opened"]


def test_filters_of_exceptions(play: Play) -> None:
    """X3: compared exactly; `same` compares with the trigger, and missing is never the same."""
    picky = follow_on(
        "f",
        LOOKED,
        delay={"after": "1 hour"},
        exceptions=[{"event": "make_purchase", "where": {"n": 1}, "same": ["sku"]}],
    )
    wrong = [{"n": "1", "sku": "A"}, {"n": True, "sku": "A"}, {"n": 1, "sku": "a"}, {"n": 1}, {"sku": "A"}]
    buys = [buy(f"10:1{n}", f"b{n}", **properties) for n, properties in enumerate(wrong)]
    assert play(picky, *begin("f"), look("10:00", "a", sku="A"), buys) == ["11:00 f u a sent push"]
    assert play(picky, *begin("f"), look("10:00", "a", sku="A"), buy("10:10", "b", n=1, sku="A")) == [
        "10:10 f u a excepted b"
    ]


def test_an_open_that_two_sources_report_is_one(play: Play) -> None:
    """M1, M6: as in production, by delivery and time; a second report of one source, or a later one, is another."""
    opened = follow_on("g", {"interaction": "open_email", "campaign": "o"}, eligible_again="always")

    def open_report(clock: str, id: str, **properties: str) -> dict[str, object]:
        return did(clock, id, "open_email", campaign="o", properties={"delivery": "d", **properties})

    lines = [
        open_report("10:00", "pixel"),
        open_report("10:01", "provider", source="ses"),
        open_report("10:01:30", "again"),
        open_report("10:04", "later", source="ses"),
    ]
    assert play(ORIGINAL, opened, *begin("g"), order("09:00", "publish", "o"), *lines) == [
        "10:00 g u pixel sent push",
        "10:01 g u provider refused duplicate",
        "10:01:30 g u again sent push",
        "10:04 g u later sent push",
    ]
