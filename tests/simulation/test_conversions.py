"""Conversions as `connector simulate` counts them: each makes an interaction, which may start a follow-on (C1)."""

from tests.support.builders import BOUGHT, ORIGINAL, follow_on
from tests.support.simulation import Play
from tests.support.stories import LOOKED, begin, buy, look, push

COUNTING = {
    **follow_on("f", LOOKED, eligible_again="always"),
    "conversions": [{**BOUGHT, "within": "1 day"}, {"event": "signed_up"}],
}
THANKS = follow_on("g", {"interaction": "perform_conversion_event", "campaign": "f"}, eligible_again="always")
HOUSE = [COUNTING, THANKS, *begin("f", "g")]


def test_counted_once_for_a_receipt(play: Play) -> None:
    """C1: within [send, send + window), the primary by default; a second purchase is not counted."""
    assert play(*HOUSE, buy("09:59", "early"), look("10:00", "a"), buy("11:00", "b"), buy("12:00", "c")) == [
        "10:00 f u a sent push",
        "11:00 g u made sent push",
    ]
    assert play(*HOUSE, look("10:00", "a"), buy("03 10:00", "too-late")) == ["10:00 f u a sent push"]


def test_control_users_convert_too(play: Play) -> None:
    """C1, W3: so that both groups are compared alike."""
    assert play({**COUNTING, "control_group": 100}, *HOUSE[1:], look("10:00", "a"), buy("11:00", "b")) == [
        "10:00 f u a control",
        "11:00 g u made sent push",
    ]


def test_original_that_another_system_sends(play: Play) -> None:
    """C1: its window begins with the reported receipt, also if that is reported after the purchase."""
    original = {**ORIGINAL, "conversions": [BOUGHT]}
    thanks = follow_on("g", {"interaction": "perform_conversion_event", "campaign": "o"})
    assert play(original, thanks, *begin("g", "o"), push("10:00", "a"), buy("11:00", "b")) == [
        "11:00 g u made sent push"
    ]
    assert play(original, thanks, *begin("g", "o"), buy("11:00", "b"), push("11:30", "a", "10:00")) == [
        "11:30 g u made sent push"
    ]
