"""Stopping, resuming, archiving and republishing, in `connector simulate` (P3 to P10)."""

from typing import Any

from tests.support.builders import ORIGINAL, PUSHED, follow_on
from tests.support.simulation import Connector, Play
from tests.support.stories import LOOKED, NUDGE, apply, begin, buy, did, look, order, person, push

HOUSE = [ORIGINAL, NUDGE, *begin("f", "o")]


def test_stop_ends_waits_and_holds(play: Play) -> None:
    """P9: of the stopped campaign only; a second stop changes nothing; resuming does not reopen."""
    night = {"from": "10:30", "to": "13:00"}
    held = follow_on("held", LOOKED, delay={"after": "1 hour"}, quiet_hours=night)
    other = follow_on("other", LOOKED, delay={"after": "2 hours"})
    orders = [order("11:30", "stop", "held"), order("11:31", "stop", "held"), order("11:40", "resume", "held")]
    assert play(held, other, *begin("held", "other"), look("10:00", "a"), orders, look("11:35", "b")) == [
        "11:30 held u a dropped stopped",
        "11:35 held u b refused not_live",
        "11:35 other u b refused already_waiting",
        "12:00 other u a sent push",
    ]


def test_stopped_original_leaves_the_waits(play: Play) -> None:
    """P9: its messages' interactions go on counting as exceptions, but trigger nothing (P1)."""
    both = follow_on("f", PUSHED, delay={"after": "1 hour"}, exceptions=[{"interaction": "open_push", "campaign": "o"}])
    lines = [push("10:00", "a"), push("10:00", "b", user="v"), order("10:10", "stop", "o")]
    after = [did("10:20", "opened", "open_push", campaign="o"), push("10:30", "c", user="w")]
    assert play(ORIGINAL, both, *begin("f", "o"), person("08:00", "v"), lines, after) == [
        "10:20 f u a excepted opened",
        "10:30 f w c refused target_inactive",
        "11:00 f v b sent push",
    ]


def test_archive_is_as_stop_and_final(play: Play) -> None:
    """P9."""
    assert play(*HOUSE, push("10:00", "a"), order("10:30", "archive", "f"), push("10:40", "b")) == [
        "10:30 f u a dropped stopped",
        "10:40 f u b refused not_live",
    ]


def _edited(**delivery: Any) -> dict[str, Any]:
    email = {"email": {"subject": "s", "text": "t"}}
    return follow_on("f", PUSHED, **{"delay": {"after": "3 hours"}, "messages": email, **delivery})


def test_republishing(play: Play) -> None:
    """P10: the wait keeps its due time and exceptions, and gets the newest content; new ones follow the new rules."""
    story = [*HOUSE, person("08:00", "u", email="u@shop.example"), person("08:00", "v", email="v@shop.example")]
    lines = [
        push("10:00", "a"),
        push("10:00", "b", user="v"),
        apply("10:10", _edited()),
        order("10:20", "publish", "f"),
    ]
    assert play(
        *story, lines, buy("10:30", "bought", user="v"), push("10:40", "c", user="v"), buy("10:50", "no", user="v")
    ) == [
        "10:30 f v b excepted bought",
        "11:00 f u a sent email",
        "13:40 f v c sent email",
    ]


def test_applying_alone_changes_nothing(play: Play) -> None:
    """P10: until it is published, a draft beside the live revision is only a draft."""
    assert play(*HOUSE, apply("09:30", _edited()), push("10:00", "a")) == ["11:00 f u a sent push"]


def test_late_trigger_takes_the_revision_of_its_time(play: Play) -> None:
    """P10, P2: a new revision holds from its own `effective_at`; P2's clock goes on from the first one."""
    story = [
        *HOUSE,
        person("08:00", "u", email="u@shop.example"),
        apply("10:00", _edited()),
        order("10:00", "publish", "f"),
    ]
    assert play(*story, push("10:05", "a", "09:59")) == ["10:59 f u a sent email"]


def test_the_workspace_changes_at_once(play: Play) -> None:
    """Its settings have no drafts."""
    noon = {"from": "10:45", "to": "12:00", "then": "drop"}
    quiet = {"workspace": "default", "quiet_hours": noon}
    assert play(*HOUSE, push("10:00", "a"), apply("10:30", quiet)) == ["11:00 f u a dropped quiet_hours"]


def test_publish_warnings_count_what_was_missed(simulate: Connector) -> None:
    """P4: launch-time interactions so far, by target and type."""
    story = [ORIGINAL, NUDGE, person("08:00"), order("09:00", "publish", "o", allow_missed=True)]
    lines = [push("09:10", "a"), push("09:11", "b"), push("09:12", "b", "09:11"), order("09:30", "publish", "f")]
    assert "; 2 receive_push have been missed" in simulate(*story, lines).err
