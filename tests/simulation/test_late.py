"""Late arrivals have the outcome that they would have in order (T5), printed once each by `connector simulate`."""

from typing import Any

from tests.support.builders import BOUGHT, ORIGINAL, follow_on
from tests.support.simulation import Connector, Play
from tests.support.stories import LOOKED, NUDGE, at, begin, buy, look, order, person, push, short

HOUSE = [ORIGINAL, NUDGE, *begin("f", "o")]


def _looked(**more: Any) -> dict[str, Any]:
    return follow_on(
        "f", LOOKED, **{"delay": {"after": "1 hour"}, "exceptions": [BOUGHT], "eligible_again": "always", **more}
    )


def test_earlier_exception_changes_the_one_that_is_named(play: Play) -> None:
    """X3: the first by event time is recorded; printed once, as decided last."""
    lines = [
        push("10:00", "a"),
        buy("10:30", "second"),
        push("10:35", "other", user="v"),
        buy("10:40", "first", "10:10"),
    ]
    assert play(*HOUSE, lines, until=at("10:40")) == ["10:40 f u a excepted first", "end f v other waiting"]


def test_later_exception_that_arrives_late_changes_nothing(play: Play) -> None:
    """X3: the first stays the first."""
    lines = [push("10:00", "a"), buy("10:30", "first"), buy("10:45", "second", "10:40")]
    assert play(*HOUSE, lines) == ["10:30 f u a excepted first"]


def test_freed_way(play: Play) -> None:
    """T2, T5: an exception between two triggers ends the first, so the second begins: its refusal is struck out."""
    lines = [push("10:00", "a"), push("10:20", "b"), buy("10:30", "bought", "10:10")]
    assert play(*HOUSE, lines) == ["10:30 f u a excepted bought", "11:20 f u b sent push"]


def test_freed_way_keeps_what_was_refused_as_duplicate(play: Play) -> None:
    """M6: a repetition stays one, whatever the outcome of the first report."""
    lines = [push("10:00", "a"), push("10:20", "b"), push("10:25", "b", "10:20"), buy("10:30", "bought", "10:10")]
    assert play(*HOUSE, lines) == [
        "10:25 f u b refused duplicate",
        "10:30 f u a excepted bought",
        "11:20 f u b sent push",
    ]


def test_earlier_trigger_takes_the_wait(play: Play) -> None:
    """T2, T5: with `ignore` the earlier trigger has the wait; the one that waited is superseded."""
    assert play(*HOUSE, push("10:20", "b"), push("10:30", "a", "10:00")) == [
        "10:30 f u b dropped superseded",
        "11:00 f u a sent push",
    ]


def test_what_gave_way_and_stands_again_is_told_once(play: Play) -> None:
    """T5: the earlier trigger turns out to have been cancelled before the later one came."""
    lines = [
        push("10:20", "b"),
        push("10:30", "a", "10:00"),
        push("10:31", "b", "10:20"),
        buy("10:40", "bought", "10:10"),
    ]
    assert play(*HOUSE, lines) == [
        "10:31 f u b refused duplicate",
        "10:40 f u a excepted bought",
        "11:20 f u b sent push",
    ]


def test_restart_from_the_latest_by_event_time(play: Play) -> None:
    """T2: an earlier trigger that arrives late is refused as superseded, and the newer wait stays."""
    assert play(_looked(retrigger="restart"), *begin("f"), look("10:20", "b"), look("10:30", "a", "10:00")) == [
        "10:30 f u a refused superseded",
        "11:20 f u b sent push",
    ]


def test_late_exception_spares_the_restarted_wait(play: Play) -> None:
    """T5, X1: it lies before the newest trigger, so it ends nothing that waits now."""
    lines = [look("10:00", "a"), look("10:20", "b"), buy("10:30", "bought", "10:10")]
    assert play(_looked(retrigger="restart"), *begin("f"), lines) == [
        "10:30 f u a excepted bought",
        "11:20 f u b sent push",
    ]


def test_trigger_that_arrives_after_its_due_time(play: Play) -> None:
    """D4: decided at once, with the exceptions in between first; far too late it is stale."""
    lines = [
        buy("12:00", "bought", "10:30", user="v"),
        push("12:05", "a", "10:00"),
        push("12:05", "b", "10:00", user="v"),
    ]
    assert play(*HOUSE, person("08:00", "v"), lines) == ["12:05 f u a sent push", "12:05 f v b excepted bought"]
    assert play(*HOUSE, push("03 11:00", "a", "10:00"), push("03 11:00:01", "b", "10:00", user="v")) == [
        "03 11:00 f u a sent push",
        "03 11:00:01 f v b dropped stale",
    ]


def test_campaigns_own_limit_of_lateness(play: Play) -> None:
    """W5, D4: `delivery.stale_after` decides for late triggers too, in place of the workspace's."""
    strict = {**NUDGE, "delivery": {**NUDGE["delivery"], "stale_after": "1 hour"}}
    reports = [push("12:00", "a", "10:00"), push("12:00:01", "b", "10:00", user="v")]
    assert play(ORIGINAL, strict, *begin("f", "o"), reports) == [
        "12:00 f u a sent push",
        "12:00:01 f v b dropped stale",
    ]
    patient = {**NUDGE, "delivery": {**NUDGE["delivery"], "stale_after": "3 days"}}
    assert play(ORIGINAL, patient, *begin("f", "o"), push("05 10:00", "a", "10:00")) == ["05 10:00 f u a sent push"]


def test_what_went_out_stays(play: Play) -> None:
    """T5, X1: noted if it is an exception from before the dispatch; nothing if it happened at or after it."""
    story = [*HOUSE, push("10:00", "a")]
    noted = "11:30 f u a noted late_exception b push"
    assert play(*story, buy("11:30", "b", "10:59:59")) == ["11:00 f u a sent push", noted]
    assert play(*story, buy("11:30", "b", "11:00")) == ["11:00 f u a sent push"]
    assert play(*story, buy("11:30", "b", "09:59")) == ["11:00 f u a sent push"]
    assert play(*story, buy("11:30", "b", "10:59"), buy("11:40", "b", "10:59")) == ["11:00 f u a sent push", noted]


def test_late_trigger_from_within_a_wait_that_was_sent(play: Play) -> None:
    """T2, T5: in order, the wait would have blocked it."""
    assert play(*HOUSE, push("10:00", "a"), push("11:30", "b", "10:30")) == [
        "11:00 f u a sent push",
        "11:30 f u b refused already_waiting",
    ]


def test_late_trigger_that_is_stale_takes_nobodys_place(play: Play) -> None:
    """D4, T5: in order its wait was over before the other one began; the one that waits goes on waiting."""
    reports = [push("03 10:00", "b"), push("03 10:30", "a", "02 09:00")]
    assert play(*HOUSE, reports) == ["03 10:30 f u a dropped stale", "03 11:00 f u b sent push"]


def test_exception_after_the_due_time_of_a_stale_trigger(play: Play) -> None:
    """D4: exceptions between the trigger and now come first, however stale it is."""
    reports = [buy("02 11:00", "x"), push("03 10:30", "a", "02 09:00")]
    assert play(*HOUSE, reports) == ["03 10:30 f u a excepted x"]


def test_noted_has_the_keys_of_the_follow_up_and_its_exception(simulate: Connector) -> None:
    """X1, X3: the note is of the current follow-up, decided when the exception arrived, and names the exception."""
    sent, noted = simulate(*HOUSE, push("10:00", "a"), buy("11:30", "b", "10:30")).outcomes
    assert noted == {**sent, "state": "noted", "reason": "late_exception", "decided_at": at("11:30"), "exception": "b"}
    assert list(noted) == [*sent, "exception"]


def test_late_before_the_publication_or_in_a_gap(play: Play) -> None:
    """P2: by event time, and live when it arrives."""
    gap = [order("10:00", "stop", "f"), order("11:00", "resume", "f")]
    late = [push("09:30", "a", "08:59"), push("11:10", "b", "10:30"), push("10:30", "c", "09:40")]
    assert play(*HOUSE, gap, late) == [
        "09:30 f u a refused before_publish",
        "10:30 f u c refused not_live",
        "11:10 f u b refused not_live",
    ]


def test_any_order_of_arrival_of_one_story(simulate: Connector) -> None:
    """T5: six reports in a row of orders come to the same messages and ends."""
    reports = [("a", "10:00"), ("b", "10:05"), ("bought", "10:10"), ("c", "10:15"), ("again", "10:20"), ("d", "10:25")]
    stories = set()
    for turn in range(6):
        arrivals = [*reports[turn:], *reports[:turn]]
        lines = [(push if len(name) == 1 else buy)(f"10:4{place}", name, t) for place, (name, t) in enumerate(arrivals)]
        run = simulate(*HOUSE, lines)
        stories.add(
            tuple(sorted(short(o).split(" ", 1)[1] for o in run.outcomes if o["state"] in ("sent", "excepted")))
        )
    assert stories == {("f u a excepted bought", "f u c excepted again", "f u d sent push")}


def test_an_id_that_is_used_again_beyond_the_retention(play: Play) -> None:
    """M6: it is another item then, and the outcome of the first one stays."""
    lines = [look("02 10:00", "a"), look("02 11:30", "a"), look("06-05 10:00", "a")]
    assert play(_looked(), *begin("f"), lines) == [
        "11:00 f u a sent push",
        "11:30 f u a refused duplicate",
        "2026-06-05 11:00 f u a sent push",
    ]


def test_one_that_was_overtaken_waits_no_more_when_what_overtook_it_has_ended(play: Play) -> None:
    """T5: `a` was superseded by `b`, and `b` was cancelled before `late` happened, so nothing waited then."""
    definition = _looked(
        delay={"after": "10 hours"}, exceptions=[{**BOUGHT, "same": ["sku"]}, {**LOOKED, "where": {"again": True}}]
    )
    lines = [
        look("12:20", "b", sku="B", again=True),
        buy("12:30", "bought", sku="B"),
        buy("12:58", "another", sku="Z"),
        look("13:30", "a", "12:10", sku="A"),
        look("14:20", "late", "12:40", sku="C"),
    ]
    assert play(definition, *begin("f"), lines) == [
        "12:30 f u b excepted bought",
        "13:30 f u a refused superseded",
        "22:40 f u late sent push",
    ]


def test_nothing_stands_where_the_template_asked_for_nothing(play: Play) -> None:
    """X1: an exception that comes after an aborted message is no `late_exception`: nothing went out."""
    aborting = follow_on("f", LOOKED, delay={"after": "1 hour"}, exceptions=[BOUGHT], messages=_ABORTING)
    lines = [look("10:00", "a"), buy("11:05", "late", "10:30")]
    assert play(aborting, *begin("f"), lines) == ["11:00 f u a dropped aborted_by_template"]


_ABORTING = {"push": {"title": "t", "body": "{% abort_message %}"}}
